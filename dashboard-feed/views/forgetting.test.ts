import { expect, test } from "vitest";
import type { DeviceItem, ReadingItem } from "../../contracts/feed/protocol.ts";
import { FrameWriter } from "../../domain/frame-writer.ts";
import { US_PER_DAY, US_PER_MINUTE } from "../../domain/time.ts";
import { encodeWindows } from "../../domain/windows-codec.ts";
import { compileFilter } from "../common/filter.ts";
import { makeReadingsView } from "../testing/readings-view.ts";
import { Progress } from "./progress.ts";
import { collect, type StateView } from "./view.ts";
import { WindowsView } from "./windows-view.ts";

const START_US = 20_000 * US_PER_DAY;
const HOUR_US = 60 * US_PER_MINUTE;

type Value = number | string;

function feed(view = makeReadingsView()) {
  let sequence = 0;
  return {
    view,
    /** Readings of devices, stored at a time after the start. */
    store(afterUs: number, readings: readonly (readonly [device: string, metric?: string, value?: Value])[]) {
      const atUs = START_US + afterUs;
      const writer = new FrameWriter();
      for (const [device, metric = "temperature", value = 1] of readings) {
        writer.add({ device, metric, tags: {}, kind: typeof value === "number" ? "number" : "string" }, atUs, value);
      }
      view.apply({ subject: "readings.0", sequence: ++sequence, storedAtUs: atUs, payload: writer.finish(atUs) });
    },
  };
}

function itemsOf<T>(view: StateView, filter = {}): readonly T[] {
  const { items } = collect(view, view.matcher(compileFilter(filter)), { after: 0, bytesMax: 1e9 });
  return JSON.parse(`[${items}]`) as T[];
}

const devicesOf = (view: StateView) => itemsOf<DeviceItem>(view).map(({ device }) => device);

test("300,000 devices over 40 days take as much room as those of the last 30 days; one that speaks stays", () => {
  const { view, store } = feed(makeReadingsView({ seriesMax: 1e6, devicesMax: 1e6 }));
  const perHour = 312.5;
  const sizes: number[][] = [];
  let made = 0;
  for (let hour = 1; hour <= 40 * 24; hour++) {
    const newOnes: [string][] = [];
    while (made < hour * perHour) newOnes.push([`device-${made++}`]);
    store(hour * HOUR_US, [["stays"], ...newOnes]);
    if (hour % 240 === 0) sizes.push([view.size, view.devices.size, view.ids, view.devices.slots, view.order.size]);
  }
  expect(made).toBe(300_000);
  const [, , third = [], fourth = []] = sizes;
  // One number for each of the last 30 days' devices; series ids also while their names wait to be dropped.
  expect(third.slice(0, 2)).toEqual([225_001, 225_001]);
  for (const [i, size] of fourth.entries())
    expect(size).toBeLessThanOrEqual((third[i] ?? 0) + 320 + (i === 2 ? 75_000 : 0));
  expect(itemsOf<DeviceItem>(view.devices, { device: "stays" })).toMatchObject([{ device: "stays", readings: 960 }]);
  expect(itemsOf<DeviceItem>(view.devices, { device: "device-0" })).toEqual([]);
});

test("what was silent for 30 days of the log leaves, and is new when it comes back", () => {
  const { view, store } = feed();
  store(0, [["gone"], ["comes-back"], ["stays", "door"], ["stays"]]);
  store(30 * US_PER_DAY, [["stays"]]);
  expect(devicesOf(view.devices)).toHaveLength(3);
  store(30 * US_PER_DAY + 1, [["comes-back"], ["stays"]]);
  expect(devicesOf(view.devices).sort()).toEqual(["comes-back", "stays"]);
  expect(itemsOf<DeviceItem>(view.devices, { device: "comes-back" })).toMatchObject([{ readings: 1 }]);
  expect(view.devices.list({ matches: () => true, after: "", limit: 10 })).toMatchObject({ total: 2 });
  expect(view.devices.removals.since(0)?.map(({ text }) => text)).toEqual([
    '{"device":"gone","tags":{}}',
    '{"device":"comes-back","tags":{}}',
  ]);
  // The door of a device that speaks is found a few entries later.
  for (let i = 2; i < 40; i++) store(30 * US_PER_DAY + i, [["stays"]]);
  expect(itemsOf<ReadingItem>(view).map(({ device, metric }) => `${device} ${metric}`)).toEqual([
    "comes-back temperature",
    "stays temperature",
  ]);
  const [stays] = itemsOf<DeviceItem>(view.devices, { device: "stays" });
  expect(Object.keys(stays?.metrics ?? {})).toEqual(["temperature"]);
  expect([...view.remembered()].map(({ device }) => device).sort()).toEqual(["comes-back", "stays"]);
});

