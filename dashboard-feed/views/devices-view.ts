import { createHash } from "node:crypto";
import type { DeviceLedgersReport } from "../../contracts/device-ledgers.ts";
import { type Device, deviceKey, type Series } from "../../domain/reading.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import type { Watched } from "../../rule-language/spec/watchers.ts";
import { type Position, positionOf } from "../common/cursor.ts";
import type { CompiledFilter } from "../common/filter.ts";
import { ChangeOrder } from "./change-order.ts";
import type { Progress } from "./progress.ts";
import { Removals } from "./removals.ts";
import type { Rhythm } from "./rhythm.ts";
import type { Matches, StateView } from "./view.ts";

/** The most metrics that an item lists. */
const METRICS_PER_ITEM_MAX = 250;
/** A page of the list ends after this many bytes, however many devices it was to have. */
const PAGE_BYTES_MAX = 8 * 1_048_576;
/** A place in the list is part of a URL. */
const PLACE_LENGTH_MAX = 400;

export interface DevicesViewOptions {
  readonly progress: Progress;
  readonly devicesMax: number;
  /** Lookups into the readings view, by series id. */
  readonly seriesOf: (id: number) => Series;
  readonly atUsOf: (id: number) => number;
  /** Receive time of its newest reading. */
  readonly seenUsOf: (id: number) => number;
  readonly rhythmOf: (id: number) => Rhythm;
  readonly watchedOf: (id: number) => Watched;
  readonly valueTextOf: (id: number) => string;
  readonly seriesMatcher: (filter: CompiledFilter) => Matches;
}

const UNWATCHED = ',"unwatched":true';

interface Silence {
  readonly lastSeenUs: number;
  readonly silentFromUs: number;
  /** 0: the device has not said that it is gone. */
  readonly goneUs: number;
  readonly everyUs: number | undefined;
}

/**
 * Each device with its newest values and counts. A device is a name with all its tags: of one name at two sites, there
 * are two. The readings view feeds it.
 */
export class DevicesView implements StateView {
  readonly order = new ChangeOrder();
  readonly removals = new Removals();
  readonly losses = 0;
  readonly #options: DevicesViewOptions;
  /** By the device's key. */
  readonly #slotOf = new Map<string, number>();
  /** By slot: the place of the device in the list; undefined where the slot is free. */
  readonly #places: (string | undefined)[] = [];
  readonly #free: number[] = [];
  /** The slots in the order of the list; undefined when a device joined or left since. */
  #listed: readonly number[] | undefined;
  readonly #series: number[][] = [];
  readonly #items: ({ text: string; position: Position } | undefined)[] = [];
  #readings = new Float64Array(64);
  #clockAhead = new Float64Array(64);
  #lastSeenUs = new Float64Array(64);
  /** When the device said that it is gone; 0 if it has not, or has sent since. */
  #goneUs = new Float64Array(64);
  /** By slot, as JSON members: the late and duplicate readings that processors counted. */
  readonly #notes: (string | undefined)[] = [];

  constructor(options: DevicesViewOptions) {
    this.#options = options;
  }

  get head(): Position {
    return this.#options.progress.head;
  }

  get began(): Position {
    return this.#options.progress.began;
  }

  get floor(): Position {
    return this.#options.progress.floor;
  }

  get loaded(): boolean {
    return this.#options.progress.loaded;
  }

  /** The number of devices. */
  get size(): number {
    return this.#slotOf.size;
  }

  /** Slots are below this. */
  get slots(): number {
    return this.#places.length;
  }

  seriesIn(slot: number): readonly number[] {
    return this.#series[slot] ?? [];
  }

  hasRoomFor(series: Series): boolean {
    return this.#slotOf.size < this.#options.devicesMax || this.#slotOf.has(deviceKey(series));
  }

