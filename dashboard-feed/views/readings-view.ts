import { FrameReader, type LogEntry, type ReadingsEntry, SeriesTable } from "../../domain/frame-reader.ts";
import { kindOf, type Series } from "../../domain/reading.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import { readRuleSet } from "../../rule-language/spec/read-rule-set.ts";
import { type Watched, Watchers } from "../../rule-language/spec/watchers.ts";
import { type Position, positionOf, ROWS_MAX } from "../common/cursor.ts";
import { type CompiledFilter, tagOf } from "../common/filter.ts";
import { ChangeOrder } from "./change-order.ts";
import { DevicesView } from "./devices-view.ts";
import type { Progress } from "./progress.ts";
import { Removals } from "./removals.ts";
import { Arrivals } from "./rhythm.ts";
import { REMEMBERED_US, type RememberedSeries } from "./series-memory.ts";
import { type Matches, remembering, type StateView } from "./view.ts";

/** A full view evicts a series only if it was silent for this long. */
const EVICTED_AFTER_US = 3_600_000_000;
/** Each entry forgets at most this many devices, and as many as it has readings: each may be a new device... */
const DEVICES_PER_ENTRY = 256;
/** ...and checks this many series. */
const SERIES_PER_ENTRY = 8;
/** How many series, from the one that changed longest ago, are checked for one to evict. */
const EVICTION_TRIES = 8;

export interface RuleSet {
  readonly version: string;
  readonly rulesJson: string;
  readonly sequence: number;
}

export interface ReadingsViewOptions {
  readonly progress: Progress;
  readonly seriesMax: number;
  readonly devicesMax: number;
  /** A series or device was left out because it did not fit. */
  readonly onOverflow: (what: "series" | "devices") => void;
  /** A silent one made room for another. */
  readonly onEvicted: (what: "series" | "devices") => void;
}

/**
 * The newest value of each series; also feeds the devices view. The inner loop runs for every reading of the gateway,
 * so it only writes into typed arrays. An item is built when it is first sent.
 */
export class ReadingsView implements StateView {
  readonly order = new ChangeOrder();
  readonly removals = new Removals();
  readonly losses = 0;
  readonly devices: DevicesView;
  #ruleSet: RuleSet | undefined;
  #watchers = new Watchers([]);
  /** By series id; cleared with each rule set. */
  #watched: (Watched | undefined)[] = [];
  readonly #arrivals = new Arrivals();
  readonly #options: ReadingsViewOptions;
  readonly #table = new SeriesTable();
  readonly #reader = new FrameReader(this.#table);
  /** By series id: the slot of its device; -1 where the id is free, or the series did not fit. */
  #device = new Int32Array(256).fill(-1);
  /** By series id: when the log stored its last reading. */
  #heardUs = new Float64Array(256);
  #atUs = new Float64Array(256).fill(Number.NEGATIVE_INFINITY);
  #value = new Float64Array(256);
  #isText = new Uint8Array(256);
  readonly #textValue = new Map<number, string>();
  #size = 0;
  /** The last series id that was checked for silence. */
  #checked = 0;
  /** Ids that are free at the end of the entry. Before that, the entry may still name them. */
  readonly #leaving: number[] = [];
  readonly #heads: (string | undefined)[] = [];
  readonly #items: ({ text: string; position: Position } | undefined)[] = [];

