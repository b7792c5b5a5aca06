import { expect, test } from "vitest";
import type { SeriesAnswer } from "../../../contracts/history.ts";
import type { WindowResult } from "../../../domain/window-result.ts";
import { figuresOf } from "../charts/picture.ts";
import { rangeById } from "../lib/ranges.ts";
import { DeviceDetail, type LoadSeries } from "./device-detail.ts";
import { createFrame } from "./frame.ts";
import { CHART_POINTS } from "./metric-track.ts";

const HOUR_US = 3_600_000_000;
const EMPTY: SeriesAnswer = { atUs: [], min: [], max: [], avg: [], count: [] };

/** A store with one reading an hour. */
const hourly: LoadSeries = async ({ fromUs, toUs }) => {
  const atUs: number[] = [];
  for (let us = Math.ceil(fromUs / HOUR_US) * HOUR_US; us < toUs; us += HOUR_US) atUs.push(us);
  const ones = atUs.map(() => 1);
  return { atUs, min: ones, max: ones, avg: ones, count: ones };
};

function open(loadSeries: LoadSeries, range?: string) {
  return new DeviceDetail({
    device: { device: "a", tags: {} },
    range: rangeById(range),
    frame: createFrame((run) => run()),
    loadSeries,
  });
}

test("without a chosen range, the pace of the readings determines it", async () => {
  const detail = open(hourly);
  detail.readings([{ metric: "t", atUs: 1_000 * HOUR_US, value: 5 }]);
  await expect.poll(() => detail.historyState.value).toBe("loaded");
  expect(detail.range.value?.id).toBe("7d");
  const points = detail.metrics.value[0]?.points;
  // Seven days up to the newest reading.
  expect(points?.length).toBe(7 * 24);
  expect(points?.newest).toBe(1_000 * HOUR_US);
  detail.close();
});

/** The readings of a store: a bucket has their lowest, highest and average value. */
function storeOf(readings: readonly (readonly [atUs: number, value: number])[]): LoadSeries {
  return async ({ fromUs, toUs, points }) => {
    const widthUs = Math.max(1, Math.ceil((toUs - fromUs) / points));
    const buckets = new Map<number, number[]>();
    for (const [atUs, value] of readings) {
      if (atUs < fromUs || atUs >= toUs) continue;
      const startUs = fromUs + Math.floor((atUs - fromUs) / widthUs) * widthUs;
      buckets.set(startUs, [...(buckets.get(startUs) ?? []), value]);
    }
    const sorted = [...buckets].sort(([a], [b]) => a - b);
    return {
      atUs: sorted.map(([atUs]) => atUs),
      min: sorted.map(([, values]) => Math.min(...values)),
      max: sorted.map(([, values]) => Math.max(...values)),
      avg: sorted.map(([, values]) => values.reduce((sum, value) => sum + value, 0) / values.length),
      count: sorted.map(([, values]) => values.length),
    };
  };
}

test("the figures of a year are those of its readings: an excursion shows, and the newest reading counts once", async () => {
  // A reading each ten minutes around 5, and one of 26 in May.
  const stepUs = HOUR_US / 6;
  const newestUs = 20_000 * 24 * HOUR_US;
  const readings = Array.from({ length: 365 * 144 }, (_, i): [number, number] => {
    return [newestUs - i * stepUs, i === 30_000 ? 26 : 5 + Math.sin(i)];
  });
  const detail = open(storeOf(readings), "1y");
  detail.readings([{ metric: "t", atUs: newestUs, value: 5 }]);
  await expect.poll(() => detail.historyState.value).toBe("loaded");
  const view = detail.metrics.value[0]?.points.view();
  const figures = view && figuresOf(view, newestUs - 365 * 24 * HOUR_US, newestUs);
  const values = readings.map(([, value]) => value);
  expect(figures?.extent).toEqual({ low: Math.min(...values), high: 26 });
  expect(figures?.average).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 9);
  expect(view?.counts.reduce((sum, count) => sum + count, 0)).toBe(readings.length);
  // The chart still ends with the newest reading itself.
  expect(figures).toMatchObject({ last: 5, lastCount: 0 });
  expect(view?.at.at(-1)).toBe(newestUs);

  detail.readings([{ metric: "t", atUs: newestUs + stepUs, value: 6.5 }]);
  const after = detail.metrics.value[0]?.points.view();
  expect(after?.counts.reduce((sum, count) => sum + count, 0)).toBe(readings.length + 1);
  detail.close();
});