  /** The slot of the device of a new series; -1 if the view has no room for the device. */
  slotFor(series: Series, seriesId: number): number {
    const key = deviceKey(series);
    let slot = this.#slotOf.get(key);
    if (slot === undefined) {
      if (this.#slotOf.size >= this.#options.devicesMax) return -1;
      slot = this.#free.pop() ?? this.#places.length;
      this.#slotOf.set(key, slot);
      this.#places[slot] = placeOf(series.device, key);
      this.#listed = undefined;
      this.#series[slot] = [];
      if (slot >= this.#readings.length) this.#grow();
    }
    this.#series[slot]?.push(seriesId);
    return slot;
  }

  /** A device speaks, but one of its series is forgotten. It has others. */
  removeSeries(slot: number, seriesId: number, position: Position): void {
    this.#series[slot] = this.seriesIn(slot).filter((id) => id !== seriesId);
    this.#items[slot] = undefined;
    this.order.touch(slot, position);
  }

  remove(slot: number, position: Position): void {
    const series = this.seriesIn(slot).map(this.#options.seriesOf);
    const [first] = series;
    if (first === undefined) throw new RangeError(`no device in slot ${slot}`);
    const { device, tags } = first;
    this.removals.add({ slot, position, text: JSON.stringify({ device, tags }), series });
    this.order.remove(slot);
    this.#slotOf.delete(deviceKey(first));
    this.#places[slot] = undefined;
    this.#listed = undefined;
    this.#series[slot] = [];
    this.#items[slot] = undefined;
    this.#notes[slot] = undefined;
    this.#readings[slot] = 0;
    this.#clockAhead[slot] = 0;
    this.#lastSeenUs[slot] = 0;
    this.#goneUs[slot] = 0;
    this.#free.push(slot);
  }

  /** One reading of a device. Runs for every reading. */
  count(slot: number, position: Position, receivedAtUs: number): void {
    this.#readings[slot] = (this.#readings[slot] as number) + 1;
    // A retried dead letter has its original receive time, perhaps from long ago.
    this.#lastSeenUs[slot] = Math.max(this.#lastSeenUs[slot] ?? 0, receivedAtUs);
    this.#goneUs[slot] = 0;
    this.order.touch(slot, position);
  }

  /** Devices said that they are gone. The next reading of each ends that. */
  leave(gone: readonly Device[], { sequence, storedAtUs }: Pick<LogMessage, "sequence" | "storedAtUs">): void {
    for (const [row, device] of gone.entries()) {
      const slot = this.#slotOf.get(deviceKey(device));
      if (slot === undefined) continue;
      this.#goneUs[slot] = storedAtUs;
      this.order.touch(slot, positionOf(sequence, row));
    }
  }

  /** A device of an earlier life of a feed. Its counts begin again. */
  restore(slot: number, lastSeenUs: number, position: Position): void {
    this.#lastSeenUs[slot] = Math.max(this.#lastSeenUs[slot] ?? 0, lastSeenUs);
    this.order.touch(slot, position);
  }

  countClockAhead(slot: number): void {
    this.#clockAhead[slot] = (this.#clockAhead[slot] as number) + 1;
  }

  /** Other rules watch the devices, so all items have changed. */
  watchedChanged(sequence: number): void {
    this.#items.length = 0;
    // In the present order, so that the device that was silent longest stays the first.
    for (const [i, slot] of this.order.changedAfter(0).entries()) this.order.touch(slot, positionOf(sequence, i));
  }

  /** Stores the processors' counts. The next change of the device sends them. */
  note(ledgers: DeviceLedgersReport): void {
    for (const [key, { lateApplied, lateDropped, duplicates }] of Object.entries(ledgers)) {
      const slot = this.#slotOf.get(key);
      if (slot === undefined) continue;
      this.#notes[slot] = `,"lateApplied":${lateApplied},"lateDropped":${lateDropped},"duplicates":${duplicates}`;
      this.#items[slot] = undefined;
    }
  }

  silentFromUs(slot: number): number {
    return this.#silenceOf(slot).silentFromUs;
  }

  textOf(slot: number): string {
    const position = this.order.positionOf(slot);
    const known = this.#items[slot];
    if (known?.position === position) return known.text;
    const text = this.#build(slot);
    this.#items[slot] = { text, position };
    return text;
  }

  #build(slot: number): string {
    const { seriesOf, atUsOf, valueTextOf } = this.#options;
    const ids = this.#series[slot] ?? [];
    const { device, tags } = seriesOf(ids[0] ?? -1);
    // A metric that changed its kind has several series.
    const newest = new Map<string, number>();
    for (const id of ids) {
      const { metric } = seriesOf(id);
      const known = newest.get(metric);
      if (known === undefined || atUsOf(id) >= atUsOf(known)) newest.set(metric, id);
    }
    const silence = this.#silenceOf(slot);
    const metrics = [...newest].slice(0, METRICS_PER_ITEM_MAX).map(([metric, id]) => {
      const about = this.#metricText(id, silence);
      return `${JSON.stringify(metric)}:{"atUs":${atUsOf(id)},"value":${valueTextOf(id)}${about}}`;
    });
    const omitted = newest.size - metrics.length;
    const { everyUs, goneUs, lastSeenUs, silentFromUs } = silence;
    const unwatched = ids.every((id) => this.#options.watchedOf(id) === "nothing");
    return (
      `${JSON.stringify({ device, tags }).slice(0, -1)}` +
      `,"lastSeenUs":${lastSeenUs},"silentFromUs":${silentFromUs}${goneUs === 0 ? "" : `,"goneUs":${goneUs}`}` +
      `${everyUs === undefined ? "" : `,"expectedEveryUs":${everyUs}`}${unwatched ? UNWATCHED : ""}` +
      `,"readings":${this.#readings[slot]}` +
      `,"clockAhead":${this.#clockAhead[slot]}${this.#notes[slot] ?? ""}` +
      `${omitted > 0 ? `,"metricsOmitted":${omitted}` : ""},"metrics":{${metrics.sort().join(",")}}}`
    );
  }

  /** The members of a metric that differ from the device's. A metric without a known rhythm is silent with its device. */
  #metricText(id: number, device: Silence): string {
    const { seenUsOf, rhythmOf, watchedOf } = this.#options;
    const seenUs = seenUsOf(id);
    const { everyUs, patienceUs } = rhythmOf(id);
    const ownUs = everyUs === undefined ? device.silentFromUs : Math.round(seenUs + patienceUs);
    const silentFromUs = device.goneUs === 0 ? ownUs : Math.min(ownUs, device.goneUs);
    return (
      `${seenUs === device.lastSeenUs ? "" : `,"seenUs":${seenUs}`}` +
      `${silentFromUs === device.silentFromUs ? "" : `,"silentFromUs":${silentFromUs}`}` +
      `${watchedOf(id) === "values" ? "" : UNWATCHED}`
    );
  }

  /** The fastest series that still sends decides: a device that stops is silent before its slowest series is. */
  #silenceOf(slot: number): Silence {
    const { seenUsOf, rhythmOf } = this.#options;
    const lastSeenUs = this.#lastSeenUs[slot] ?? 0;
    let fastest: Rhythm | undefined;
    let unknownUs = 0;
    for (const id of this.#series[slot] ?? []) {
      const rhythm = rhythmOf(id);
      if (rhythm.everyUs === undefined) unknownUs = Math.max(unknownUs, rhythm.patienceUs);
      else if (lastSeenUs - seenUsOf(id) > rhythm.patienceUs) continue;
      else if (fastest === undefined || rhythm.patienceUs < fastest.patienceUs) fastest = rhythm;
    }
    const goneUs = this.#goneUs[slot] ?? 0;
    const dueUs = lastSeenUs + Math.round(fastest?.patienceUs ?? unknownUs);
    const silentFromUs = goneUs === 0 ? dueUs : Math.min(dueUs, goneUs);
    return { lastSeenUs, silentFromUs, goneUs, everyUs: fastest?.everyUs };
  }

  /**
   * Devices by name and tags, from the one after `after`, as many as fit into a page; `total` counts all matching
   * devices.
   */
  list(query: { readonly matches: Matches; readonly after: string; readonly limit: number }): {
    readonly slots: readonly number[];
    readonly total: number;
    /** The place of the last device, if more follow. */
    readonly next: string | undefined;
  } {
    const places = this.#places;
    this.#listed ??= [...this.#slotOf.values()].sort((a, b) => ((places[a] ?? "") < (places[b] ?? "") ? -1 : 1));
    const matching = this.#listed.filter(query.matches);
    const behind = matching.filter((slot) => (places[slot] ?? "") > query.after);
    const slots: number[] = [];
    let bytes = 0;
    for (const slot of behind.slice(0, query.limit)) {
      slots.push(slot);
      bytes += this.textOf(slot).length;
      if (bytes > PAGE_BYTES_MAX) break;
    }
    const last = slots.at(-1);
    const next = behind.length > slots.length && last !== undefined ? places[last] : undefined;
    return { slots, total: matching.length, next };
  }

  /** Clients learn of each device that leaves. */
  lostAfter(): number {
    return 0;
  }

  /** A device matches if one of its series matches. They have the same tags, so a token shows all of them or none. */
  matcher(filter: CompiledFilter): Matches {
    const matches = this.#options.seriesMatcher(filter);
    return (slot) => (this.#series[slot] ?? []).some(matches);
  }

  #grow(): void {
    const size = this.#readings.length * 2;
    this.#readings = copied(this.#readings, size);
    this.#clockAhead = copied(this.#clockAhead, size);
    this.#lastSeenUs = copied(this.#lastSeenUs, size);
    this.#goneUs = copied(this.#goneUs, size);
  }
}

function copied(values: Float64Array<ArrayBuffer>, size: number): Float64Array<ArrayBuffer> {
  const more = new Float64Array(size);
  more.set(values);
  return more;
}

/** By name, then by tags: names have no tab, and it comes before their characters. A hash keeps long ones apart. */
function placeOf(device: string, key: string): string {
  const place = `${device}\t${key}`;
  if (place.length <= PLACE_LENGTH_MAX) return place;
  const hash = createHash("sha256").update(key).digest("base64url").slice(0, 22);
  return `${place.slice(0, PLACE_LENGTH_MAX)}...${hash}`;
}