  constructor(options: ReadingsViewOptions) {
    this.#options = options;
    this.devices = new DevicesView({
      progress: options.progress,
      devicesMax: options.devicesMax,
      seriesOf: (id) => this.#table.series(id),
      atUsOf: (id) => this.#atUs[id] ?? Number.NEGATIVE_INFINITY,
      seenUsOf: (id) => this.#arrivals.lastUs(id),
      rhythmOf: (id) => this.#arrivals.rhythm(id),
      watchedOf: (id) => this.#watchedOf(id),
      valueTextOf: (id) => this.#valueText(id),
      seriesMatcher: (filter) => this.matcher(filter),
    });
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

  /** The number of series. */
  get size(): number {
    return this.#size;
  }

  /** Series ids are below this. */
  get ids(): number {
    return this.#table.size;
  }

  get ruleSet(): RuleSet | undefined {
    return this.#ruleSet;
  }

  /** Puts a rule set in force. Rules that this version cannot read watch nothing here. */
  useRuleSet(ruleSet: RuleSet): void {
    const isSame = ruleSet.rulesJson === this.#ruleSet?.rulesJson;
    this.#ruleSet = ruleSet;
    if (isSame) return;
    const read = readRuleSet(ruleSet.rulesJson);
    this.#watchers = new Watchers(read.ok ? read.specs : []);
    this.#watched = [];
    this.devices.watchedChanged(ruleSet.sequence);
  }

  #watchedOf(id: number): Watched {
    const watched = this.#watched[id] ?? this.#watchers.of(this.#table.series(id));
    this.#watched[id] = watched;
    return watched;
  }

  /** Throws BadFrameError when the message is not a log entry. The view is then unchanged. */
  apply(message: LogMessage): LogEntry["kind"] {
    const entry = this.#reader.read(message.payload);
    this.#forgetSilent(message, DEVICES_PER_ENTRY + (entry.kind === "readings" ? entry.count : 0));
    if (entry.kind === "readings") this.#applyReadings(entry, message);
    else if (entry.kind === "rule_set") {
      this.useRuleSet({ version: entry.version, rulesJson: entry.rulesJson, sequence: message.sequence });
    } else if (entry.kind === "gone") this.devices.leave(entry.devices, message);
    this.#releaseIds();
    return entry.kind;
  }