test("readings that the store does not have yet stay, and the chart is completed a little later", async () => {
  const stored: [number, number][] = [[HOUR_US, 5]];
  const due: (() => void)[] = [];
  const detail = new DeviceDetail({
    device: { device: "a", tags: {} },
    range: rangeById("1h"),
    frame: createFrame((run) => run()),
    loadSeries: storeOf(stored),
    later: (run) => due.push(run),
  });
  const live: [number, number][] = [
    [1.2 * HOUR_US, 6],
    [1.4 * HOUR_US, 7],
  ];
  detail.readings(live.map(([atUs, value]) => ({ metric: "t", atUs, value })));
  await expect.poll(() => detail.historyState.value).toBe("loaded");
  const counted = () => {
    const { values, counts } = detail.metrics.value[0]?.points.view() ?? { values: [], counts: [] };
    return [...values].map((value, i) => [value, counts[i]]);
  };
  expect(counted()).toEqual([
    [5, 1],
    [6, 1],
    [7, 1],
  ]);
  // The feed had left one out.
  stored.push([1.3 * HOUR_US, 99], ...live);
  for (const run of due.splice(0)) run();
  await expect.poll(() => counted().map(([value]) => value)).toEqual([5, 6, 99, 7]);
  expect(counted().reduce((sum, [, count = 0]) => sum + count, 0)).toBe(4);
  detail.close();
});

test.each([
  ["the feed sent two in a row", [0, 1_000, 2_000, 2_100], [0, 1, 2, 3], true],
  ["a backlog came at once", [0, 1_000, 2_000, 3_000], [0, 1, 2, 60], true],
  ["nothing is unusual", [0, 1_000, 2_000, 3_000], [0, 1, 2, 3], false],
])("asks the store again when readings may be missing: %s", async (_, cameMs, seconds, expected) => {
  let nowMs = 0;
  let due = 0;
  const detail = new DeviceDetail({
    device: { device: "a", tags: {} },
    range: rangeById("15m"),
    frame: createFrame((run) => run()),
    loadSeries: async () => EMPTY,
    nowMs: () => nowMs,
    later: () => due++,
  });
  for (const [i, second] of seconds.entries()) {
    nowMs = cameMs[i] ?? 0;
    detail.readings([{ metric: "t", atUs: 1e15 + second * 1e6, value: 1 }]);
  }
  expect(due > 0).toBe(expected);
  detail.close();
});

test("a device with its first reading opens at a short range, and a slow one at a month", async () => {
  const young = open(async () => EMPTY);
  young.readings([{ metric: "t", atUs: 1_000 * HOUR_US, value: 5 }]);
  await expect.poll(() => young.range.value?.id).toBe("15m");
  young.close();
  const daily = Array.from({ length: 40 }, (_, i): [number, number] => [(1_000 - 24 * i) * HOUR_US, 1]);
  const slow = open(storeOf(daily));
  slow.readings([{ metric: "t", atUs: 1_000 * HOUR_US, value: 5 }]);
  await expect.poll(() => slow.range.value?.id).toBe("30d");
  slow.close();
});

