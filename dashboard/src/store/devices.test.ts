import { expect, test } from "vitest";
import type { DeviceItem } from "../../../contracts/feed/protocol.ts";
import type { SeriesAnswer } from "../../../contracts/history.ts";
import { createBackfill, SPARKS_MAX } from "./backfill.ts";
import { DEVICES_MAX, DeviceStore, SPARK_POINTS } from "./devices.ts";
import { createFrame } from "./frame.ts";

function item(device: string, site: string, metrics: Record<string, number | string>, atUs = 1): DeviceItem {
  return {
    device,
    tags: { site },
    lastSeenUs: atUs,
    silentFromUs: atUs + 300_000_000,
    readings: 1,
    clockAhead: 0,
    metrics: Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, { atUs, value }])),
  };
}

/** The device of an item at site x, in the list. */
const shown = (name: string) => ({ id: idOf(name), name, tags: { site: "x" } });
const idOf = (name: string) => `${name}{site=x}`;

function createStore(request: (run: () => void) => void = (run) => run()) {
  const settled: (() => void)[] = [];
  const store = new DeviceStore({
    frame: createFrame(request),
    settled: (task) => settled.push(task),
  });
  return { store, settle: () => settled.splice(0).map((task) => task()) };
}

test("devices are sorted by site and name, metrics by their number of devices", () => {
  const { store } = createStore();
  store.snapshot([item("b10", "x", { t: 1, wd: "N" }), item("b9", "x", { t: 1, p: 2 }), item("z", "a", { t: 3 })]);
  expect(store.list.value.map(({ name }) => name)).toEqual(["z", "b9", "b10"]);
  expect(store.metrics.value).toEqual([
    { metric: "t", devices: 3 },
    { metric: "p", devices: 1 },
  ]);
});

test("an update changes only its device, and keeps metrics that it leaves out", () => {
  const { store } = createStore();
  store.snapshot([item("a", "x", { t: 1, p: 5 }), item("b", "x", { t: 1 })]);
  const list = store.list.value;
  const other = store.get(idOf("b"))?.item.value;
  store.update([item("a", "x", { t: 2 }, 2)]);
  expect(store.list.value).toBe(list);
  expect(store.get(idOf("b"))?.item.value).toBe(other);
  expect(store.get(idOf("a"))?.item.value.metrics).toEqual({ t: { atUs: 2, value: 2 }, p: { atUs: 1, value: 5 } });
  expect(store.get(idOf("a"))?.newestUs()).toBe(2);
});

test("a device missing from a new snapshot leaves when the whole snapshot has arrived", () => {
  const { store, settle } = createStore();
  store.snapshot([item("a", "x", { t: 1 }), item("b", "x", { t: 1 }), item("c", "x", { t: 1 })]);
  store.snapshot([item("a", "x", { t: 1 })]);
  store.update([item("b", "x", { t: 2 }, 2)]);
  expect(store.list.value).toHaveLength(3);
  settle();
  expect(store.list.value.map(({ name }) => name)).toEqual(["a", "b"]);
});

test("devices of one name with other tags are apart, in the list and in words", () => {
  const { store } = createStore();
  const phone = (tags: Record<string, string>, batt: number): DeviceItem => {
    return { ...item("phone", "", { batt }), tags };
  };
  store.snapshot([
    phone({ user: "bert", site: "x" }, 1),
    phone({ user: "anna", site: "x" }, 2),
    item("gauge", "x", { t: 1 }),
  ]);
  expect(store.list.value.map(({ id, apart }) => [id, apart.value])).toEqual([
    ["gauge{site=x}", ""],
    ["phone{site=x,user=anna}", "user anna"],
    ["phone{site=x,user=bert}", "user bert"],
  ]);
  store.update([phone({ user: "anna", site: "x" }, 99)]);
  const values = store.list.value.map((entry) => entry.item.value.metrics.batt?.value);
  expect(values).toEqual([undefined, 99, 1]);
  const named = (tags: Record<string, string>) => store.having({ device: "phone", tags }).map(({ id }) => id);
  expect(named({ user: "bert" })).toEqual(["phone{site=x,user=bert}"]);
  expect(named({})).toHaveLength(2);
  expect(named({ user: "carl" })).toEqual([]);
});

test("signals change once a frame, and points are kept meanwhile", () => {
  let run: (() => void) | undefined;
  const { store } = createStore((next) => {
    run = next;
  });
  store.snapshot([item("a", "x", { t: 1 })]);
  store.keep(idOf("a"), "t");
  for (let at = 2; at < 500; at++) store.update([item("a", "x", { t: at }, at)]);
  expect(store.list.value).toEqual([]);
  run?.();
  expect(store.list.value).toHaveLength(1);
  expect(store.get(idOf("a"))?.sparks.get("t")?.length).toBe(SPARK_POINTS);
});

