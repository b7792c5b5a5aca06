import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { DeviceItem } from "../../../contracts/feed/protocol.ts";
import type { SeriesAnswer } from "../../../contracts/history.ts";
import { EventClock } from "../lib/event-clock.ts";
import { SeriesBuffer } from "../lib/series-buffer.ts";
import type { Frame } from "./frame.ts";

export const DEVICES_MAX = 20_000;
/** So many are taken in per frame: a long snapshot must not hold up the page. */
const ITEMS_PER_FRAME = 300;
export const SPARK_POINTS = 72;
const METRICS_MAX = 100;

export interface DeviceEntry {
  readonly name: string;
  readonly item: ReadonlySignal<DeviceItem>;
  /** The last values of the numeric metrics that small charts show. */
  readonly sparks: ReadonlyMap<string, SeriesBuffer>;
  /** Newest observation time of any of its metrics. */
  newestUs(): number;
}

export interface MetricCount {
  readonly metric: string;
  readonly devices: number;
}

export interface DeviceStore {
  /** By site, then by name. Changes only when a device joins or leaves. */
  readonly list: ReadonlySignal<readonly DeviceEntry[]>;
  /** Whether the first snapshot is there. */
  readonly loaded: ReadonlySignal<boolean>;
  /** Devices beyond what the page keeps. */
  readonly overflow: ReadonlySignal<number>;
  /** Numeric metrics, those of most devices first. */
  readonly metrics: ReadonlySignal<readonly MetricCount[]>;
  readonly clock: EventClock;
  get(name: string): DeviceEntry | undefined;
  snapshot(items: readonly DeviceItem[]): void;
  update(items: readonly DeviceItem[]): void;
  /** Keeps the values of a metric from here on, for a small chart. Says whether it did not before. */
  keep(device: string, metric: string): boolean;
  /** Nobody looks at that small chart any more. */
  drop(device: string, metric: string): void;
  /** Puts older values in front of a small chart. */
  fill(device: string, metric: string, answer: SeriesAnswer): void;
}

interface Entry extends DeviceEntry {
  readonly item: Signal<DeviceItem>;
  readonly sparks: Map<string, SeriesBuffer>;
  pending: DeviceItem;
}

