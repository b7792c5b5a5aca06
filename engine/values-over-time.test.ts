import { describe, expect, test } from "vitest";
import type { ReadingValue } from "../domain/reading.ts";
import { reading, rule, TestPartition } from "./testing/step-kit.ts";

const MINUTE_US = 60e6;

/** The windows of a rule over readings `[minute, value]`, with their ends in minutes. */
function windowsOf(
  fields: Readonly<Record<string, unknown>>,
  readings: readonly (readonly [minute: number, value: ReadingValue])[],
): Readonly<Record<string, ReadingValue>>[] {
  const partition = new TestPartition();
  partition.apply({ kind: "rules", storedAtUs: 1, specs: [rule({ id: "r", ...fields })] });
  const results = readings.flatMap(
    ([minute, value], i) =>
      partition.apply({ kind: "readings", storedAtUs: 2 + i, readings: [reading("a", minute * MINUTE_US, value)] })
        .windows,
  );
  results.push(...partition.apply({ kind: "tick", storedAtUs: 1e15 }).windows);
  return results.map(({ endUs, revision, aggregates }) => ({ end: endUs / MINUTE_US, revision, ...aggregates }));
}

const each = (everyMinutes: number, values: readonly ReadingValue[], fromMinute = 0) =>
  values.map((value, i) => [fromMinute + i * everyMinutes, value] as const);
const times = (count: number, value: number) => Array.from({ length: count }, () => value);

describe("counters", () => {
  test("a counter that falls was reset and has counted up from 0", () => {
    const values = [101, 102, 103, 104, 0, 1, 2, 10, 15, 7, 8, 10];
    expect(windowsOf({ window: { tumbling: "1h" }, aggregate: "increase" }, each(5, values))).toEqual([
      { end: 60, revision: 0, increase: 28 },
    ]);
  });

  test("the step from the reading before a window belongs to the window", () => {
    const readings = each(60, [100, 110, 120, 130], 5);
    const aggregate = ["increase", "counter_rate(1h)"];
    expect(windowsOf({ window: { tumbling: "1h" }, aggregate }, readings)).toEqual([
      { end: 60, revision: 0, increase: Number.NaN, "counter_rate(1h)": Number.NaN },
      { end: 120, revision: 0, increase: 10, "counter_rate(1h)": 10 },
      { end: 180, revision: 0, increase: 10, "counter_rate(1h)": 10 },
      { end: 240, revision: 0, increase: 10, "counter_rate(1h)": 10 },
    ]);
  });

  test.each([
    [255, 11],
    // It was never a counter up to 100.
    [100, 5],
  ])("after max_value %i it begins at 0", (max_value, increase) => {
    const fields = { window: { tumbling: "1h" }, aggregate: "increase", max_value };
    expect(windowsOf(fields, each(5, [250, 5]))).toEqual([{ end: 60, revision: 0, increase }]);
  });

  test.each([
    ["hopping", { hopping: "2h", every: "1h" }, [10, 20, 20, 10]],
    ["sliding", { sliding: "2h" }, [10, 20, 20]],
    ["session", { session: "10m" }, [10, 10, 10]],
    ["count", { count: 2 }, [10, 20]],
  ])("in %s windows", (_kind, window, increases) => {
    const results = windowsOf({ window, aggregate: "increase" }, each(60, [100, 110, 120, 130], 5));
    const known = results.map(({ increase }) => increase).filter((value) => !Number.isNaN(value));
    expect(known).toEqual(increases);
  });

  test("a late reading corrects the window that follows, too", () => {
    const readings = [
      [5, 100],
      [65, 110],
      [125, 120],
      [90, 117],
    ] as const;
    const results = windowsOf({ window: { tumbling: "1h" }, aggregate: "increase" }, readings);
    expect(results).toContainEqual({ end: 120, revision: 1, increase: 17 });
    expect(results).toContainEqual({ end: 180, revision: 0, increase: 3 });
    const later = windowsOf({ window: { tumbling: "1h" }, aggregate: "increase" }, [
      ...each(60, [100, 110, 120, 130], 5),
      [90, 117],
    ]);
    expect(later).toContainEqual({ end: 180, revision: 0, increase: 10 });
    expect(later).toContainEqual({ end: 180, revision: 1, increase: 3 });
  });
});

describe("states", () => {
  const doors = each(5, ["open", "closed", "open", "closed", "open", "closed", "open", "closed", "open", "closed"]);

  test("openings and changes of a door", () => {
    const aggregate = ["changes", "transitions(* -> open)", "transitions(open -> closed)", "count_if(== open)"];
    expect(windowsOf({ window: { tumbling: "1h" }, aggregate }, doors)).toEqual([
      {
        ...{ end: 60, revision: 0, changes: 10, "transitions(* -> open)": 5, "transitions(open -> closed)": 5 },
        "count_if(== open)": 5,
      },
    ]);
  });

  test("straight from one state to another", () => {
    const states = each(5, ["running", "idle", "fault", "running", "fault"]);
    expect(windowsOf({ window: { tumbling: "1h" }, aggregate: "transitions(running -> fault)" }, states)).toEqual([
      { end: 60, revision: 0, "transitions(running -> fault)": 1 },
    ]);
  });
});

