import { keyName } from "../../domain/alert-ids.ts";
import type { Tags } from "../../domain/reading.ts";
import { type Failure, historiesOf, offset, textOf } from "./expectations.ts";
import { EXPECTATION_FIELDS, labelsOf, type TestCase } from "./format.ts";
import type { Played } from "./play.ts";
import { toUs } from "./schedule.ts";

/** Fits the width of a terminal. */
const COLUMNS_MAX = 12;
const CELL_MAX = 10;

interface Column {
  readonly atUs: number;
  value: string;
  state: string;
  expected: string;
  wrong: boolean;
}

/**
 * The history of an alert as rows over time, around the first failure: the time, the aggregate's value, the state and
 * the expected state.
 */
export function timeline(test: TestCase, played: Played, failure: Failure, failures: readonly Failure[]): string[] {
  const key = failure.key ?? keyOfAny(played, failure);
  if (key === undefined) return [];
  const columns = columnsOf(test, played, { rule: failure.rule, key }, failures);
  const at = columns.findIndex(({ atUs }) => atUs >= failure.atUs);
  const first = Math.max(0, Math.min(at - Math.floor((COLUMNS_MAX * 2) / 3), columns.length - COLUMNS_MAX));
  const shown = columns.slice(first, first + COLUMNS_MAX);
  const after = columns.length - first - shown.length;
  const rows: [string, (column: Column) => string][] = [
    ["time", ({ atUs }) => offset(atUs, test.start)],
    ["value", ({ value }) => value],
    ["- expected", ({ expected }) => expected],
    ["+ actual", ({ state }) => state],
    ["", ({ wrong }) => (wrong ? "^" : "")],
  ];
  const widths = shown.map((column) => Math.max(...rows.map(([, text]) => text(column).length)));
  const lines = rows.map(([title, text]) =>
    `${title.padEnd(11)}${shown.map((column, i) => text(column).padEnd(widths[i] ?? 0)).join("  ")}`.trimEnd(),
  );
  const left = [...(first > 0 ? [`${first} before`] : []), ...(after > 0 ? [`${after} after`] : [])];
  return [
    `${failure.rule} ${textOf(key)}${left.length > 0 ? `   (${left.join(", ")} not shown)` : ""}`,
    ...lines.filter((line) => line !== ""),
  ];
}

/** The group of any window of the rule, for an expectation whose alert never changed. */
function keyOfAny(played: Played, { rule }: Failure): Tags | undefined {
  return played.windows.find(({ result }) => result.rule === rule)?.result.labels;
}

function columnsOf(
  test: TestCase,
  played: Played,
  alert: { readonly rule: string; readonly key: Tags },
  failures: readonly Failure[],
): Column[] {
  const name = keyName(alert.key);
  const columns = new Map<number, Column>();
  const column = (atUs: number): Column => {
    const found = columns.get(atUs) ?? { atUs, value: "", state: "", expected: "", wrong: false };
    columns.set(atUs, found);
    return found;
  };
  for (const { emittedUs, result } of played.windows) {
    if (result.rule !== alert.rule || keyName(result.labels) !== name) continue;
    const [value] = Object.values(result.aggregates);
    column(emittedUs).value = short(value);
  }
  for (const { at, rule, state, ...rest } of test.expect) {
    const labels = labelsOf({ ...rest, at, rule, state }, EXPECTATION_FIELDS);
    const fits = rule === alert.rule && Object.entries(labels).every(([label, text]) => alert.key[label] === text);
    if (fits) column(toUs(at, test.start)).expected = state;
  }
  for (const failure of failures) {
    const isThis = failure.rule === alert.rule && (failure.key === undefined || keyName(failure.key) === name);
    if (isThis && failure.kind !== "window") column(failure.atUs).wrong = true;
  }
  const changes =
    historiesOf(played).find((one) => one.rule === alert.rule && keyName(one.key) === name)?.changes ?? [];
  for (const { emittedUs } of changes) column(emittedUs);
  const sorted = [...columns.values()].sort((a, b) => a.atUs - b.atUs);
  for (const one of sorted) {
    const newest = changes.findLast(({ emittedUs }) => emittedUs <= one.atUs)?.change;
    one.state = newest === undefined || newest.state === "inactive" ? "." : newest.state;
    if (newest?.evidence.aggregate === "absent" && one.value === "") one.value = short(newest.value);
  }
  return sorted;
}

function short(value: number | string | undefined): string {
  if (typeof value === "number") return String(Number(value.toPrecision(5))).slice(0, CELL_MAX);
  return (value ?? "").slice(0, CELL_MAX);
}