/** Devices and their last values. Values are kept as they come; the page hears of them once a frame. */
export function createDeviceStore(options: {
  readonly frame: Frame;
  readonly nowUs: () => number;
  /** Runs a task once the pieces of a long snapshot have had time to come in. */
  readonly settled: (task: () => void) => void;
}): DeviceStore {
  const { frame, nowUs, settled } = options;
  const entries = new Map<string, Entry>();
  const overflowing = new Set<string>();
  const list = signal<readonly DeviceEntry[]>([]);
  const loaded = signal(false);
  const overflow = signal(0);
  const metrics = signal<readonly MetricCount[]>([]);
  const clock = new EventClock();
  const dirty = new Set<Entry>();
  /** What came and is not taken in yet, the newest of each device. */
  const waiting = new Map<string, DeviceItem>();
  let membersChanged = false;
  let ready = false;
  let unconfirmed = new Set<string>();

  function flush(): void {
    let taken = 0;
    for (const [device, item] of waiting) {
      if (taken++ >= ITEMS_PER_FRAME) break;
      waiting.delete(device);
      apply(item);
    }
    for (const entry of dirty) entry.item.value = entry.pending;
    dirty.clear();
    // Sorting waits until all have come in, but shows the first ones at once.
    if (membersChanged && (waiting.size === 0 || list.peek().length === 0)) {
      list.value = [...entries.values()].sort(bySiteThenName);
      metrics.value = countMetrics(entries.values());
      overflow.value = overflowing.size;
      membersChanged = false;
    }
    loaded.value = ready;
    if (waiting.size > 0) frame(flush);
  }

  function take(items: readonly DeviceItem[]): void {
    if (waiting.size === 0 && items.length <= ITEMS_PER_FRAME) {
      for (const item of items) apply(item);
      frame(flush);
      return;
    }
    for (const item of items) {
      const before = waiting.get(item.device);
      if (before === undefined && waiting.size >= DEVICES_MAX * 2) continue;
      waiting.set(item.device, before === undefined ? item : merge(before, item));
    }
    frame(flush);
  }

  function prune(): void {
    for (const name of waiting.keys()) unconfirmed.delete(name);
    for (const name of unconfirmed) membersChanged = entries.delete(name) || membersChanged;
    unconfirmed.clear();
    frame(flush);
  }

  function apply(item: DeviceItem): void {
    unconfirmed.delete(item.device);
    const known = entries.get(item.device);
    if (known === undefined && entries.size >= DEVICES_MAX) {
      // The set is bounded as well; beyond it "and more" is all the page says.
      if (overflowing.size < DEVICES_MAX) overflowing.add(item.device);
      membersChanged = true;
      return;
    }
    const entry = known ?? createEntry(item);
    if (known === undefined) {
      entries.set(item.device, entry);
      membersChanged = true;
    } else if (sizeOf(item.metrics) > sizeOf(entry.pending.metrics)) {
      membersChanged = true;
    }
    entry.pending = merge(entry.pending, item);
    for (const [metric, spark] of entry.sparks) remember(spark, item.metrics[metric]);
    dirty.add(entry);
    clock.observe(newestOf(item), nowUs());
  }

  return {
    list,
    loaded,
    overflow,
    metrics,
    clock,
    get: (name) => entries.get(name),
    snapshot(items) {
      unconfirmed = new Set(entries.keys());
      overflowing.clear();
      take(items);
      // A long snapshot goes on in updates: what is gone shows only after them.
      settled(prune);
      ready = true;
    },
    update: take,
    keep(device, metric) {
      const entry = entries.get(device);
      if (entry === undefined || entry.sparks.has(metric) || entry.sparks.size >= METRICS_MAX) return false;
      const spark = new SeriesBuffer(SPARK_POINTS);
      remember(spark, entry.pending.metrics[metric]);
      entry.sparks.set(metric, spark);
      return true;
    },
    drop(device, metric) {
      entries.get(device)?.sparks.delete(metric);
    },
    fill(device, metric, answer) {
      const entry = entries.get(device);
      const spark = entry?.sparks.get(metric);
      if (entry === undefined || spark === undefined) return;
      answer.atUs.forEach((atUs, index) => {
        spark.push(atUs, answer.avg[index] ?? Number.NaN);
      });
      entry.pending = { ...entry.pending };
      dirty.add(entry);
      frame(flush);
    },
  };
}

function createEntry(item: DeviceItem): Entry {
  const current = signal(item);
  return {
    name: item.device,
    item: current,
    sparks: new Map(),
    pending: item,
    newestUs: () => newestOf(current.value),
  };
}

/** The feed may send only what changed of a device; what it leaves out still holds. */
function merge(before: DeviceItem, item: DeviceItem): DeviceItem {
  if (before === item) return item;
  return { ...item, metrics: { ...before.metrics, ...item.metrics } };
}

function remember(spark: SeriesBuffer, point: DeviceItem["metrics"][string] | undefined): void {
  if (typeof point?.value === "number") spark.push(point.atUs, point.value);
}

function newestOf(item: DeviceItem): number {
  let newestUs = -Infinity;
  for (const { atUs } of Object.values(item.metrics)) newestUs = Math.max(newestUs, atUs);
  return newestUs;
}

function sizeOf(metrics: object): number {
  return Object.keys(metrics).length;
}

const collator = new Intl.Collator("en", { numeric: true });

function bySiteThenName(a: Entry, b: Entry): number {
  const site = collator.compare(a.pending.tags.site ?? "", b.pending.tags.site ?? "");
  return site === 0 ? collator.compare(a.name, b.name) : site;
}

function countMetrics(entries: Iterable<Entry>): readonly MetricCount[] {
  const counts = new Map<string, number>();
  for (const { pending } of entries) {
    for (const [metric, { value }] of Object.entries(pending.metrics)) {
      if (typeof value === "number") counts.set(metric, (counts.get(metric) ?? 0) + 1);
    }
  }
  return [...counts]
    .map(([metric, devices]) => ({ metric, devices }))
    .sort((a, b) => b.devices - a.devices || collator.compare(a.metric, b.metric))
    .slice(0, METRICS_MAX);
}
