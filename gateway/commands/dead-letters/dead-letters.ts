import type { Command } from "commander";
import { adviceOf, type DismissOrder, type RetryOrder } from "../../../contracts/dead-letters.ts";
import { formatInstantUs } from "../../../domain/time.ts";
import {
  countByReason,
  type KeptLetter,
  type LetterFilter,
  type LetterPage,
  letterAt,
  pageOfLetters,
  retryOf,
} from "../../../platform/dead-letter-log.ts";
import type { LogForReading } from "../../../platform/log/jetstream-reading.ts";
import { UsageError } from "../common/failures.ts";
import { type ReachFlags, reachingGateway, withFormat, withLog } from "../common/running-gateway.ts";
import { terminalText } from "../common/terminal-text.ts";
import { dismiss, listTopics } from "./dismiss.ts";
import { jsonOf, lineOf, payloadText, type ShownLetter, stateOf, write } from "./letter-lines.ts";
import { orderOf, parseSequence, type RetryFlags, retry } from "./retry.ts";

const LIST_MAX = 500;
/** Some letters could not be retried. */
const EXIT_SOME_LEFT = 2;

interface Flags extends ReachFlags, RetryFlags {
  readonly limit?: string;
  readonly format: "text" | "json";
}

/** Adds `weir deadletters`: messages that could not be read, and their retry once the cause is fixed. */
export function addDeadLetterCommands(parent: Command): void {
  const letters = parent.command("deadletters").description("show and retry messages that could not be read");
  reaching(letters.command("list"))
    .description("list the newest ones, newest first")
    .option("--reason <reason>", "only letters with this reason, such as bad-payload")
    .option("--topic <glob>", "only letters whose topic matches")
    .option("--limit <count>", `how many at most, up to ${LIST_MAX} (default: 50)`)
    .action((flags: Flags) => withLog(flags, (log) => list(log, flags)));
  reaching(letters.command("show").argument("<sequence>", "the number that the list shows"))
    .description("show one letter with all its bytes")
    .action((named: string, flags: Flags) => withLog(flags, (log) => show(log, parseSequence(named), flags)));
  reaching(letters.command("topics"))
    .description("count the newest ones by topic")
    .option("--reason <reason>", "only letters with this reason")
    .action((flags: Flags) => withLog(flags, (log) => listTopics(log, flags)));
  reaching(letters.command("dismiss").argument("[sequence...]", "the numbers that the list shows"))
    .description("delete letters whose messages nobody needs; `ignore: true` in a source keeps more from coming")
    .option("--reason <reason>", "all letters with this reason")
    .option("--topic <filter>", "all letters whose topic matches: an MQTT filter, or a glob")
    .option("--all", "all letters")
    .option("--by <name>", "your name (default: the user)")
    .action(async (named: readonly string[], flags: Flags) => {
      const order = orderOf(named, flags);
      await withLog(flags, (log) => dismiss(log, withoutLimit(order), flags.format));
    });
  reaching(letters.command("retry").argument("[sequence...]", "the numbers that the list shows"))
    .description("send letters through the ingest again, as if they had just arrived")
    .option("--reason <reason>", "all letters with this reason that were not retried yet")
    .option("--topic <glob>", "all letters whose topic matches and that were not retried yet")
    .option("--all", "all letters that were not retried yet")
    .option("--by <name>", "your name (default: the user)")
    .addHelpText(
      "after",
      "\nExit code: 0 when all of them are readings now (or were before), 1 when the gateway cannot be asked,\n" +
        `${EXIT_SOME_LEFT} when some still cannot be read, or cannot be retried at all.`,
    )
    .action(async (named: readonly string[], flags: Flags) => {
      const order = orderOf(named, flags);
      const left = await withLog(flags, (log) => retry(log, order, flags.format));
      if (left) process.exit(EXIT_SOME_LEFT);
    });
}

function withoutLimit(order: RetryOrder): DismissOrder {
  if ("sequences" in order) return order;
  const { limit: _, ...rest } = order;
  return rest;
}

/** A page looks at a part of the log only, in which no letter may match. */
async function newestLetters(
  log: LogForReading,
  { limit, ...filter }: LetterFilter & { readonly limit: number },
): Promise<{ readonly letters: readonly KeptLetter[]; readonly hasMore: boolean }> {
  const found: KeptLetter[] = [];
  for (let before: number | undefined; ; ) {
    const query = { ...filter, before, limit: limit - found.length };
    const page: LetterPage<KeptLetter> = await pageOfLetters(log, query, (kept) => kept);
    found.push(...page.letters);
    if (page.next === undefined || found.length === limit) return { letters: found, hasMore: page.next !== undefined };
    before = page.next;
  }
}

async function list(log: LogForReading, { reason, topic, limit = "50", format }: Flags): Promise<void> {
  const count = /^\d{1,9}$/.test(limit) ? Number(limit) : 0;
  if (count < 1 || count > LIST_MAX) throw new UsageError(`--limit ${limit} is not a number from 1 to ${LIST_MAX}`);
  const { letters, hasMore } = await newestLetters(log, { reason, topic, limit: count });
  const shown: ShownLetter[] = await Promise.all(
    letters.map(async (kept) => ({ ...kept, retry: await retryOf(log, kept.sequence) })),
  );
  if (format === "json") {
    write(
      JSON.stringify(
        shown.map((letter) => jsonOf(letter)),
        undefined,
        2,
      ),
    );
    return;
  }
  const total = Object.values(await countByReason(log)).reduce((sum, each) => sum + each, 0);
  const filtered = reason !== undefined || topic !== undefined;
  if (shown.length === 0)
    write(filtered && total > 0 ? `none of the ${total} letters matches` : "no message was refused");
  for (const letter of shown) write(lineOf(letter));
  if (hasMore) write(`... and older ones; ${total} in all (select with --limit, --reason and --topic)`);
}

async function show(log: LogForReading, sequence: number, { format }: Flags): Promise<void> {
  const kept = await letterAt(log, sequence);
  if (kept === undefined) {
    throw new UsageError(
      `there is no dead letter ${sequence}: it never existed, or has expired; \`weir deadletters list\` shows them`,
    );
  }
  const letter: ShownLetter = { ...kept, retry: await retryOf(log, sequence) };
  if (format === "json") {
    const { payload } = letter.letter;
    write(JSON.stringify({ ...jsonOf(letter), base64: Buffer.from(payload).toString("base64") }, undefined, 2));
    return;
  }
  const { reason, detail, topic, clientId, receivedAtUs, position, source, retryOf: first, payload } = letter.letter;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["letter", String(sequence)],
    ["reason", `${reason}: ${detail}`],
    ["topic", topic],
    ["source", source],
    ["client", clientId === "" ? undefined : clientId],
    ["received", formatInstantUs(receivedAtUs)],
    ["stored", formatInstantUs(letter.storedAtUs)],
    ["bad byte", position === undefined ? undefined : String(position)],
    ["retry of", first === undefined ? undefined : `letter ${first}`],
    ["retry", stateOf(letter)],
    [
      "advice",
      letter.retry === undefined ? adviceOf({ reason, isCut: letter.letter.wholeBytes !== undefined }) : undefined,
    ],
    ["payload", `${payload.length} bytes`],
  ];
  for (const [name, text] of facts) if (text !== undefined) write(`${name.padEnd(9)} ${terminalText(text)}`);
  write(`\n${payloadText(payload)}`);
}

function reaching(command: Command): Command {
  return withFormat(reachingGateway(command));
}
