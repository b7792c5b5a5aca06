import type { DeviceLedgersReport } from "../../contracts/device-ledgers.ts";
import type { Series } from "../../domain/reading.ts";
import type { Watched } from "../../rule-language/spec/watchers.ts";
import { type Position, positionOf } from "../common/cursor.ts";
import type { CompiledFilter } from "../common/filter.ts";
import { ChangeOrder } from "./change-order.ts";
import type { Progress } from "./progress.ts";
import type { Rhythm } from "./rhythm.ts";
import type { Matches, StateView } from "./view.ts";

/** The most metrics that an item lists. */
const METRICS_PER_ITEM_MAX = 250;

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
  readonly permits: (id: number, filter: CompiledFilter) => boolean;
}

const UNWATCHED = ',"unwatched":true';

interface Silence {
  readonly lastSeenUs: number;
  readonly silentFromUs: number;
  readonly everyUs: number | undefined;
}

/** Each device with its tags, newest values and counts. The readings view feeds it. */
export class DevicesView implements StateView {
  readonly order = new ChangeOrder();
  readonly losses = 0;
  readonly #options: DevicesViewOptions;
  readonly #slotOf = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #series: number[][] = [];
  readonly #items: ({ text: string; position: Position } | undefined)[] = [];
  #readings = new Float64Array(64);
  #clockAhead = new Float64Array(64);
  #lastSeenUs = new Float64Array(64);
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

  get size(): number {
    return this.#names.length;
  }

  /** The slot of a device that has a new series; -1 if the view has no room for the device. */
  slotFor(device: string, seriesId: number): number {
    let slot = this.#slotOf.get(device);
    if (slot === undefined) {
      slot = this.#names.length;
      if (slot >= this.#options.devicesMax) return -1;
      this.#slotOf.set(device, slot);
      this.#names.push(device);
      this.#series.push([]);
      if (slot >= this.#readings.length) this.#grow();
    }
    this.#series[slot]?.push(seriesId);
    return slot;
  }

  /** One reading of a device. Runs for every reading. */
  count(slot: number, position: Position, receivedAtUs: number): void {
    this.#readings[slot] = (this.#readings[slot] as number) + 1;
    // A retried dead letter has its original receive time, perhaps from long ago.
    this.#lastSeenUs[slot] = Math.max(this.#lastSeenUs[slot] ?? 0, receivedAtUs);
    this.order.touch(slot, position);
  }

  countClockAhead(slot: number): void {
    this.#clockAhead[slot] = (this.#clockAhead[slot] as number) + 1;
  }

  /** Other rules watch the devices, so all items have changed. */
  watchedChanged(sequence: number): void {
    this.#items.length = 0;
    for (const slot of this.#names.keys()) this.order.touch(slot, positionOf(sequence, slot));
  }

  /** Stores the processors' counts. The next change of the device sends them. */
  note(ledgers: DeviceLedgersReport): void {
    for (const [device, { lateApplied, lateDropped, duplicates }] of Object.entries(ledgers)) {
      const slot = this.#slotOf.get(device);
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
    const all = this.#series[slot] ?? [];
    // Oldest first, so that the newest tags and values win.
    const ids = all.slice(0, METRICS_PER_ITEM_MAX).sort((a, b) => atUsOf(a) - atUsOf(b));
    const tags: Record<string, string> = {};
    const newest = new Map<string, number>();
    for (const id of ids) {
      const series = seriesOf(id);
      Object.assign(tags, series.tags);
      newest.set(series.metric, id);
    }
    const silence = this.#silenceOf(slot);
    const metrics = [...newest].map(([metric, id]) => {
      const about = this.#metricText(id, silence);
      return `${JSON.stringify(metric)}:{"atUs":${atUsOf(id)},"value":${valueTextOf(id)}${about}}`;
    });
    const { everyUs, lastSeenUs, silentFromUs } = silence;
    const unwatched = all.every((id) => this.#options.watchedOf(id) === "nothing");
    return (
      `{"device":${JSON.stringify(this.#names[slot])},"tags":${JSON.stringify(tags)}` +
      `,"lastSeenUs":${lastSeenUs},"silentFromUs":${silentFromUs}` +
      `${everyUs === undefined ? "" : `,"expectedEveryUs":${everyUs}`}${unwatched ? UNWATCHED : ""}` +
      `,"readings":${this.#readings[slot]}` +
      `,"clockAhead":${this.#clockAhead[slot]}${this.#notes[slot] ?? ""},"metrics":{${metrics.sort().join(",")}}}`
    );
  }

  /** The members of a metric that differ from the device's. A metric without a known rhythm is silent with its device. */
  #metricText(id: number, device: Silence): string {
    const { seenUsOf, rhythmOf, watchedOf } = this.#options;
    const seenUs = seenUsOf(id);
    const { everyUs, patienceUs } = rhythmOf(id);
    const silentFromUs = everyUs === undefined ? device.silentFromUs : Math.round(seenUs + patienceUs);
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
    const silentFromUs = lastSeenUs + Math.round(fastest?.patienceUs ?? unknownUs);
    return { lastSeenUs, silentFromUs, everyUs: fastest?.everyUs };
  }

  /** Devices by name, from the one after `after`; `total` counts all matching devices. */
  list(query: { readonly matches: Matches; readonly after: string; readonly limit: number }): {
    readonly slots: readonly number[];
    readonly total: number;
    /** The name of the last device, if more follow. */
    readonly next: string | undefined;
  } {
    const matching = this.#names.map((name, slot) => ({ name, slot })).filter(({ slot }) => query.matches(slot));
    const behind = matching.filter(({ name }) => name > query.after).sort((a, b) => (a.name < b.name ? -1 : 1));
    const page = behind.slice(0, query.limit);
    return {
      slots: page.map(({ slot }) => slot),
      total: matching.length,
      next: behind.length > page.length ? page.at(-1)?.name : undefined,
    };
  }

  /** The view never drops a device. */
  lostAfter(): number {
    return 0;
  }

  /** Whether a device is known and the token shows all of its series. */
  permits(device: string, filter: CompiledFilter): boolean {
    const slot = this.#slotOf.get(device);
    return slot !== undefined && this.#slotPermitted(slot, filter);
  }

  #slotPermitted(slot: number, filter: CompiledFilter): boolean {
    return (this.#series[slot] ?? []).every((id) => this.#options.permits(id, filter));
  }

  /** A device matches if one of its series matches. Its item shows all of its series, so all must be permitted. */
  matcher(filter: CompiledFilter): Matches {
    const matches = this.#options.seriesMatcher(filter);
    if (!filter.restricted) return (slot) => (this.#series[slot] ?? []).some(matches);
    return (slot) => (this.#series[slot] ?? []).some(matches) && this.#slotPermitted(slot, filter);
  }

  #grow(): void {
    const size = this.#readings.length * 2;
    this.#readings = copied(this.#readings, size);
    this.#clockAhead = copied(this.#clockAhead, size);
    this.#lastSeenUs = copied(this.#lastSeenUs, size);
  }
}

function copied(values: Float64Array<ArrayBuffer>, size: number): Float64Array<ArrayBuffer> {
  const more = new Float64Array(size);
  more.set(values);
  return more;
}