  /** Series of an earlier life of a feed. The log has not been read yet. */
  restore(all: Iterable<RememberedSeries>): void {
    let row = 0;
    // The ones that were silent longest come first, as if the log had been read.
    for (const { device, metric, tags, atUs, value, seenUs, everyUs } of [...all].sort((a, b) => a.seenUs - b.seenUs)) {
      const id = this.#table.idOf({ device, metric, tags, kind: kindOf(value) });
      if (id >= this.#device.length) this.#grow(id);
      const slot = this.#slotFor(id, { position: 0, nowUs: 0 });
      if (slot < 0 || atUs <= (this.#atUs[id] as number)) continue;
      const position = positionOf(0, ++row);
      this.#atUs[id] = atUs;
      this.#heardUs[id] = seenUs;
      this.#value[id] = typeof value === "string" ? 0 : Number(value);
      if (typeof value === "string") this.#textValue.set(id, value);
      this.#arrivals.restore(id, { seenUs, everyUs });
      this.devices.restore(slot, seenUs, position);
      this.order.touch(id, position);
    }
    this.#releaseIds();
  }

  /** The newest reading of each series, for the next start. */
  *remembered(): Iterable<RememberedSeries> {
    for (let id = 0; id < this.#table.size; id++) {
      const atUs = this.#atUs[id] as number;
      if ((this.#device[id] ?? -1) < 0 || atUs === Number.NEGATIVE_INFINITY) continue;
      const { device, metric, tags, kind } = this.#table.series(id);
      const figure = this.#value[id] as number;
      const value = kind === "string" ? (this.#textValue.get(id) ?? "") : kind === "boolean" ? figure !== 0 : figure;
      const { everyUs } = this.#arrivals.rhythm(id);
      yield { device, metric, tags, atUs, value, seenUs: this.#arrivals.lastUs(id), everyUs };
    }
  }

  #applyReadings(entry: ReadingsEntry, { sequence, storedAtUs }: LogMessage): void {
    const { count, seriesId, atUs, values, texts, receivedAtUs } = entry;
    const { devices, order } = this;
    const base = positionOf(sequence, 0);
    for (let row = 0; row < count; row++) {
      const id = seriesId[row] as number;
      if (id >= this.#device.length) this.#grow(id);
      const position = base + Math.min(row, ROWS_MAX - 1);
      let device = this.#device[id] as number;
      if (device < 0) device = this.#slotFor(id, { position, nowUs: storedAtUs });
      if (device < 0) continue;
      this.#heardUs[id] = storedAtUs;
      devices.count(device, position, receivedAtUs);
      this.#arrivals.note(id, receivedAtUs);
      const at = atUs[row] as number;
      // Late and duplicate readings change nothing here.
      if (at <= (this.#atUs[id] as number)) continue;
      this.#atUs[id] = at;
      this.#value[id] = values[row] as number;
      // The texts are only valid until the next frame is read.
      if (this.#isText[id] === 1) this.#textValue.set(id, texts[values[row] as number] ?? "");
      order.touch(id, position);
    }
    for (const row of entry.clockAhead) {
      const device = this.#device[seriesId[row] as number] as number;
      if (device >= 0) devices.countClockAhead(device);
    }
  }

  /** The slot of the device of a series that has none yet; -1 if there is no room. Silent ones make room. */
  #slotFor(id: number, at: { readonly position: Position; readonly nowUs: number }): number {
    const known = this.#device[id] as number;
    if (known >= 0) return known;
    const { seriesMax, onOverflow } = this.#options;
    const series = this.#table.series(id);
    const overflow =
      !this.devices.hasRoomFor(series) && !this.#evictDevice(at)
        ? "devices"
        : this.#size >= seriesMax && !this.#evictSeries(at)
          ? "series"
          : undefined;
    const device = overflow === undefined ? this.devices.slotFor(series, id) : -1;
    if (device < 0) {
      onOverflow(overflow ?? "devices");
      // It may fit when it is heard again.
      this.#leaving.push(id);
      return -1;
    }
    this.#size++;
    this.#device[id] = device;
    this.#isText[id] = series.kind === "string" ? 1 : 0;
    return device;
  }

  #evictDevice({ position, nowUs }: { readonly position: Position; readonly nowUs: number }): boolean {
    const slot = this.devices.order.first;
    if (slot < 0 || this.#deviceHeardUs(slot) > nowUs - EVICTED_AFTER_US) return false;
    this.#removeDevice(slot, position);
    this.#options.onEvicted("devices");
    return true;
  }

  /** Evicts the whole device if all of it is silent. */
  #evictSeries({ position, nowUs }: { readonly position: Position; readonly nowUs: number }): boolean {
    const sinceUs = nowUs - EVICTED_AFTER_US;
    let id = this.order.first;
    // A series that sends only late readings is among the first, but not silent.
    for (let i = 0; i < EVICTION_TRIES && id >= 0; i++, id = this.order.next(id)) {
      if ((this.#heardUs[id] as number) > sinceUs) continue;
      const device = this.#device[id] as number;
      if (this.#deviceHeardUs(device) <= sinceUs) this.#removeDevice(device, position);
      else this.#removeSeries(id, position);
      this.#options.onEvicted("series");
      return true;
    }
    return false;
  }

  /**
   * By the time of the log. The first device in the order of changes was silent longest. Silent series of devices that
   * speak are found by checking a few series with each entry.
   */
  #forgetSilent({ sequence, storedAtUs }: LogMessage, devicesMax: number): void {
    const position = positionOf(sequence, 0);
    const sinceUs = storedAtUs - REMEMBERED_US;
    for (let i = 0; i < devicesMax; i++) {
      const slot = this.devices.order.first;
      if (slot < 0 || this.#deviceHeardUs(slot) >= sinceUs) break;
      this.#removeDevice(slot, position);
    }
    for (let i = 0; i < SERIES_PER_ENTRY; i++) {
      this.#checked = this.#checked + 1 < this.#device.length ? this.#checked + 1 : 0;
      const id = this.#checked;
      if ((this.#device[id] as number) >= 0 && (this.#heardUs[id] as number) < sinceUs)
        this.#removeSeries(id, position);
    }
  }

  #deviceHeardUs(slot: number): number {
    let heardUs = 0;
    for (const id of this.devices.seriesIn(slot)) heardUs = Math.max(heardUs, this.#heardUs[id] as number);
    return heardUs;
  }

  #removeDevice(slot: number, position: Position): void {
    const ids = this.devices.seriesIn(slot);
    this.devices.remove(slot, position);
    for (const id of ids) this.#clear(id, position);
  }

  #removeSeries(id: number, position: Position): void {
    const slot = this.#device[id] as number;
    if (this.devices.seriesIn(slot).length === 1) this.devices.remove(slot, position);
    else this.devices.removeSeries(slot, id, position);
    this.#clear(id, position);
  }

  #clear(id: number, position: Position): void {
    const series = this.#table.series(id);
    const { device, metric, tags } = series;
    this.removals.add({ slot: id, position, text: JSON.stringify({ device, metric, tags }), series: [series] });
    this.order.remove(id);
    // Items do not name the kind: clients get the series of another kind again.
    for (const other of this.#table.otherKinds(id)) {
      if ((this.#device[other] ?? -1) >= 0 && this.order.positionOf(other) > 0) this.order.touch(other, position);
    }
    this.#size--;
    this.#device[id] = -1;
    this.#heardUs[id] = 0;
    this.#atUs[id] = Number.NEGATIVE_INFINITY;
    this.#textValue.delete(id);
    this.#watched[id] = undefined;
    this.#heads[id] = undefined;
    this.#items[id] = undefined;
    this.#arrivals.forget(id);
    this.#leaving.push(id);
  }

  /** An id whose series was heard again in the same entry stays. */
  #releaseIds(): void {
    for (const id of this.#leaving) if ((this.#device[id] as number) < 0) this.#table.release(id);
    this.#leaving.length = 0;
  }

  #grow(id: number): void {
    const size = Math.max(this.#device.length * 2, id + 1);
    const device = new Int32Array(size).fill(-1);
    device.set(this.#device);
    this.#device = device;
    const heardUs = new Float64Array(size);
    heardUs.set(this.#heardUs);
    this.#heardUs = heardUs;
    const atUs = new Float64Array(size).fill(Number.NEGATIVE_INFINITY);
    atUs.set(this.#atUs);
    this.#atUs = atUs;
    const value = new Float64Array(size);
    value.set(this.#value);
    this.#value = value;
    const isText = new Uint8Array(size);
    isText.set(this.#isText);
    this.#isText = isText;
  }

  textOf(id: number): string {
    const position = this.order.positionOf(id);
    const known = this.#items[id];
    if (known?.position === position) return known.text;
    const text = `${this.#headOf(id)}${this.#atUs[id]},"value":${this.#valueText(id)}}`;
    this.#items[id] = { text, position };
    return text;
  }

  /** The beginning of a series' item, which never changes. */
  #headOf(id: number): string {
    const known = this.#heads[id];
    if (known !== undefined) return known;
    const { device, metric, tags } = this.#table.series(id);
    const head = `${JSON.stringify({ device, metric, tags }).slice(0, -1)},"atUs":`;
    this.#heads[id] = head;
    return head;
  }

  #valueText(id: number): string {
    const value = this.#value[id] ?? 0;
    switch (this.#table.series(id).kind) {
      case "number":
        return JSON.stringify(value);
      case "boolean":
        return value === 0 ? "false" : "true";
      case "string":
        return JSON.stringify(this.#textValue.get(id) ?? "");
    }
  }

  /** A slot is a series, whose labels never change while it stays. */
  groupOf = (slot: number): number => slot;

  /** Clients learn of each series that leaves. */
  lostAfter(): number {
    return 0;
  }

  matcher(filter: CompiledFilter): Matches {
    return remembering((id) => filter.matches(labelOf(this.#table.series(id))), this.removals);
  }
}

/** The labels of a series by name, for filters. */
export function labelOf(series: Series): (name: string) => string {
  return (name) => {
    if (name === "device") return series.device;
    if (name === "metric") return series.metric;
    return tagOf(series.tags, name);
  };
}