test("keeps live readings that arrive while the past loads", async () => {
  let answer: (series: SeriesAnswer) => void = () => {};
  const detail = open(() => new Promise((resolve) => (answer = resolve)), "1h");
  detail.readings([{ metric: "t", atUs: 100, value: 5 }]);
  detail.readings([{ metric: "t", atUs: 200, value: 6 }]);
  answer({ atUs: [50, 100], min: [4, 5], max: [4, 5], avg: [4, 5], count: [1, 1] });
  await expect.poll(() => detail.historyState.value).toBe("loaded");
  expect([...(detail.metrics.value[0]?.points.view().at ?? [])]).toEqual([50, 100, 200]);
});

test("charts show live readings when the store fails", async () => {
  const detail = open(async () => {
    throw new Error("storage is away");
  });
  detail.readings([{ metric: "t", atUs: HOUR_US, value: 5 }]);
  await expect.poll(() => detail.historyState.value).toBe("unavailable");
  detail.readings([{ metric: "t", atUs: 2 * HOUR_US, value: 6 }]);
  expect(detail.metrics.value[0]?.points.length).toBe(2);
  expect(detail.range.value).toBeDefined();
});

test("a chart whose buffer overflows loads its range again", async () => {
  let asked = 0;
  const detail = open(async () => {
    asked++;
    return EMPTY;
  }, "24h");
  for (let at = 1; at <= CHART_POINTS + 1; at++) detail.readings([{ metric: "t", atUs: at, value: at }]);
  await expect.poll(() => asked).toBeGreaterThan(0);
  expect(detail.metrics.value[0]?.points.length).toBe(CHART_POINTS);
});