describe("values over time", () => {
  test("the mean over time of a sensor that reports changes only", () => {
    const hour = { window: { tumbling: "1h" }, aggregate: "time_avg" };
    expect(
      windowsOf(hour, [
        [0, 5],
        [45, 10],
      ]),
    ).toEqual([{ end: 60, revision: 0, time_avg: 6.25 }]);
    const last = windowsOf(hour, [
      [10, 20],
      [70, 25],
      [110, 20],
    ]).at(-1);
    expect(last?.time_avg).toBeCloseTo((10 * 20 + 40 * 25 + 10 * 20) / 60, 12);
  });

  test("seconds above a limit, and degree-hours", () => {
    const hour = { tumbling: "1h" };
    const warm = each(1, [...times(10, 5), ...times(40, 9), ...times(10, 5)]);
    expect(windowsOf({ window: hour, aggregate: "duration(> 8)" }, warm)[0]).toMatchObject({ "duration(> 8)": 2400 });
    const hot = [...each(1, times(30, 10)), ...each(1, times(15, 12), 30), [45, 5] as const];
    expect(windowsOf({ window: hour, aggregate: "integral(> 8, 1h)" }, hot)[0]?.["integral(> 8, 1h)"]).toBeCloseTo(
      2,
      9,
    );
  });

  test("watt-hours from watts", () => {
    const results = windowsOf({ window: { tumbling: "1h" }, aggregate: "integral(1h)" }, [
      [0, 1000],
      [30, 500],
    ]);
    expect(results[0]?.["integral(1h)"]).toBeCloseTo(750, 9);
  });

  test("mean kinetic temperature of 23 h at 5 degC and 1 h at 30 degC", () => {
    const readings = [...each(60, times(23, 5)), [23 * 60, 30] as const];
    const [result] = windowsOf({ window: { tumbling: "1d" }, aggregate: "mkt" }, readings);
    // 10000 / -ln((23 exp(-10000 / 278.15) + exp(-10000 / 303.15)) / 24) - 273.15
    expect(result?.mkt).toBeCloseTo(9.472_224_506_068_642, 9);
  });

  test("minutes above a limit in any day", () => {
    const readings = each(5, [...times(12, 5), ...times(18, 9), ...times(12, 5)]);
    const results = windowsOf({ window: { sliding: "1d" }, aggregate: "duration(> 8)" }, readings);
    expect(results.at(-1)?.["duration(> 8)"]).toBe(90 * 60);
  });

  test.each([
    ["30m", 30 * 60],
    ["3h", 60 * 60],
  ])("a value is carried into a window up to %s old", (carry, seconds) => {
    const fields = { window: { tumbling: "1h" }, aggregate: "duration(> 8)", carry };
    // Known until 1:30 at most; the window from 1:00 has a reading at its end.
    const results = windowsOf(fields, [
      [60, 9],
      [179.999_999, 5],
    ]);
    expect(results[0]).toMatchObject({ end: 120, "duration(> 8)": seconds });
  });

  test("with fill: last, the value holds in windows without readings, but not for longer than carry", () => {
    const fields = { window: { tumbling: "1h" }, fill: "last", aggregate: ["time_avg", "duration(> 8)"], carry: "90m" };
    const results = windowsOf(fields, [
      [0, 9],
      [185, 5],
    ]);
    expect(results.slice(0, 3)).toEqual([
      { end: 60, revision: 0, time_avg: 9, "duration(> 8)": 3600 },
      { end: 120, revision: 0, time_avg: 9, "duration(> 8)": 1800 },
      { end: 180, revision: 0, time_avg: Number.NaN, "duration(> 8)": 0 },
    ]);
  });
});

test("a rule leaves out values that are not valid, and error codes", () => {
  const readings = each(1, [20, 85, 21, -127, 22, 500]);
  const fields = { window: { tumbling: "1h" }, aggregate: ["count", "max", "min"] };
  const values = { end: 60, revision: 0, count: 3, max: 22, min: 20 };
  expect(windowsOf({ ...fields, valid: "between -40 and 84" }, readings)).toEqual([values]);
  expect(windowsOf({ ...fields, except: [85, -127, 500] }, readings)).toEqual([values]);
  expect(windowsOf({ ...fields, except: 85, valid: "> -40" }, readings)).toEqual([{ ...values, count: 4, max: 500 }]);
});

test("a value that is left out moves no clock", () => {
  const fields = { window: { tumbling: "1h" }, except: [85] };
  expect(
    windowsOf(fields, [
      [10, 20],
      [600, 85],
      [20, 22],
    ])[0],
  ).toMatchObject({ end: 60, revision: 0, avg: 21 });
});

test("three of the last five readings, at whatever times", () => {
  const readings = [
    [0, 9],
    [1, 5],
    [7, 9],
    [8, 5],
    [30, 9],
    [31, 5],
    [99, 9],
  ] as const;
  const fields = { window: { count: 5, step: 1 }, aggregate: "count_if(> 8)" };
  expect(windowsOf(fields, readings).map((result) => result["count_if(> 8)"])).toEqual([3, 2, 3]);
});

test("spikes are left out, and a new level is soon no spike", () => {
  const values = [20, 20.1, 20, 20.1, 20.2, 85, 20.1, 30, 30.1, 30, 30.1, 30, 30.2];
  const fields = { window: { sliding: "1ms" }, aggregate: "last", hampel: { at_least: 1 } };
  const read = windowsOf(fields, each(1, values)).map(({ last }) => last);
  expect(read).not.toContain(85);
  expect(read.slice(0, 6)).toEqual([20, 20.1, 20, 20.1, 20.2, 20.1]);
  expect(read.at(-1)).toBe(30.2);
});
