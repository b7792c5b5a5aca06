import type { ExplainedChange, ExplainedWindow, IncidentExplanation } from "../../contracts/explanations.ts";
import type { AlertChange, EvidencePart } from "../../domain/alert.ts";
import type { CourseOptions } from "../../engine/aggregates/folds.ts";
import type { Rule } from "../../engine/rules/rule.ts";
import { isFault } from "../../platform/files/fault.ts";
import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import { holds, parseCondition } from "../../rule-language/conditions/condition.ts";
import { type NameType, parseExpression } from "../../rule-language/conditions/expression.ts";
import type { DecidingWindow } from "./deciding-window.ts";
import { agrees, DISTINCT_EXACT_MAX, QUANTILE_EXACT_MAX, recompute } from "./recompute.ts";

const READINGS_MAX = 1_000;

/** Explains an incident's changes, oldest first, with the windows collected for them. */
export function explainIncident(windows: readonly DecidingWindow[], notes: readonly string[]): IncidentExplanation {
  const last = windows.at(-1)?.change;
  if (last === undefined) throw new RangeError("an incident without changes");
  const { incident, rule, key, severity, state } = last;
  const ofChange = new Map<AlertChange, DecidingWindow[]>();
  for (const window of windows) ofChange.set(window.change, [...(ofChange.get(window.change) ?? []), window]);
  const steps = [...ofChange].map(([change, own]) => explainChange(change, own));
  return { incident, rule, key, severity, state, steps, notes };
}

function explainChange(change: AlertChange, windows: readonly DecidingWindow[]): ExplainedChange {
  const { evidence } = change;
  const rule = windows[0]?.rule;
  const spec = windows[0]?.input?.windows;
  const explained = windows.map(explainWindow);
  return {
    ...(explained.length === 1 && explained[0] ? explained[0] : together(evidence, explained)),
    id: change.id,
    from: change.from,
    state: change.state,
    atUs: change.atUs,
    processedAtUs: change.processedAtUs,
    condition: evidence.condition,
    predicate: windows.some(({ closedBy }) => closedBy === "gone") ? goneOf(change) : predicateOf(change, rule),
    // JSON has no NaN, and an absence rule has no watermark.
    watermarkUs: Number.isFinite(evidence.watermarkUs) ? evidence.watermarkUs : null,
    latenessUs: spec && spec.kind !== "absent" ? spec.latenessUs : null,
    input: { stream: "READINGS", ...evidence.input },
    ...(evidence.parts && {
      parts: explained.map((one, i) => ({ name: evidence.parts?.[i]?.name ?? "", ...one })),
    }),
  };
}

/** For several series: the readings of all of them, and whether all of them agree. */
function together(evidence: AlertChange["evidence"], parts: readonly ExplainedWindow[]): ExplainedWindow {
  const readings = parts.flatMap((part) => part.readings).sort((a, b) => a.atUs - b.atUs);
  const isUnknown = parts.some(({ agrees }) => agrees === null);
  return {
    window: evidence.window,
    aggregate: evidence.aggregate,
    value: evidence.value,
    closedBy: parts.some(({ closedBy }) => closedBy === "unknown") ? "unknown" : (parts[0]?.closedBy ?? "unknown"),
    readings: readings.slice(0, READINGS_MAX),
    readingsInAll: parts.reduce((sum, { readingsInAll }) => sum + readingsInAll, 0),
    recomputed: parts[0]?.recomputed ?? null,
    agrees: isUnknown ? null : parts.every(({ agrees }) => agrees),
    notes: [...new Set(parts.flatMap(({ notes }) => notes))],
  };
}

function explainWindow(deciding: DecidingWindow): ExplainedWindow {
  const { rule, readings, part, name } = deciding;
  const { window, aggregate, value } = part;
  const isAbsence = aggregate === "absent";
  const own =
    name === undefined
      ? rule?.aggregates.find((one) => one.name === aggregate)
      : rule?.join?.names.find((one) => one.name === name)?.aggregate;
  const computed = own && !isAbsence ? check(deciding, own) : { recomputed: null, agrees: null, notes: [] };
  return {
    window,
    aggregate,
    value,
    closedBy: isAbsence && deciding.closedBy !== "gone" ? "silence" : (deciding.closedBy ?? "unknown"),
    readings: readings.toSorted((a, b) => a.atUs - b.atUs).slice(0, READINGS_MAX),
    readingsInAll: readings.length,
    ...computed,
    notes: [...computed.notes, ...(rule ? [] : ["the rule is neither in the log nor in the rule files"])],
  };
}

