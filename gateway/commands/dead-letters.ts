import { userInfo } from "node:os";
import { type Command, Option } from "commander";
import {
  DEAD_LETTERS_RETRY,
  type LetterRetry,
  type RetryOrder,
  type RetryReport,
  type RetryResult,
} from "../../contracts/dead-letters.ts";
import { formatInstantUs } from "../../domain/time.ts";
import {
  countByReason,
  isRetryable,
  type KeptLetter,
  letterAt,
  pageOfLetters,
  retryOf,
} from "../../platform/dead-letter-log.ts";
import type { LogForReading } from "../../platform/log/jetstream-reading.ts";
import { NoAnswerError } from "../../platform/log/port.ts";
import { UsageError } from "./failures.ts";
import { type ReachFlags, reachingGateway, withLog } from "./running-gateway.ts";

/** Twice what the ingest takes for one piece of work, at most. */
const ANSWER_MS_MAX = 10_000;
const AT_ONCE = 100;
const LIST_MAX = 500;
/** Something is left that could not be retried. */
const EXIT_SOME_LEFT = 2;

interface Flags extends ReachFlags {
  readonly reason?: string;
  readonly topic?: string;
  readonly limit?: string;
  readonly all?: true;
  readonly by?: string;
  readonly format: "text" | "json";
}

interface ShownLetter extends KeptLetter {
  readonly retry: LetterRetry | undefined;
}

/** `weir deadletters ...`: look at what was refused, and put it through the ingest again once the cause is mended. */
export function addDeadLetterCommands(parent: Command): void {
  const letters = parent.command("deadletters").description("messages of a running gateway that could not be read");
  reaching(letters.command("list"))
    .description("the newest ones, newest first")
    .option("--reason <reason>", "only those of this reason, such as bad-payload")
    .option("--topic <glob>", "only those whose topic fits")
    .option("--limit <count>", `so many at most, up to ${LIST_MAX} (default: 50)`)
    .action((flags: Flags) => withLog(flags, (log) => list(log, flags)));
  reaching(letters.command("show").argument("<sequence>", "the number that the list shows"))
    .description("one of them, with all its bytes")
    .action((named: string, flags: Flags) => withLog(flags, (log) => show(log, parseSequence(named), flags)));
  reaching(letters.command("retry").argument("[sequence...]", "the numbers that the list shows"))
    .description("put them through the ingest again, as if they had just come")
    .option("--reason <reason>", "all of this reason that were not retried yet")
    .option("--topic <glob>", "all whose topic fits and that were not retried yet")
    .option("--all", "all that were not retried yet")
    .option("--by <name>", "who (default: the user)")
    .addHelpText(
      "after",
      "\nExit code: 0 when all of them are readings now (or were before), 1 when nothing could be asked,\n" +
        `${EXIT_SOME_LEFT} when some cannot be read yet, or cannot be retried at all.`,
    )
    .action(async (named: readonly string[], flags: Flags) => {
      const order = orderOf(named, flags);
      const left = await withLog(flags, (log) => retry(log, order, flags));
      if (left) process.exit(EXIT_SOME_LEFT);
    });
}

async function list(log: LogForReading, { reason, topic, limit = "50", format }: Flags): Promise<void> {
  const count = /^\d{1,9}$/.test(limit) ? Number(limit) : 0;
  if (count < 1 || count > LIST_MAX) throw new UsageError(`--limit ${limit} is not a number from 1 to ${LIST_MAX}`);
  const page = await pageOfLetters(log, { reason, topic, limit: count }, (kept) => kept);
  const shown: ShownLetter[] = await Promise.all(
    page.letters.map(async (kept) => ({ ...kept, retry: await retryOf(log, kept.sequence) })),
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
  if (shown.length === 0) write(filtered && total > 0 ? `none of the ${total} letters fits` : "no message was refused");
  for (const letter of shown) write(lineOf(letter));
  if (page.next !== undefined) write(`... and older ones; ${total} in all (--limit, --reason and --topic choose)`);
}

async function show(log: LogForReading, sequence: number, { format }: Flags): Promise<void> {
  const kept = await letterAt(log, sequence);
  if (kept === undefined) {
    throw new UsageError(
      `there is no dead letter ${sequence}: it never was, or is too old; \`weir deadletters list\` shows them`,
    );
  }
  const letter: ShownLetter = { ...kept, retry: await retryOf(log, sequence) };
  if (format === "json") {
    const { payload } = letter.letter;
    write(JSON.stringify({ ...jsonOf(letter), base64: Buffer.from(payload).toString("base64") }, undefined, 2));
    return;
  }
  const { reason, detail, topic, clientId, receivedAtUs, position, retryOf: first, payload } = letter.letter;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["letter", String(sequence)],
    ["reason", `${reason}: ${detail}`],
    ["topic", topic],
    ["client", clientId === "" ? undefined : clientId],
    ["received", formatInstantUs(receivedAtUs)],
    ["stored", formatInstantUs(letter.storedAtUs)],
    ["bad byte", position === undefined ? undefined : String(position)],
    ["retry of", first === undefined ? undefined : `letter ${first}`],
    ["retry", stateOf(letter)],
    ["payload", `${payload.length} bytes`],
  ];
  for (const [name, text] of facts) if (text !== undefined) write(`${name.padEnd(9)} ${plain(text)}`);
  write(`\n${payloadText(payload)}`);
}

