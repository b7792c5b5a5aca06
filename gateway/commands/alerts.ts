import { readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { type Command, Option } from "commander";
import {
  ALERTS_ACKNOWLEDGE,
  ALERTS_LIST,
  DELIVERIES_LIST,
  type DeliveriesQuery,
  type Delivery,
  type Matchers,
  type NewAcknowledgement,
  type NewSilence,
  type OpenAlert,
  type OpenAlertsQuery,
  SILENCES_ADD,
  SILENCES_LIST,
  SILENCES_REMOVE,
  type Silence,
  type SilenceRemoval,
} from "../../contracts/notifications.ts";
import type { Question } from "../../contracts/question.ts";
import { formatDurationUs, formatInstantUs, INSTANT_US_MAX, parseDurationUs, US_PER_MS } from "../../domain/time.ts";
import { systemClock } from "../../platform/clock.ts";
import { createNatsBus } from "../../platform/log/jetstream-bus.ts";
import { openConnection } from "../../platform/log/jetstream-connection.ts";
import { LogClosedError, NoAnswerError } from "../../platform/log/port.ts";
import { createLogger } from "../../platform/logger.ts";
import { SETTINGS } from "../settings/settings.ts";
import { UsageError } from "./failures.ts";

const CONNECT_MS = 5_000;
const ALERTS_MAX = 100_000;

type Flags = Readonly<Record<string, string | undefined>>;

/** `weir alerts ...` and `weir silences ...`: look at open incidents and at who was told, take them on, keep them quiet. */
export function addAlertCommands(parent: Command): void {
  const alerts = parent.command("alerts").description("open incidents of a running gateway");
  reaching(alerts.command("list").argument("[label=value...]", "only those that fit; values may be globs"))
    .description("what is pending or firing, and who has taken it on")
    .action(async (pairs: readonly string[], flags: Flags) => {
      const query: OpenAlertsQuery = { matchers: parseMatchers(pairs), limit: ALERTS_MAX };
      show(await ask(flags, ALERTS_LIST, query), flags, alertLines);
    });
  reaching(alerts.command("ack").argument("<incident>"))
    .description("take an incident on: it is not repeated any more")
    .option("--by <name>", "who (default: the user)")
    .option("--note <text>", "what others should know")
    .action(async (incident: string, flags: Flags) => {
      const order: NewAcknowledgement = { incident, by: flags.by ?? userInfo().username, note: flags.note ?? "" };
      const { by } = await ask(flags, ALERTS_ACKNOWLEDGE, order);
      process.stdout.write(`${incident} is acknowledged by ${by}\n`);
    });
  reaching(alerts.command("deliveries").argument("<incident>"))
    .description("who was told of an incident, and what came of it")
    .action(async (incident: string, flags: Flags) => {
      const query: DeliveriesQuery = { incident };
      show(await ask(flags, DELIVERIES_LIST, query), flags, deliveryLines);
    });

  const silences = parent.command("silences").description("alerts that are not to be told for a while");
  reaching(silences.command("list"))
    .description("silences that last or are to begin")
    .action(async (flags: Flags) => show(await ask(flags, SILENCES_LIST, {}), flags, silenceLines));
  reaching(
    silences.command("add").argument("<label=value...>", "rule, severity, device...; values may be globs, or a,b,c"),
  )
    .description("keep alerts quiet")
    .option("--from <time>", "ISO 8601, or from now on: 30m, 2h (default: now)")
    .option("--for <duration>", "how long: 30m, 2h, 1d")
    .option("--until <time>", "ISO 8601; instead of --for")
    .option("--by <name>", "who (default: the user)")
    .requiredOption("--why <text>", "why")
    .action(async (pairs: readonly string[], flags: Flags) => {
      const { fromUs, untilUs } = spanOf(flags, systemClock.nowUs());
      const order: NewSilence = {
        matchers: parseMatchers(pairs),
        fromUs,
        untilUs,
        by: flags.by ?? userInfo().username,
        why: flags.why ?? "",
      };
      const silence = await ask(flags, SILENCES_ADD, order);
      const open = await ask(flags, ALERTS_LIST, { limit: ALERTS_MAX });
      const held = open.filter(({ silencedBy }) => silencedBy.includes(silence.id)).length;
      const until = formatInstantUs(silence.untilUs);
      // One that holds nothing may have a label that its alerts have not.
      process.stdout.write(`${silence.id} until ${until}; it holds ${held} of ${open.length} open alerts now\n`);
    });
  reaching(silences.command("remove").argument("<id>"))
    .description("end a silence")
    .option("--by <name>", "who (default: the user)")
    .action(async (id: string, flags: Flags) => {
      const order: SilenceRemoval = { id, by: flags.by ?? userInfo().username };
      await ask(flags, SILENCES_REMOVE, order);
      process.stdout.write(`${id} is over\n`);
    });
}

/** `device=cold-*` and `site=north,south` as matchers. Throws UsageError. */
export function parseMatchers(pairs: readonly string[]): Matchers {
  const matchers: Record<string, string | string[]> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    const value = pair.slice(at + 1);
    if (at < 1 || value === "")
      throw new UsageError(`"${pair}" is not label=value; write for example device=cold-1 or rule="cold-*"`);
    const name = pair.slice(0, at);
    if (Object.hasOwn(matchers, name)) throw new UsageError(`${name} is given twice; write ${name}=a,b for either`);
    const values = value.split(",").filter((part) => part !== "");
    matchers[name] = values.length === 1 && values[0] !== undefined ? values[0] : values;
  }
  return matchers;
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

function reaching(command: Command): Command {
  for (const name of ["dataDir", "natsUrl", "natsToken"] as const) {
    const { flag, variable, argument, description } = SETTINGS[name];
    command.addOption(new Option(`${flag} <${argument}>`, description).env(variable));
  }
  return command.option("--json", "print JSON");
}

/** Asks the running gateway. Throws UsageError when none can be reached, or when it refuses. */
async function ask<Ask, Asked, Answer>(
  flags: Flags,
  question: Question<Ask, Asked, Answer>,
  value: Ask,
): Promise<Answer> {
  const { url, token } = addressOf(flags);
  const logger = createLogger({ level: "silent", pretty: false, name: "alerts" });
  try {
    const connection = await openConnection({
      ...{ servers: url, name: "weir-alerts", logger, signal: AbortSignal.timeout(CONNECT_MS) },
      ...(token === undefined ? {} : { token }),
    });
    try {
      return await createNatsBus(connection).request(question, value);
    } finally {
      await connection.close();
    }
  } catch (error) {
    if (error instanceof LogClosedError) throw new UsageError(`${url} does not answer: is the gateway running?`);
    if (error instanceof NoAnswerError)
      throw new UsageError(`the notifier does not answer at ${url}: does it run? (weir run notifier)`);
    throw error instanceof Error ? new UsageError(error.message) : error;
  }
}

function addressOf(flags: Flags): { readonly url: string; readonly token: string | undefined } {
  if (flags.natsUrl !== undefined) return { url: flags.natsUrl, token: flags.natsToken };
  const file = join(flags.dataDir ?? ".weir", "run.json");
  let run: { readonly natsUrl?: string; readonly natsToken?: string };
  try {
    run = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw new UsageError(
      `no gateway runs in this folder (${file} is not there): say where with --data-dir or --nats-url`,
    );
  }
  return { url: run.natsUrl ?? "", token: run.natsToken };
}

function show<T>(items: readonly T[], flags: Flags, lines: (items: readonly T[]) => string[]): void {
  const text = flags.json === undefined ? lines(items).join("\n") : JSON.stringify(items, undefined, 2);
  process.stdout.write(`${text}\n`);
}

function alertLines(alerts: readonly OpenAlert[]): string[] {
  if (alerts.length === 0) return ["nothing is open"];
  const nowUs = systemClock.nowUs();
  return alerts.map((alert) => {
    const { incident, state, severity, value, activeAtUs, acknowledgement, silencedBy, inhibitedBy } = alert;
    const ageUs = Math.max(0, Math.floor((nowUs - activeAtUs) / 1e6) * 1e6);
    const notes = [
      ...(acknowledgement
        ? [`acknowledged by ${acknowledgement.by}${acknowledgement.note && `: ${acknowledgement.note}`}`]
        : []),
      ...(silencedBy.length > 0 ? [`silenced by ${silencedBy.join(", ")}`] : []),
      ...(inhibitedBy.length > 0 ? [`inhibited by ${inhibitedBy.join(", ")}`] : []),
    ];
    return `${state.padEnd(8)} ${severity.padEnd(8)} ${incident}  value ${value}, for ${formatDurationUs(ageUs)}${notes.map((note) => `; ${note}`).join("")}`;
  });
}

function deliveryLines(deliveries: readonly Delivery[]): string[] {
  if (deliveries.length === 0) return ["nobody was told of it, or it is not known"];
  return deliveries.map(({ receiver, state, outcome, attempts, repeats, error, inhibitedBy, atUs }) => {
    const more = [
      `${attempts} ${attempts === 1 ? "try" : "tries"}`,
      ...(repeats > 0 ? [`repeated ${repeats} times`] : []),
      ...(inhibitedBy ? [`${outcome === "inhibited" ? "" : "was inhibited "}by ${inhibitedBy.join(", ")}`] : []),
      ...(error ? [error] : []),
    ];
    return `${formatInstantUs(atUs)}  ${receiver.padEnd(20)} ${state.padEnd(8)} ${outcome.padEnd(9)} ${more.join(", ")}`;
  });
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
