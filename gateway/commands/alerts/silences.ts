import { userInfo } from "node:os";
import type { Command } from "commander";
import {
  type NewSilence,
  SILENCES_ADD,
  SILENCES_LIST,
  SILENCES_REMOVE,
  type Silence,
  type SilenceRemoval,
} from "../../../contracts/notifications.ts";
import { formatInstantUs, INSTANT_US_MAX, parseDurationUs, US_PER_MS } from "../../../domain/time.ts";
import { systemClock } from "../../../platform/clock.ts";
import { UsageError } from "../common/failures.ts";
import { asking, askNotifier, type Flags, openAlerts, parseMatchers, show } from "./ask-notifier.ts";

/** Adds `weir silences`: alerts that notify nobody for a time. */
export function addSilenceCommands(program: Command): void {
  const silences = program.command("silences").description("keep alerts quiet for a while");
  asking(silences.command("list"))
    .description("list silences that are active or begin later")
    .action(async (flags: Flags) => {
      show(await askNotifier(flags, SILENCES_LIST, {}), flags, silenceLines);
    });
  asking(
    silences.command("add").argument("<label=value...>", "rule, severity, device...; values may be globs, or a,b,c"),
  )
    .description("silence alerts")
    .option("--from <time>", "when it begins: ISO 8601, or a time from now such as 30m or 2h (default: now)")
    .option("--for <duration>", "how long it lasts: 30m, 2h, 1d")
    .option("--until <time>", "when it ends: ISO 8601; instead of --for")
    .option("--by <name>", "your name (default: the user)")
    .requiredOption("--why <text>", "the reason")
    .action(add);
  asking(silences.command("remove").argument("<id>"))
    .description("end a silence")
    .option("--by <name>", "your name (default: the user)")
    .action(async (id: string, flags: Flags) => {
      const order: SilenceRemoval = { id, by: flags.by ?? userInfo().username };
      await askNotifier(flags, SILENCES_REMOVE, order);
      process.stdout.write(`${id} has ended\n`);
    });
}

async function add(pairs: readonly string[], flags: Flags): Promise<void> {
  const { fromUs, untilUs } = spanOf(flags, systemClock.nowUs());
  const by = flags.by ?? userInfo().username;
  const order: NewSilence = { matchers: parseMatchers(pairs), fromUs, untilUs, by, why: flags.why ?? "" };
  const silence = await askNotifier(flags, SILENCES_ADD, order);
  const open = await openAlerts(flags);
  const held = open.filter(({ silencedBy }) => silencedBy.includes(silence.id)).length;
  const until = formatInstantUs(silence.untilUs);
  // The count reveals a typing error: a label that no alert has silences nothing.
  process.stdout.write(`${silence.id} until ${until}; it silences ${held} of ${open.length} open alerts now\n`);
}

/** `[fromUs, untilUs)` of --from, --for and --until. Throws UsageError. */
export function spanOf(flags: Flags, nowUs: number): { readonly fromUs: number; readonly untilUs: number } {
  const { from, until } = flags;
  const fromUs = from === undefined ? nowUs : instantOf("--from", from, nowUs);
  if ((flags.for === undefined) === (until === undefined))
    throw new UsageError("give either --for (30m, 2h) or --until (a time)");
  if (until !== undefined) return { fromUs, untilUs: instantOf("--until", until, nowUs) };
  const spanUs = parseDurationUs(flags.for ?? "");
  if (spanUs === undefined)
    throw new UsageError(`--for ${flags.for} is not a duration; write for example 30m, 2h or 1d`);
  return { fromUs, untilUs: fromUs + spanUs };
}

function instantOf(flag: string, text: string, nowUs: number): number {
  const aheadUs = parseDurationUs(text);
  if (aheadUs !== undefined) return nowUs + aheadUs;
  const atUs = Date.parse(text) * US_PER_MS;
  if (Number.isNaN(atUs) || Math.abs(atUs) > INSTANT_US_MAX) {
    throw new UsageError(`${flag} ${text} is not a time; write for example 2026-11-22T08:00:00Z, or 2h from now`);
  }
  return atUs;
}

function silenceLines(silences: readonly Silence[]): string[] {
  if (silences.length === 0) return ["no silences"];
  return silences.map(({ id, matchers, fromUs, untilUs, by, why }) => {
    const labels = Object.entries(matchers).map(
      ([name, value]) => `${name}=${typeof value === "string" ? value : value.join(",")}`,
    );
    return `${id}  ${labels.join(" ")}  ${formatInstantUs(fromUs)} to ${formatInstantUs(untilUs)}  by ${by}: ${why}`;
  });
}