/** Returns whether something is left that could not be retried. */
async function retry(log: LogForReading, first: RetryOrder, { format }: Flags): Promise<boolean> {
  const results: RetryResult[] = [];
  for (let order: RetryOrder | undefined = first; order !== undefined; ) {
    const report = await ask(log, order);
    results.push(...report.results);
    // What is not stored is told as it comes: many letters take a while.
    if (format === "text") {
      for (const result of report.results) if ("sequences" in order || isLeft(result)) write(resultLine(result));
    }
    order = nextOrder(order, report);
  }
  if (format === "json") write(JSON.stringify(results, undefined, 2));
  else if (!("sequences" in first)) write(summaryOf(results));
  return results.some(isLeft);
}

function nextOrder(order: RetryOrder, { before, next }: RetryReport): RetryOrder | undefined {
  if (next === undefined) return undefined;
  if (!("sequences" in order)) return { ...order, before, after: next };
  const sequences = order.sequences.filter((sequence) => sequence > next);
  return sequences.length === 0 ? undefined : { ...order, sequences };
}

async function ask({ bus }: LogForReading, order: RetryOrder): Promise<RetryReport> {
  try {
    return await bus.request(DEAD_LETTERS_RETRY, order, { timeoutMs: ANSWER_MS_MAX });
  } catch (error) {
    if (error instanceof NoAnswerError) {
      throw new UsageError(
        "the ingest does not answer: does it run? (weir up, or weir run edge) Asking again does no harm: a letter is retried once.",
      );
    }
    throw error instanceof Error ? new UsageError(error.message) : error;
  }
}

/** What was asked for. Throws UsageError. */
export function orderOf(
  named: readonly string[],
  { reason, topic, all, by = userInfo().username }: Omit<Flags, "format">,
): RetryOrder {
  const many = reason !== undefined || topic !== undefined || all === true;
  if (named.length === 0 && !many) {
    throw new UsageError("say which: numbers (weir deadletters list shows them), --reason, --topic, or --all");
  }
  if (named.length > 0 && many) throw new UsageError("give either numbers, or --reason, --topic or --all");
  if (all === true && (reason !== undefined || topic !== undefined)) {
    throw new UsageError("--all is everything; leave it out to retry only what --reason and --topic choose");
  }
  if (named.length > 500)
    throw new UsageError("at most 500 numbers at once; --reason, --topic and --all take any number of letters");
  if (named.length > 0) return { by, sequences: named.map(parseSequence) };
  return { by, limit: AT_ONCE, ...(reason === undefined ? {} : { reason }), ...(topic === undefined ? {} : { topic }) };
}

function parseSequence(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new UsageError(`"${text}" is no letter's number; \`weir deadletters list\` shows them`);
}

function isLeft({ outcome, retry: earlier }: RetryResult): boolean {
  if (outcome === "already-done") return earlier?.outcome === "refused";
  return outcome !== "stored" && outcome !== "empty";
}

function resultLine({ sequence, outcome, detail }: RetryResult): string {
  return `${String(sequence).padStart(8)}  ${outcome.padEnd(13)} ${detail}`;
}

function summaryOf(results: readonly RetryResult[]): string {
  if (results.length === 0) return "nothing to retry: no letter that fits is left";
  const counts = new Map<string, number>();
  for (const { outcome } of results) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  const letters = results.length === 1 ? "1 letter" : `${results.length} letters`;
  return `${letters}: ${[...counts].map(([outcome, count]) => `${count} ${outcome}`).join(", ")}`;
}

function lineOf(shown: ShownLetter): string {
  const { reason, topic, detail } = shown.letter;
  const state = stateOf(shown);
  const about = `${String(shown.sequence).padStart(8)}  ${formatInstantUs(shown.storedAtUs)}  ${plain(`${reason.padEnd(14)} ${topic}: ${detail}`)}`;
  return shown.retry === undefined ? about : `${about} [${state}]`;
}

function stateOf({ letter, retry: done }: ShownLetter): string {
  if (done === undefined) return isRetryable(letter) ? "not retried yet" : "cannot be retried: no message of a device";
  const by = done.by === "" ? "" : ` by ${done.by}`;
  return `retried at ${formatInstantUs(done.atUs)}${by}: ${done.outcome}${done.letter === undefined ? "" : `, now letter ${done.letter}`}`;
}

function jsonOf({ sequence, storedAtUs, letter, retry: done }: ShownLetter): Record<string, unknown> {
  const { payload, ...about } = letter;
  const retryable = isRetryable(letter) && done === undefined;
  return { sequence, storedAtUs, ...about, payloadBytes: payload.length, retryable, retry: done };
}

/** What a device sent must not steer the terminal. */
function plain(text: string): string {
  return text.replace(/\p{Cc}/gu, "\u{fffd}");
}

/** As text where it is some; otherwise in hexadecimal. */
function payloadText(payload: Uint8Array): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(payload);
    if (!/[^\P{Cc}\t\n\r]/u.test(text)) return text;
  } catch {
    // Bytes, then.
  }
  const lines: string[] = [];
  for (let at = 0; at < payload.length; at += 32) {
    lines.push(`${at.toString(16).padStart(6, "0")}  ${Buffer.from(payload.subarray(at, at + 32)).toString("hex")}`);
  }
  return lines.join("\n");
}

function reaching(command: Command): Command {
  return reachingGateway(command).addOption(
    new Option("--format <format>", "how to print").choices(["text", "json"]).default("text"),
  );
}

function write(text: string): void {
  process.stdout.write(`${text}\n`);
}
