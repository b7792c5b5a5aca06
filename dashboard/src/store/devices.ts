import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { DeviceItem } from "../../../contracts/feed/protocol.ts";
import type { SeriesAnswer } from "../../../contracts/history.ts";
import { type Device, deviceKey, type Tags } from "../../../domain/reading.ts";
import { EventClock } from "../lib/event-clock.ts";
import { SeriesBuffer } from "../lib/series-buffer.ts";
import type { Frame } from "./frame.ts";

export const DEVICES_MAX = 20_000;
/** Bounded: a long snapshot would otherwise hold up the page. */
const ITEMS_PER_FRAME = 300;
export const SPARK_POINTS = 72;
const METRICS_MAX = 100;

export interface DeviceEntry {
  /** Names the device and all its tags: `deviceKey`. */
  readonly id: string;
  readonly name: string;
  readonly tags: Tags;
  /** The tags that tell it from other devices of its name, in words; empty when there is no other. */
  readonly apart: ReadonlySignal<string>;
  readonly item: ReadonlySignal<DeviceItem>;
  /** The last values of the numeric metrics with small charts. */
  readonly sparks: ReadonlyMap<string, SeriesBuffer>;
  /** The newest observation time among its metrics. */
  newestUs(): number;
}

export interface MetricCount {
  readonly metric: string;
  readonly devices: number;
}

interface Entry extends DeviceEntry {
  readonly apart: Signal<string>;
  readonly item: Signal<DeviceItem>;
  readonly sparks: Map<string, SeriesBuffer>;
  /** The newest state, which `item` shows from the next frame. */
  pending: DeviceItem;
}

/**
 * Devices and their last values. Values are kept as they arrive; signals change once a frame. An update changes only
 * the signal of its device. The list changes only when a device joins or leaves.
 */
export class DeviceStore {
  readonly clock = new EventClock();
  readonly #list = signal<readonly DeviceEntry[]>([]);
  /** By site, then by name. */
  readonly list: ReadonlySignal<readonly DeviceEntry[]> = this.#list;
  readonly #loaded = signal(false);
  /** Whether the first snapshot has arrived. */
  readonly loaded: ReadonlySignal<boolean> = this.#loaded;
  readonly #overflow = signal(0);
  /** Devices beyond the page's limit. */
  readonly overflow: ReadonlySignal<number> = this.#overflow;
  readonly #metrics = signal<readonly MetricCount[]>([]);
  /** Numeric metrics; the metrics that most devices have come first. */
  readonly metrics: ReadonlySignal<readonly MetricCount[]> = this.#metrics;
  readonly #frame: Frame;
  readonly #settled: (task: () => void) => void;
  /** By id, like all maps and sets of devices here. */
  readonly #entries = new Map<string, Entry>();
  #byName: ReadonlyMap<string, readonly Entry[]> = new Map();
  readonly #overflowing = new Set<string>();
  readonly #dirty = new Set<Entry>();
  /** Items that arrived but are not applied yet: the newest of each device. */
  readonly #waiting = new Map<string, DeviceItem>();
  /** Devices that are not yet in the latest snapshot. */
  #unconfirmed = new Set<string>();
  #membersChanged = false;
  #ready = false;

  constructor(options: {
    readonly frame: Frame;
    /** Runs a task when the pieces of a long snapshot have had time to arrive. */
    readonly settled: (task: () => void) => void;
  }) {
    this.#frame = options.frame;
    this.#settled = options.settled;
  }

  get(id: string): DeviceEntry | undefined {
    return this.#entries.get(id);
  }

  /** The listed devices of this name that have these tags, and perhaps more. */
  having({ device, tags }: Device): readonly DeviceEntry[] {
    return (this.#byName.get(device) ?? []).filter((entry) => hasTags(entry.tags, tags));
  }

  snapshot(items: readonly DeviceItem[]): void {
    this.#unconfirmed = new Set(this.#entries.keys());
    this.#overflowing.clear();
    this.update(items);
    // A long snapshot continues in updates. Only after them does the page know which devices are gone.
    this.#settled(() => this.#prune());
    this.#ready = true;
  }

  /** The server no longer has these devices. */
  remove(devices: readonly Device[]): void {
    for (const device of devices) {
      const id = deviceKey(device);
      this.#waiting.delete(id);
      this.#unconfirmed.delete(id);
      const isGone = this.#entries.delete(id) || this.#overflowing.delete(id);
      this.#membersChanged ||= isGone;
    }
    this.#frame(this.#flush);
  }

  update(items: readonly DeviceItem[]): void {
    if (this.#waiting.size === 0 && items.length <= ITEMS_PER_FRAME) {
      for (const item of items) this.#apply(deviceKey(item), item);
    } else {
      for (const item of items) this.#wait(item);
    }
    this.#frame(this.#flush);
  }

  /** Keeps the values of a metric from now on, for a small chart. Returns true if it did not keep them before. */
  keep(id: string, metric: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.sparks.has(metric) || entry.sparks.size >= METRICS_MAX) return false;
    const spark = new SeriesBuffer(SPARK_POINTS);
    remember(spark, entry.pending.metrics[metric]);
    entry.sparks.set(metric, spark);
    return true;
  }

