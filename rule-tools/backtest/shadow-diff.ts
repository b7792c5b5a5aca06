import type { AlertChange, AlertEvent } from "../../domain/alert.ts";
import { alertSubject } from "../../domain/subjects.ts";
import type { Log } from "../../platform/log/port.ts";
import type { BacktestOutcome } from "./backtest.ts";
import { addTotals, diffSpans } from "./diff.ts";
import { FiringSpans } from "./firing-spans.ts";

/** Bounds memory. */
const CHANGES_MAX = 1_000_000;

/**
 * Compares the firings of two rules of the gateway at or after an instant, by event time, from the alerts log.
 * `shadow` is a candidate to replace `rule`.
 */
export async function shadowDiff(
  log: Pick<Log, "read" | "bounds">,
  options: { readonly rule: string; readonly shadow: string; readonly sinceUs: number; readonly nowUs: number },
): Promise<BacktestOutcome> {
  const { rule, shadow, sinceUs, nowUs } = options;
  const [before, after] = [new FiringSpans(), new FiringSpans()];
  for (const change of await changesOf(log, [rule, shadow])) {
    if (change.rule === rule) before.add(change);
    else if (change.rule === shadow) after.add(change);
  }
  const outcomeOf = (spans: FiringSpans) => ({
    specs: [],
    changes: spans.changes,
    spans: spans.finish(nowUs).filter(({ fromUs, toUs }) => fromUs >= sinceUs || toUs > sinceUs),
    windows: 0,
    spansLeftOut: spans.leftOut,
    traces: new Map(),
  });
  const [live, candidate] = [outcomeOf(before), outcomeOf(after)];
  const diff = diffSpans(live.spans, candidate.spans, (name) => (name === shadow ? rule : name));
  const totals = addTotals(diff.map((alert) => alert.totals));
  return { readings: 0, fromUs: sinceUs, toUs: nowUs, pauses: 0, candidate, live, notes: [], diff, totals };
}

async function changesOf(log: Pick<Log, "read" | "bounds">, rules: readonly string[]): Promise<AlertChange[]> {
  const { lastSequence, messages } = await log.bounds("ALERTS");
  if (messages === 0) return [];
  const changes: AlertChange[] = [];
  // Reads all subjects, because with a filter the end of the log would look like a pause.
  const prefixes = rules.map((rule) => alertSubject(rule, ""));
  const reader = log.read({ stream: "ALERTS", from: { kind: "first" } });
  try {
    for await (const batch of reader) {
      for (const { subject, payload } of batch) {
        if (!prefixes.some((prefix) => subject.startsWith(prefix))) continue;
        const event: AlertEvent = JSON.parse(new TextDecoder().decode(payload));
        if (changes.length < CHANGES_MAX) changes.push(event.data);
      }
      if ((batch.at(-1)?.sequence ?? lastSequence) >= lastSequence) break;
    }
  } finally {
    await reader.close();
  }
  return changes;
}
