import { expect, test } from "vitest";
import type { DeviceItem } from "../../../dashboard-feed/protocol.ts";
import { createBackfill } from "./backfill.ts";
import { createDeviceStore, DEVICES_MAX, SPARK_POINTS } from "./devices.ts";
import { createFrame } from "./frame.ts";

function item(device: string, site: string, metrics: Record<string, number | string>, atUs = 1): DeviceItem {
  return {
    device,
    tags: { site },
    lastSeenUs: atUs,
    readings: 1,
    clockAhead: 0,
    metrics: Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, { atUs, value }])),
  };
}

function createStore(request: (run: () => void) => void = (run) => run()) {
  const settled: (() => void)[] = [];
  const store = createDeviceStore({
    frame: createFrame(request),
    nowUs: () => 0,
    settled: (task) => settled.push(task),
  });
  return { store, settle: () => settled.splice(0).map((task) => task()) };
}

test("devices stand by site and name, and metrics by how many have them", () => {
  const { store } = createStore();
  store.snapshot([item("b10", "x", { t: 1, wd: "N" }), item("b9", "x", { t: 1, p: 2 }), item("z", "a", { t: 3 })]);
  expect(store.list.value.map(({ name }) => name)).toEqual(["z", "b9", "b10"]);
  expect(store.metrics.value).toEqual([
    { metric: "t", devices: 3 },
    { metric: "p", devices: 1 },
  ]);
});

test("an update touches its device alone, and keeps what it leaves out", () => {
  const { store } = createStore();
  store.snapshot([item("a", "x", { t: 1, p: 5 }), item("b", "x", { t: 1 })]);
  const list = store.list.value;
  const other = store.get("b")?.item.value;
  store.update([item("a", "x", { t: 2 }, 2)]);
  expect(store.list.value).toBe(list);
  expect(store.get("b")?.item.value).toBe(other);
  expect(store.get("a")?.item.value.metrics).toEqual({ t: { atUs: 2, value: 2 }, p: { atUs: 1, value: 5 } });
  expect(store.get("a")?.newestUs()).toBe(2);
});

test("a device that a new snapshot lacks goes once all of the snapshot is there", () => {
  const { store, settle } = createStore();
  store.snapshot([item("a", "x", { t: 1 }), item("b", "x", { t: 1 }), item("c", "x", { t: 1 })]);
  store.snapshot([item("a", "x", { t: 1 })]);
  store.update([item("b", "x", { t: 2 }, 2)]);
  expect(store.list.value).toHaveLength(3);
  settle();
  expect(store.list.value.map(({ name }) => name)).toEqual(["a", "b"]);
});

test("all of a frame is told at once, and points are kept meanwhile", () => {
  let run: (() => void) | undefined;
  const { store } = createStore((next) => {
    run = next;
  });
  store.snapshot([item("a", "x", { t: 1 })]);
  for (let at = 2; at < 500; at++) store.update([item("a", "x", { t: at }, at)]);
  expect(store.list.value).toEqual([]);
  run?.();
  expect(store.list.value).toHaveLength(1);
  expect(store.get("a")?.sparks.get("t")?.length).toBe(SPARK_POINTS);
});

test("devices beyond the bound are counted, not kept", () => {
  const { store } = createStore();
  store.snapshot(Array.from({ length: DEVICES_MAX + 5 }, (_, index) => item(`d${index}`, "x", { t: 1 })));
  expect(store.list.value).toHaveLength(DEVICES_MAX);
  expect(store.overflow.value).toBe(5);
});

test("small charts are filled once, at the pace of the live readings", async () => {
  const asked: number[] = [];
  const delivered: number[] = [];
  const backfill = createBackfill({
    loadSeries: async ({ fromUs, toUs }) => {
      asked.push(toUs - fromUs);
      const count = asked.length === 1 ? 86_400 : 72;
      return { atUs: [1], min: [1], max: [1], avg: [1], count: [count] };
    },
    deliver: (_, __, answer) => delivered.push(answer.count[0] ?? 0),
  });
  backfill.want("a", "t", 1e15);
  backfill.want("a", "t", 2e15);
  await expect.poll(() => delivered).toEqual([72]);
  expect(asked).toEqual([86_400_000_000, SPARK_POINTS * 1_000_000]);
});
