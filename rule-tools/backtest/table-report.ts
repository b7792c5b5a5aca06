import { formatInstantUs } from "../../domain/time.ts";
import { hasAlert } from "../../rule-language/spec/levels-spec.ts";
import { type BacktestOutcome, roundedDuration } from "./backtest.ts";
import { type AlertDiff, addTotals, type SpanDiff } from "./diff.ts";

const SPANS_SHOWN = 20;

/** A report for a terminal: firings by rule and group, or the differences between two rule sets. */
export function tableReport(outcome: BacktestOutcome): string {
  const { readings, fromUs, toUs, candidate, live, diff } = outcome;
  const counts = `${candidate.windows} windows, ${candidate.changes} alert changes`;
  const lines = [`${readings > 0 ? `${readings} readings ` : ""}from ${day(fromUs)} to ${day(toUs)}; ${counts}`, ""];
  const withAlerts = [...candidate.specs, ...(live?.specs ?? [])].filter(hasAlert);
  // Two rules with different names are reported under the name of the later one.
  for (const rule of new Set([...withAlerts.map(({ id }) => id), ...diff.map((alert) => alert.rule)])) {
    const alerts = diff.filter((alert) => alert.rule === rule);
    lines.push(...(live ? diffLines(rule, alerts) : firingLines(rule, alerts)), "");
  }
  lines.push(...warnings(outcome));
  return `${lines.join("\n").trimEnd()}\n`;
}

/** Limits of the result that a reader must know. */
export function warnings({ pauses, candidate, live, notes }: BacktestOutcome): string[] {
  const specs = [...candidate.specs, ...(live?.specs ?? [])];
  const left = candidate.spansLeftOut + (live?.spansLeftOut ?? 0);
  return [
    ...notes,
    ...(pauses > 0 && specs.some(({ absent }) => absent !== undefined)
      ? [`In ${pauses} pauses of more than 30 s are unwatched: silence in them does not count for \`absent\`.`]
      : []),
    ...(left > 0 ? [`${left} firings beyond the first 200000 of a rule set are left out of the comparison.`] : []),
  ];
}

function firingLines(rule: string, alerts: readonly AlertDiff[]): string[] {
  if (alerts.length === 0) return [`${rule}: never fired`];
  const totals = addTotals(alerts.map((alert) => alert.totals));
  const rows = alerts.map(({ key, totals: own, spans }) => {
    const longest = Math.max(...spans.map(({ after }) => (after ? after.toUs - after.fromUs : 0)));
    return [labels(key), String(own.after), roundedDuration(own.firingUsAfter), roundedDuration(longest)];
  });
  return [
    `${rule}: fired ${totals.after} times, ${roundedDuration(totals.firingUsAfter)} in all`,
    ...table(["", "times", "firing", "longest"], rows),
  ];
}

function diffLines(rule: string, alerts: readonly AlertDiff[]): string[] {
  const totals = addTotals(alerts.map((alert) => alert.totals));
  const { same, moved, gained, lost } = totals;
  const title = `${rule}: ${gained} gained, ${lost} lost, ${moved} moved, ${same} the same`;
  if (gained + lost + moved === 0) return [title];
  const changed = alerts.filter(({ totals: own }) => own.gained + own.lost + own.moved > 0);
  const rows = changed.map(({ key, totals: own }) => [
    labels(key),
    ...[own.gained, own.lost, own.moved, own.same].map(String),
    `${roundedDuration(own.firingUsBefore)} -> ${roundedDuration(own.firingUsAfter)}`,
  ]);
  const spans = changed.flatMap(({ key, spans: all }) =>
    all.filter(({ kind }) => kind !== "same").map((span) => `  ${labels(key)}  ${spanText(span)}`),
  );
  const more = spans.length - SPANS_SHOWN;
  return [
    title,
    ...table(["", "gained", "lost", "moved", "same", "firing"], rows),
    ...spans.slice(0, SPANS_SHOWN),
    ...(more > 0 ? [`  ... and ${more} more (--format json or html shows all)`] : []),
  ];
}

/** `moved   2016-01-01T03:00Z to 05:00Z -> ...` */
export function spanText({ kind, before, after }: SpanDiff): string {
  const span = (one: typeof before) => (one ? `${day(one.fromUs)} to ${one.isOpen ? "the end" : day(one.toUs)}` : "");
  const both = kind === "moved" ? `${span(before)} -> ${span(after)}` : span(before ?? after);
  const severities =
    before && after && before.severity !== after.severity ? `, ${before.severity} -> ${after.severity}` : "";
  return `${kind.padEnd(6)}  ${both}${severities}`;
}

export function day(atUs: number): string {
  return Number.isFinite(atUs) ? formatInstantUs(atUs).replace(/(?::00)?\.000Z$/, "Z") : "nowhere";
}

export function labels(key: Readonly<Record<string, string>>): string {
  return Object.values(key).join(" ") || "(all)";
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  return all.map((row) =>
    `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ")}`.trimEnd(),
  );
}