  /** Stops keeping the values for a small chart that is no longer shown. */
  drop(id: string, metric: string): void {
    this.#entries.get(id)?.sparks.delete(metric);
  }

  /** Adds older values at the start of a small chart. */
  fill(id: string, metric: string, answer: SeriesAnswer): void {
    const entry = this.#entries.get(id);
    const spark = entry?.sparks.get(metric);
    if (entry === undefined || spark === undefined) return;
    answer.atUs.forEach((atUs, index) => {
      spark.push(atUs, answer.avg[index] ?? Number.NaN);
    });
    entry.pending = { ...entry.pending };
    this.#dirty.add(entry);
    this.#frame(this.#flush);
  }

  #wait(item: DeviceItem): void {
    const id = deviceKey(item);
    const before = this.#waiting.get(id);
    if (before === undefined && this.#waiting.size >= DEVICES_MAX * 2) return;
    this.#waiting.set(id, before === undefined ? item : merge(before, item));
  }

  /** A single function, so that each frame runs it once, however often it is requested. */
  readonly #flush = (): void => {
    let applied = 0;
    for (const [id, item] of this.#waiting) {
      if (applied++ >= ITEMS_PER_FRAME) break;
      this.#waiting.delete(id);
      this.#apply(id, item);
    }
    for (const entry of this.#dirty) entry.item.value = entry.pending;
    this.#dirty.clear();
    // Sorts when all have arrived, but shows the first ones at once.
    if (this.#membersChanged && (this.#waiting.size === 0 || this.#list.peek().length === 0)) {
      this.#byName = groupByName(this.#entries.values());
      for (const entries of this.#byName.values()) tellApart(entries);
      this.#list.value = [...this.#entries.values()].sort(bySiteThenName);
      this.#metrics.value = countMetrics(this.#entries.values());
      this.#overflow.value = this.#overflowing.size;
      this.#membersChanged = false;
    }
    this.#loaded.value = this.#ready;
    if (this.#waiting.size > 0) this.#frame(this.#flush);
  };

  #prune(): void {
    for (const id of this.#waiting.keys()) this.#unconfirmed.delete(id);
    for (const id of this.#unconfirmed) this.#membersChanged = this.#entries.delete(id) || this.#membersChanged;
    this.#unconfirmed.clear();
    this.#frame(this.#flush);
  }

  #apply(id: string, item: DeviceItem): void {
    this.#unconfirmed.delete(id);
    const known = this.#entries.get(id);
    if (known === undefined && this.#entries.size >= DEVICES_MAX) {
      // The set is bounded, too: the page cannot count further.
      if (this.#overflowing.size < DEVICES_MAX) this.#overflowing.add(id);
      this.#membersChanged = true;
      return;
    }
    const entry = known ?? createEntry(id, item);
    if (known === undefined) {
      this.#entries.set(id, entry);
      this.#membersChanged = true;
    } else if (sizeOf(item.metrics) > sizeOf(entry.pending.metrics)) {
      this.#membersChanged = true;
    }
    entry.pending = merge(entry.pending, item);
    for (const [metric, spark] of entry.sparks) remember(spark, item.metrics[metric]);
    this.#dirty.add(entry);
    this.clock.observe({ newestUs: newestOf(item), seenUs: item.lastSeenUs });
  }
}

function createEntry(id: string, item: DeviceItem): Entry {
  const current = signal(item);
  return {
    id,
    name: item.device,
    tags: item.tags,
    apart: signal(""),
    item: current,
    sparks: new Map(),
    pending: item,
    newestUs: () => newestOf(current.value),
  };
}

function groupByName(entries: Iterable<Entry>): ReadonlyMap<string, readonly Entry[]> {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.name);
    if (group === undefined) groups.set(entry.name, [entry]);
    else group.push(entry);
  }
  return groups;
}

function hasTags(tags: Tags, wanted: Tags): boolean {
  return Object.entries(wanted).every(([name, value]) => tags[name] === value);
}

/** Says of each device of one name by which tags it differs from the others. */
function tellApart(entries: readonly Entry[]): void {
  const names = new Set(entries.length === 1 ? [] : entries.flatMap(({ tags }) => Object.keys(tags)));
  const differing = [...names].sort().filter((name) => new Set(entries.map(({ tags }) => tags[name])).size > 1);
  for (const entry of entries) {
    const shown = differing.filter((name) => entry.tags[name] !== undefined);
    entry.apart.value = shown.map((name) => `${name} ${entry.tags[name]}`).join(", ");
  }
}

/** The feed may send only the changed parts of a device. The other parts stay. */
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
  return site || collator.compare(a.name, b.name) || collator.compare(a.id, b.id);
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
