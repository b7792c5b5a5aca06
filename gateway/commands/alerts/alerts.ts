import { userInfo } from "node:os";
import type { Command } from "commander";
import {
  ALERTS_ACKNOWLEDGE,
  DELIVERIES_LIST,
  type DeliveriesQuery,
  type Delivery,
  type NewAcknowledgement,
  type OpenAlert,
} from "../../../contracts/notifications.ts";
import { keysOf } from "../../../domain/keys-of.ts";
import { formatDurationUs, formatInstantUs } from "../../../domain/time.ts";
import { systemClock } from "../../../platform/clock.ts";
import { closest } from "../../../platform/files/closest.ts";
import { UsageError } from "../common/failures.ts";
import { terminalText } from "../common/terminal-text.ts";
import { asking, askNotifier, type Flags, openAlerts, parseMatchers, show } from "./ask-notifier.ts";

/** Adds `weir alerts`: open incidents, their acknowledgements and deliveries. */
export function addAlertCommands(program: Command): void {
  const alerts = program.command("alerts").description("show and acknowledge open incidents of a running gateway");
  asking(alerts.command("list").argument("[label=value...]", "only alerts with these labels; values may be globs"))
    .description("list pending and firing incidents, and who has acknowledged them")
    .action(async (pairs: readonly string[], flags: Flags) => {
      const matchers = parseMatchers(pairs);
      const found = await openAlerts(flags, matchers);
      if (found.length === 0 && pairs.length > 0) checkLabels(Object.keys(matchers), await openAlerts(flags));
      show(found, flags, (alerts) => alertLines(alerts, systemClock.nowUs(), pairs));
    });
  asking(alerts.command("ack").argument("<incident>"))
    .description("acknowledge an incident: its notifications are not repeated")
    .option("--by <name>", "your name (default: the user)")
    .option("--note <text>", "a note for others")
    .action(async (incident: string, flags: Flags) => {
      const order: NewAcknowledgement = { incident, by: flags.by ?? userInfo().username, note: flags.note ?? "" };
      const { by } = await askNotifier(flags, ALERTS_ACKNOWLEDGE, order);
      process.stdout.write(`${incident} is acknowledged by ${by}\n`);
    });
  asking(alerts.command("deliveries").argument("<incident>"))
    .description("show who was notified of an incident, and whether it arrived")
    .action(async (incident: string, flags: Flags) => {
      const query: DeliveriesQuery = { incident };
      show(await askNotifier(flags, DELIVERIES_LIST, query), flags, deliveryLines);
    });
}

/** A label that no open alert has is most likely misspelt. Throws UsageError. */
export function checkLabels(wanted: readonly string[], alerts: readonly OpenAlert[]): void {
  if (alerts.length === 0) return;
  const known = new Set([
    "rule",
    "severity",
    ...alerts.flatMap(({ key, labels }) => [...keysOf(key), ...keysOf(labels)]),
  ]);
  const unknown = wanted.filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  const hint = closest(unknown[0] ?? "", [...known]);
  const meant = hint === undefined ? "" : `; did you mean "${hint}"?`;
  throw new UsageError(
    `no open alert has the label ${unknown.join(", ")}${meant} (labels: ${[...known].sort().join(", ")})`,
  );
}

/** Acknowledged alerts come last, apart from the others. */
export function alertLines(
  alerts: readonly OpenAlert[],
  nowUs = systemClock.nowUs(),
  wanted: readonly string[] = [],
): string[] {
  if (alerts.length === 0)
    return [wanted.length === 0 ? "nothing is open" : `nothing is open with ${wanted.join(" ")}`];
  const others = alerts.filter(({ acknowledgement }) => acknowledgement === undefined);
  const acknowledged = alerts.filter(({ acknowledgement }) => acknowledgement !== undefined);
  if (acknowledged.length === 0) return linesOf(others, nowUs);
  const heading = `acknowledged, ${acknowledged.length} of ${alerts.length}:`;
  return [...linesOf(others, nowUs), ...(others.length === 0 ? [] : [""]), heading, ...linesOf(acknowledged, nowUs)];
}

function linesOf(alerts: readonly OpenAlert[], nowUs: number): string[] {
  return alerts.map((alert) => {
    const { incident, rule, key, annotations, state, severity, value, activeAtUs } = alert;
    const { acknowledgement, silencedBy, inhibitedBy } = alert;
    const ageUs = Math.max(0, Math.floor((nowUs - activeAtUs) / 1e6) * 1e6);
    const notes = [
      ...(acknowledgement
        ? [`acknowledged by ${acknowledgement.by}${acknowledgement.note && `: ${acknowledgement.note}`}`]
        : []),
      ...(silencedBy.length > 0 ? [`silenced by ${silencedBy.join(", ")}`] : []),
      ...(inhibitedBy.length > 0 ? [`inhibited by ${inhibitedBy.join(", ")}`] : []),
    ];
    const group = Object.entries(key).map(([name, label]) => `${name}=${label}`);
    const facts = [`value ${value}`, `for ${formatDurationUs(ageUs)}`, ...notes];
    const about = annotations.summary ?? [rule, ...group].join(" ");
    return [
      `${state.padEnd(8)} ${severity.padEnd(8)} ${terminalText(about)}`,
      `${" ".repeat(18)}${terminalText([rule, ...group].join(" "))}; ${facts.map(terminalText).join("; ")}`,
      `${" ".repeat(18)}${incident}`,
    ].join("\n");
  });
}

function deliveryLines(deliveries: readonly Delivery[]): string[] {
  if (deliveries.length === 0) return ["nobody was notified of it, or the incident does not exist"];
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