test("devices beyond the limit are counted, not kept", () => {
  const { store } = createStore();
  store.snapshot(Array.from({ length: DEVICES_MAX + 5 }, (_, index) => item(`d${index}`, "x", { t: 1 })));
  expect(store.list.value).toHaveLength(DEVICES_MAX);
  expect(store.overflow.value).toBe(5);
});

test("values are kept only for the small charts on the screen", () => {
  const { store } = createStore();
  store.snapshot([item("a", "x", { t: 1, p: 5, wd: "N" })]);
  expect(store.keep(idOf("a"), "t")).toBe(true);
  expect(store.keep(idOf("a"), "t")).toBe(false);
  expect(store.keep("nobody", "t")).toBe(false);
  store.update([item("a", "x", { t: 2, p: 6 }, 2)]);
  const sparks = store.get(idOf("a"))?.sparks;
  expect([...(sparks ?? [])].map(([metric, { length }]) => [metric, length])).toEqual([["t", 2]]);
  store.drop(idOf("a"), "t");
  expect(sparks?.size).toBe(0);
});

/** Records how a backfill changes the small charts. */
function createSparks() {
  const kept = new Set<string>();
  const delivered: number[] = [];
  return {
    kept,
    delivered,
    keep(device: string, metric: string) {
      const isNew = !kept.has(`${device} ${metric}`);
      kept.add(`${device} ${metric}`);
      return isNew;
    },
    drop(device: string, metric: string) {
      kept.delete(`${device} ${metric}`);
    },
    fill(_: string, __: string, answer: SeriesAnswer) {
      delivered.push(answer.count[0] ?? 0);
    },
  };
}

test("small charts are filled once, at the pace of live readings", async () => {
  const asked: number[] = [];
  const sparks = createSparks();
  const backfill = createBackfill({
    loadSeries: async ({ fromUs, toUs }) => {
      asked.push(toUs - fromUs);
      const count = asked.length === 1 ? 86_400 : 72;
      return { atUs: [1], min: [1], max: [1], avg: [1], count: [count] };
    },
    sparks,
  });
  backfill.want(shown("a"), "t", 1e15);
  backfill.want(shown("a"), "t", 2e15);
  await expect.poll(() => sparks.delivered).toEqual([72]);
  expect(asked).toEqual([86_400_000_000, SPARK_POINTS * 1_000_000]);
});

test("only the small charts shown last are kept, and one that is shown again is filled again", async () => {
  const asked: string[] = [];
  const sparks = createSparks();
  const backfill = createBackfill({
    loadSeries: async ({ device }) => {
      asked.push(device);
      return { atUs: [], min: [], max: [], avg: [], count: [] };
    },
    sparks,
  });
  for (let i = 0; i < SPARKS_MAX; i++) backfill.want(shown(`d${i}`), "t", 1e15);
  backfill.want(shown("d0"), "t", 2e15);
  backfill.want(shown("one more"), "t", 1e15);
  expect(sparks.kept.size).toBe(SPARKS_MAX);
  expect(sparks.kept.has(`${idOf("d0")} t`)).toBe(true);
  expect(sparks.kept.has(`${idOf("d1")} t`)).toBe(false);
  backfill.want(shown("d1"), "t", 2e15);
  expect(asked.filter((device) => device === "d1")).toHaveLength(2);
  expect(asked.filter((device) => device === "d0")).toHaveLength(1);
});

test("a small chart that could not be filled is filled when the gateway is back", () => {
  let asked = 0;
  const sparks = createSparks();
  const backfill = createBackfill({
    loadSeries: async () => {
      asked++;
      throw new Error("storage is away");
    },
    sparks,
  });
  backfill.want(shown("a"), "t", 1e15);
  return expect
    .poll(() => {
      backfill.retry();
      backfill.want(shown("a"), "t", 2e15);
      return asked;
    })
    .toBeGreaterThan(1);
});

test("a device that the server no longer has leaves the list, and can come back", () => {
  const { store } = createStore();
  store.snapshot([item("a", "x", { t: 1 }), item("b", "x", { t: 1 })]);
  store.remove([
    { device: "a", tags: { site: "x" } },
    { device: "b", tags: { site: "other" } },
  ]);
  expect(store.list.value.map(({ name }) => name)).toEqual(["b"]);
  expect(store.metrics.value).toEqual([{ metric: "t", devices: 1 }]);
  store.update([item("a", "x", { p: 2 })]);
  expect(store.list.value.map(({ name }) => name)).toEqual(["a", "b"]);
  expect(store.get(idOf("a"))?.item.value.metrics).toEqual({ p: { atUs: 1, value: 2 } });
});
