import type { AlertChange } from "../../domain/alert.ts";
import type { ExplainedChange, IncidentExplanation } from "../../platform/explanations.ts";
import type { Rule } from "../rules/compile.ts";
import { holds, parseCondition } from "../rules/condition.ts";
import type { Aggregate } from "../step/aggregates/aggregate.ts";
import type { DecidingWindow } from "./deciding-window.ts";
import { agrees, DISTINCT_EXACT_MAX, QUANTILE_EXACT_MAX, recompute } from "./recompute.ts";

const READINGS_MAX = 1_000;

/** The explanation of an incident's changes, oldest first, from the windows that were gathered for them. */
export function explainIncident(windows: readonly DecidingWindow[], notes: readonly string[]): IncidentExplanation {
  const last = windows.at(-1)?.change;
  if (last === undefined) throw new RangeError("an incident without changes");
  const { incident, rule, key, severity, state } = last;
  return { incident, rule, key, severity, state, steps: windows.map(explainChange), notes };
}

function explainChange(window: DecidingWindow): ExplainedChange {
  const { change, rule, readings } = window;
  const { evidence } = change;
  const isAbsence = evidence.aggregate === "absent";
  const aggregate = rule?.aggregates.find(({ name }) => name === evidence.aggregate);
  const computed = aggregate && !isAbsence ? check(window, aggregate) : { recomputed: null, agrees: null, notes: [] };
  const spec = rule?.input.windows;
  return {
    id: change.id,
    from: change.from,
    state: change.state,
    atUs: change.atUs,
    processedAtUs: change.processedAtUs,
    window: evidence.window,
    aggregate: evidence.aggregate,
    value: evidence.value,
    condition: evidence.condition,
    predicate: predicateOf(change, rule),
    // JSON has no NaN: a rule about silence has no watermark.
    watermarkUs: Number.isFinite(evidence.watermarkUs) ? evidence.watermarkUs : null,
    latenessUs: spec && spec.kind !== "absent" ? spec.latenessUs : null,
    input: { stream: "READINGS", ...evidence.input },
    closedBy: isAbsence ? "silence" : (window.closedBy ?? "unknown"),
    readings: readings.toSorted((a, b) => a.atUs - b.atUs).slice(0, READINGS_MAX),
    readingsInAll: readings.length,
    ...computed,
    notes: [...computed.notes, ...(rule ? [] : ["neither the log nor the rule files say what the rule was"])],
  };
}

function check({ change, rule, readings, prior }: DecidingWindow, aggregate: Aggregate) {
  const { evidence } = change;
  const fills = rule?.input.windows.kind === "panes" && rule.input.windows.fill;
  if (readings.length === 0) {
    const why = fills
      ? "no reading fell into the window: it repeats what was before (fill: last)"
      : "the log does not hold the readings of the window any more";
    return { recomputed: null, agrees: null, notes: [why] };
  }
  const scale = readings.reduce(
    (most, { value }) => Math.max(most, typeof value === "number" ? Math.abs(value) : 0),
    0,
  );
  const recomputed = recompute(aggregate, readings, { ...evidence.window, prior: prior?.value });
  const isSketch =
    (aggregate.kind === "quantile" && readings.length > QUANTILE_EXACT_MAX) ||
    (aggregate.kind === "distinct" && typeof recomputed === "number" && recomputed > DISTINCT_EXACT_MAX);
  const squared = aggregate.kind === "variance" ? scale * scale : scale;
  return {
    recomputed: recomputed ?? null,
    agrees: isSketch ? null : agrees(evidence.value, recomputed, squared),
    notes: isSketch ? ["the gateway took the value from a sketch, which may be off by 1 to 2 %"] : [],
  };
}

/** `avg 260 > 250 holds`, with what was waited for. */
function predicateOf({ evidence, state, from, activeAtUs, atUs }: AlertChange, rule: Rule | undefined): string {
  const { aggregate, value, condition } = evidence;
  if (aggregate === "absent") {
    return state === "resolved" ? `a reading came after ${value} s of silence` : `silent for ${value} s (${condition})`;
  }
  const isNot = condition.startsWith("not ");
  const parsed = parseCondition(isNot ? condition.slice(4) : condition);
  const verdict = typeof parsed === "string" ? "" : holds(parsed, value) !== isNot ? " holds" : " does not hold";
  const waited =
    state === "firing" && from === "pending"
      ? `, for ${(atUs - activeAtUs) / 1e6} s of ${(rule?.forUs ?? 0) / 1e6} s`
      : "";
  return `${aggregate} ${value}: ${condition}${verdict}${waited}`;
}
