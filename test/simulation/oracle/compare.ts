import type { ReadingValue } from "../../../domain/reading.ts";
import { NOT_ACTIVE } from "./alert.ts";
import type { Change, OracleResult } from "./model.ts";

const RELATIVE_ERROR_MAX = 1e-9;
/** Beyond this many readings a quantile comes from a sketch. */
const EXACT_QUANTILE_READINGS = 64;
const SKETCH_ERROR_MAX = 0.01;

export interface Outputs {
  readonly windows: readonly OracleResult[];
  readonly alerts: readonly Change[];
}

/** The first difference in the results and changes of any key, in order; undefined if there is none. */
export function firstDifference(actual: Outputs, expected: Outputs): string | undefined {
  return (
    differenceOf(
      "window",
      byKey(actual.windows, ({ labels }) => labels),
      byKey(expected.windows, ({ labels }) => labels),
      sameTelling,
    ) ??
    differenceOf(
      "alert",
      byKey(actual.alerts, ({ key }) => key),
      byKey(expected.alerts, ({ key }) => key),
      sameChange,
    )
  );
}

function byKey<T extends { readonly rule: string }>(
  items: readonly T[],
  labelsOf: (item: T) => Readonly<Record<string, string>>,
): Map<string, T[]> {
  const keys = new Map<string, T[]>();
  for (const item of items) {
    const key = `${item.rule} ${JSON.stringify(Object.entries(labelsOf(item)).sort())}`;
    const of = keys.get(key);
    if (of) of.push(item);
    else keys.set(key, [item]);
  }
  return keys;
}

function differenceOf<T>(
  what: string,
  actual: ReadonlyMap<string, readonly T[]>,
  expected: ReadonlyMap<string, readonly T[]>,
  same: (actual: T, expected: T) => boolean,
): string | undefined {
  for (const key of new Set([...expected.keys(), ...actual.keys()])) {
    const a = actual.get(key) ?? [];
    const e = expected.get(key) ?? [];
    for (let i = 0; i < Math.max(a.length, e.length); i++) {
      const [mine, wanted] = [a[i], e[i]];
      if (mine !== undefined && wanted !== undefined && same(mine, wanted)) continue;
      return `${what} ${i} of ${key}\n  actual   ${JSON.stringify(mine)}\n  expected ${JSON.stringify(wanted)}`;
    }
  }
  return undefined;
}

function sameTelling(actual: OracleResult, expected: OracleResult): boolean {
  const names = Object.keys(expected.aggregates);
  const count = expected.aggregates.count;
  const sketched = typeof count !== "number" || count > EXACT_QUANTILE_READINGS;
  return (
    actual.startUs === expected.startUs &&
    actual.endUs === expected.endUs &&
    actual.revision === expected.revision &&
    Object.keys(actual.aggregates).join() === names.join() &&
    names.every((name) => {
      const quantile = /^(median|p[0-9.]+)$/.test(name);
      const errorMax = quantile && sketched ? SKETCH_ERROR_MAX : RELATIVE_ERROR_MAX;
      return sameValue(actual.aggregates[name], expected.aggregates[name], errorMax);
    })
  );
}

function sameChange(actual: Change, expected: Change): boolean {
  return (
    actual.from === expected.from &&
    actual.severity === expected.severity &&
    actual.severityBefore === expected.severityBefore &&
    actual.worstSeverity === expected.worstSeverity &&
    actual.state === expected.state &&
    actual.atUs === expected.atUs &&
    actual.activeAtUs === expected.activeAtUs &&
    actual.flapping === expected.flapping &&
    actual.firedAtUs === expected.firedAtUs &&
    sameValue(actual.worst, expected.worst, RELATIVE_ERROR_MAX) &&
    actual.reason === expected.reason &&
    sameEvidence(actual.evidence, expected.evidence) &&
    sameValue(actual.value, expected.value, RELATIVE_ERROR_MAX)
  );
}

function sameEvidence(actual: Change["evidence"], expected: Change["evidence"]): boolean {
  if (expected === undefined) return true;
  const parts = expected.parts ?? [];
  return (
    (actual?.condition === NOT_ACTIVE) === (expected.condition === NOT_ACTIVE) &&
    (actual?.parts ?? []).length === parts.length &&
    parts.every(({ name, window, value }, i) => {
      const part = actual?.parts?.[i];
      const same = part?.name === name && part.window.startUs === window.startUs && part.window.endUs === window.endUs;
      return same && sameValue(part.value, value, RELATIVE_ERROR_MAX);
    })
  );
}

function sameValue(actual: ReadingValue | undefined, expected: ReadingValue | undefined, errorMax: number): boolean {
  if (typeof actual !== "number" || typeof expected !== "number") return actual === expected;
  if (Number.isNaN(expected)) return Number.isNaN(actual);
  return Math.abs(actual - expected) <= errorMax * Math.max(1, Math.abs(expected));
}