test("a newcomer appears in a view that is full of devices silent for an hour, and not in one full of active ones", () => {
  const evicted: string[] = [];
  const overflows: string[] = [];
  const { view, store } = feed(
    makeReadingsView({
      devicesMax: 3,
      onEvicted: (what) => evicted.push(what),
      onOverflow: (what) => overflows.push(what),
    }),
  );
  store(0, [["a"], ["b"]]);
  store(30 * US_PER_MINUTE, [["c"], ["a"]]);
  store(59 * US_PER_MINUTE, [["new"]]);
  expect(overflows).toEqual(["devices"]);
  expect(devicesOf(view.devices)).toEqual(["b", "c", "a"]);
  store(60 * US_PER_MINUTE, [["new"], ["newer"]]);
  expect(devicesOf(view.devices)).toEqual(["c", "a", "new"]);
  expect(evicted).toEqual(["devices"]);
  // One that is evicted and heard in the same entry.
  store(95 * US_PER_MINUTE, [["newest"], ["c"], ["b"]]);
  expect(devicesOf(view.devices)).toEqual(["new", "newest", "c"]);
  expect(itemsOf<ReadingItem>(view)).toHaveLength(3);
});

test("a new series appears in a view that is full of silent series, also of devices that speak", () => {
  const evicted: string[] = [];
  const { view, store } = feed(makeReadingsView({ seriesMax: 3, onEvicted: (what) => evicted.push(what) }));
  store(0, [
    ["a", "old"],
    ["a", "m"],
    ["b", "m"],
  ]);
  store(40 * US_PER_MINUTE, [["a", "m"]]);
  store(61 * US_PER_MINUTE, [
    ["c", "m"],
    ["d", "m"],
    ["e", "m"],
  ]);
  expect(itemsOf<ReadingItem>(view).map(({ device, metric }) => device + metric)).toEqual(["am", "cm", "dm"]);
  expect(evicted).toEqual(["series", "series"]);
});

test("a filter that knew the former series of an id judges the next one by its own labels", () => {
  const { view, store } = feed(makeReadingsView({ seriesMax: 10_000, devicesMax: 1_500 }));
  const matches = view.matcher(compileFilter({ device: "odd-*" }));
  const nameOf = (i: number) => [`${i % 2 === 0 ? "even" : "odd"}-${i}`] as const;
  for (let hour = 1; hour <= 6; hour++) {
    store(
      hour * HOUR_US,
      Array.from({ length: 1_500 }, (_, i) => nameOf(hour * 1_501 + i)),
    );
    const { items } = collect(view, matches, { after: 0, bytesMax: 1e9 });
    const names = (JSON.parse(`[${items}]`) as ReadingItem[]).map(({ device }) => device);
    expect(names).toHaveLength(750);
    expect(names.filter((name) => !name.startsWith("odd-"))).toEqual([]);
  }
  expect(view.ids).toBeLessThan(6_000);
});

test("when a series of one kind leaves, clients get the series of the same name and another kind after it", () => {
  const { view, store } = feed();
  store(0, [["a", "m", 1]]);
  store(20 * US_PER_DAY, [["a", "m", "text"]]);
  for (let i = 1; i < 40; i++) store(31 * US_PER_DAY + i, [["b"]]);
  const [removal] = view.removals.since(0) ?? [];
  expect(removal?.text).toBe('{"device":"a","metric":"m","tags":{}}');
  const { items } = collect(view, view.matcher(compileFilter({ device: "a" })), {
    after: (removal?.position ?? 0) - 1,
    bytesMax: 1e9,
  });
  expect(JSON.parse(`[${items}]`)).toMatchObject([{ device: "a", metric: "m", value: "text" }]);
});

test("windows that did not change for 30 days of the log leave, and the numbers of their series are used again", () => {
  const options = { windowsPerSeries: 10, windowsMax: 1e6, onRepeat: () => {} };
  const view = new WindowsView({ progress: new Progress(), ...options });
  const matches = view.matcher(compileFilter({ device: "*-7" }));
  const numbers = new Set<number>();
  for (let day = 1; day <= 100; day++) {
    const results = Array.from({ length: 20 }, (_, i) => ({
      rule: "r",
      labels: { device: `${day}-${i}` },
      startUs: day,
      endUs: day + 1,
      revision: 0,
      aggregates: { avg: 1 },
    }));
    const head = { partition: 0, part: 0, parts: 1, firstInput: day, lastInput: day };
    const payload = encodeWindows({ ...head, results });
    view.apply({ subject: "windows.0", sequence: day, storedAtUs: START_US + day * US_PER_DAY, payload });
    for (const slot of view.order.changedAfter(0)) numbers.add(view.groupOf(slot));
    expect(collect(view, matches, { after: 0, bytesMax: 1e9 }).count).toBe(Math.min(day, 31));
  }
  expect(view.order.size).toBe(31 * 20);
  expect(numbers.size).toBeLessThanOrEqual(32 * 20);
});