test("a store without more readings does not get a request for each reading", async () => {
  let asked = 0;
  const detail = open(async () => {
    asked++;
    return EMPTY;
  }, "24h");
  for (let at = 1; at <= CHART_POINTS * 2; at++) {
    detail.readings([{ metric: "t", atUs: at * 1_000_000, value: at }]);
    // The answer arrives before the next reading.
    if (at % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  // At the first reading, then once in 4,320 seconds, a twentieth of the range. So 8,000 seconds have one or two.
  expect(asked).toBeGreaterThan(1);
  expect(asked).toBeLessThan(5);
});

test("slow charts take turns to draw, and none is left out", () => {
  let nowMs = 0;
  const frames: (() => void)[] = [];
  const takeTurn = () => frames.shift()?.();
  const drawing = createFrame((run) => frames.push(run), { batched: false });
  const detail = new DeviceDetail({
    device: { device: "a", tags: {} },
    range: rangeById("15m"),
    frame: createFrame((run) => run()),
    drawing,
    loadSeries: () => new Promise(() => {}),
    nowMs: () => nowMs,
  });
  const metrics = Array.from({ length: 10 }, (_, index) => `m${index}`);
  detail.readings(metrics.map((metric) => ({ metric, atUs: 1, value: 1 })));
  takeTurn();
  while (frames.length > 0) takeTurn();
  const drawn: string[] = [];
  for (const track of detail.metrics.value) {
    let first = true;
    track.version.subscribe(() => {
      if (!first) drawn.push(track.metric);
      // Each takes three milliseconds to draw and three to paint.
      if (!first) nowMs += 3;
      if (!first) detail.drewAll(2_500);
      first = false;
    });
  }
  detail.readings(metrics.map((metric) => ({ metric, atUs: 2, value: 2 })));
  takeTurn();
  expect(drawn).toEqual(["m0", "m1"]);
  // A chart that is due again before its turn does not delay the others.
  detail.readings([{ metric: "m0", atUs: 3, value: 3 }]);
  while (frames.length > 0) takeTurn();
  expect([...new Set(drawn)]).toEqual(metrics);
  expect(drawn.slice(2, 10)).toEqual(metrics.slice(2));
});

test("a closed device draws nothing", () => {
  const frames: (() => void)[] = [];
  const detail = new DeviceDetail({
    device: { device: "a", tags: {} },
    range: rangeById("15m"),
    frame: createFrame((run) => frames.push(run)),
    loadSeries: () => new Promise(() => {}),
  });
  detail.readings([{ metric: "t", atUs: 1, value: 1 }]);
  detail.close();
  for (const run of frames) run();
  expect(detail.metrics.value).toEqual([]);
});

test("words are kept as changes", () => {
  const detail = open(hourly, "1h");
  for (const [atUs, value] of [
    [1, "N"],
    [2, "N"],
    [3, "NW"],
    [2, "late"],
    [4, true],
  ] as const) {
    detail.readings([{ metric: "wd", atUs, value }]);
  }
  expect(detail.metrics.value[0]?.states.runs.map(({ word }) => word)).toEqual(["N", "NW", "true"]);
});

test("words have their past from the store, for the range and for a span", async () => {
  const asked: [number, number][] = [];
  const detail = new DeviceDetail({
    device: { device: "a", tags: { site: "x" } },
    range: undefined,
    frame: createFrame((run) => run()),
    loadSeries: async () => EMPTY,
    loadStates: async ({ fromUs, toUs }) => {
      asked.push([fromUs, toUs]);
      return {
        runs: [{ fromUs: toUs - 2 * HOUR_US, lastUs: toUs - HOUR_US, value: false }],
        complete: true,
        before: null,
      };
    },
  });
  const newestUs = 1_000 * HOUR_US;
  detail.readings([{ metric: "door", atUs: newestUs, value: true }]);
  // Its past is two hours, so the range is the next longer one.
  await expect.poll(() => detail.range.value?.id).toBe("6h");
  await expect.poll(() => detail.historyState.value).toBe("loaded");
  const words = () => detail.metrics.value[0]?.states.runs.map(({ word }) => word);
  expect(words()).toEqual(["false", "true"]);
  detail.chooseSpan({ fromUs: 10, toUs: 20 });
  await expect.poll(() => asked.at(-1)).toEqual([10, 20]);
  detail.close();
});

test("states that the store does not have yet are asked for again a little later", async () => {
  const due: (() => void)[] = [];
  let stored = [{ fromUs: 10, lastUs: 10, value: "idle" }];
  const detail = new DeviceDetail({
    device: { device: "a", tags: {} },
    range: rangeById("1h"),
    frame: createFrame((run) => run()),
    later: (run) => due.push(run),
    loadSeries: async () => EMPTY,
    loadStates: async () => ({ runs: stored, complete: true, before: null }),
  });
  detail.readings([{ metric: "mode", atUs: 40, value: "idle" }]);
  const words = () => detail.metrics.value[0]?.states.runs.map(({ word }) => word);
  await expect.poll(() => due.length).toBe(1);
  expect(words()).toEqual(["idle"]);
  stored = [
    { fromUs: 10, lastUs: 10, value: "idle" },
    { fromUs: 20, lastUs: 20, value: "cool" },
    { fromUs: 30, lastUs: 40, value: "idle" },
  ];
  due[0]?.();
  await expect.poll(words).toEqual(["idle", "cool", "idle"]);
  expect(due).toHaveLength(1);
  detail.close();
});

test("windows are sorted by time, and a correction replaces the result before it", () => {
  const detail = open(hourly, "1h");
  const result = (startUs: number, revision: number, avg: number, device = "a"): WindowResult => ({
    rule: "r",
    labels: { device, metric: "t" },
    startUs,
    endUs: startUs + 10,
    revision,
    aggregates: { avg },
  });
  detail.windowResults([result(10, 0, 1), result(30, 0, 3), result(20, 0, 2), result(10, 1, 9), result(10, 0, 1)]);
  detail.windowResults([result(40, 0, 4, "another")]);
  const [track, ...rest] = [...detail.windows.value];
  expect(rest).toEqual([]);
  expect(track?.results.map(({ startUs, aggregates }) => [startUs, aggregates.avg])).toEqual([
    [10, 9],
    [20, 2],
    [30, 3],
  ]);
});