function limitsOf(input: DecidingWindow["input"]): Partial<CourseOptions> {
  return input === undefined || input.windows.kind === "absent" ? {} : input.windows.plan.course;
}

function check({ input, part, readings, prior }: DecidingWindow, aggregate: Aggregate) {
  const fills = input?.windows.kind === "filled";
  if (readings.length === 0) {
    const why = fills
      ? "the window has no reading: it repeats the value before it (fill: last)"
      : "the readings of the window are no longer in the log";
    return { recomputed: null, agrees: null, notes: [why] };
  }
  if (input?.hampel !== undefined)
    return { recomputed: null, agrees: null, notes: ["spikes were left out (hampel), but are listed here"] };
  const scale = readings.reduce(
    (most, { value }) => Math.max(most, typeof value === "number" ? Math.abs(value) : 0),
    0,
  );
  const recomputed = recompute(aggregate, readings, { ...part.window, before: prior, ...limitsOf(input) });
  const isSketch =
    (aggregate.kind === "quantile" && readings.length > QUANTILE_EXACT_MAX) ||
    (aggregate.kind === "distinct" && typeof recomputed === "number" && recomputed > DISTINCT_EXACT_MAX);
  const squared = aggregate.kind === "variance" ? scale * scale : scale;
  return {
    recomputed: recomputed ?? null,
    agrees: isSketch ? null : agrees(part.value, recomputed, squared),
    notes: isSketch ? ["the emitted value comes from a sketch, which may be off by 1 to 2 %"] : [],
  };
}

function goneOf({ evidence: { value, condition } }: AlertChange): string {
  return `the device said that it is gone, after ${value} s of silence (${condition})`;
}

/** `avg 260: > 250 holds`, with the time for which it had to hold. */
function predicateOf(change: AlertChange, rule: Rule | undefined): string {
  const { evidence, state, from, activeAtUs, atUs, severity, severityBefore } = change;
  const { aggregate, value, condition } = evidence;
  if (aggregate === "absent") {
    return state === "resolved"
      ? `a reading arrived after ${value} s of silence`
      : `silent for ${value} s (${condition})`;
  }
  const isNot = condition.startsWith("not ");
  if (evidence.parts)
    return severalOf(evidence.parts, isNot ? condition.slice(4) : condition) + waited() + severityNote();
  const parsed = parseCondition(isNot ? condition.slice(4) : condition);
  const outcome = isFault(parsed) ? "" : holds(parsed, value) !== isNot ? " holds" : " does not hold";
  return `${aggregate} ${value}: ${condition}${outcome}${waited()}${severityNote()}`;

  function severityNote(): string {
    return severityBefore === undefined ? "" : `; ${severity}, before ${severityBefore}`;
  }

  function waited(): string {
    if (state !== "firing" || from !== "pending") return "";
    return `, for ${(atUs - activeAtUs) / 1e6} s of ${(rule?.forUs ?? 0) / 1e6} s`;
  }
}

/** `flow 0.2, current 13: current > 12.0 holds, flow < 0.5 holds`: one entry per part of the condition. */
function severalOf(parts: readonly EvidencePart[], condition: string): string {
  const values = Object.fromEntries(parts.map(({ name, value }) => [name, value]));
  const types = parts.map(({ name, value }): [string, NameType] => [
    name,
    typeof value === "number" ? "number" : "any",
  ]);
  const parsed = parseExpression(condition, Object.fromEntries(types));
  const outcomes = isFault(parsed)
    ? [condition]
    : parsed.parts.map((part) => `${part.text} ${part.holds(values) ? "holds" : "does not hold"}`);
  return `${parts.map(({ name, value }) => `${name} ${value}`).join(", ")}: ${outcomes.join(", ")}`;
}
