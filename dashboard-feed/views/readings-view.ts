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
import { Arrivals } from "./rhythm.ts";
import type { RememberedSeries } from "./series-memory.ts";
import { type Matches, remembering, type StateView } from "./view.ts";

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
}

/**
 * The newest value of each series; also feeds the devices view. The inner loop runs for every reading of the gateway,
 * so it only writes into typed arrays. An item is built when it is first sent.
 */
export class ReadingsView implements StateView {
  readonly order = new ChangeOrder();
  readonly losses = 0;
  readonly devices: DevicesView;
  #ruleSet: RuleSet | undefined;
  #watchers = new Watchers([]);
  /** By series id; cleared with each rule set. */
  #watched: Watched[] = [];
  readonly #arrivals = new Arrivals();
  readonly #options: ReadingsViewOptions;
  readonly #table = new SeriesTable();
  readonly #reader = new FrameReader(this.#table);
  /** By series id. */
  #device = new Int32Array(256);
  #atUs = new Float64Array(256).fill(Number.NEGATIVE_INFINITY);
  #value = new Float64Array(256);
  #isText = new Uint8Array(256);
  readonly #textValue = new Map<number, string>();
  /** Series with ids below this are known; the others are new. */
  #known = 0;
  readonly #heads: string[] = [];
  readonly #items: { text: string; position: Position }[] = [];

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
    if (entry.kind === "readings") this.#applyReadings(entry, message.sequence);
    else if (entry.kind === "rule_set") {
      this.useRuleSet({ version: entry.version, rulesJson: entry.rulesJson, sequence: message.sequence });
    }
    return entry.kind;
  }

  /** Series of an earlier life of a feed. The log has not been read yet. */
  restore(all: Iterable<RememberedSeries>): void {
    for (const { device, metric, tags, atUs, value, seenUs, everyUs } of all) {
      const id = this.#table.idOf({ device, metric, tags, kind: kindOf(value) });
      if (id >= this.#known) this.#learn(id);
      const slot = this.#device[id] as number;
      if (slot < 0 || atUs <= (this.#atUs[id] as number)) continue;
      this.#atUs[id] = atUs;
      this.#value[id] = typeof value === "string" ? 0 : Number(value);
      if (typeof value === "string") this.#textValue.set(id, value);
      this.#arrivals.restore(id, { seenUs, everyUs });
      this.devices.restore(slot, seenUs);
      this.order.touch(id, positionOf(0, id + 1));
    }
  }

  /** The newest reading of each series, for the next start. */
  *remembered(): Iterable<RememberedSeries> {
    for (let id = 0; id < this.#known; id++) {
      const atUs = this.#atUs[id] as number;
      if ((this.#device[id] as number) < 0 || atUs === Number.NEGATIVE_INFINITY) continue;
      const { device, metric, tags, kind } = this.#table.series(id);
      const figure = this.#value[id] as number;
      const value = kind === "string" ? (this.#textValue.get(id) ?? "") : kind === "boolean" ? figure !== 0 : figure;
      const { everyUs } = this.#arrivals.rhythm(id);
      yield { device, metric, tags, atUs, value, seenUs: this.#arrivals.lastUs(id), everyUs };
    }
  }

  #applyReadings(entry: ReadingsEntry, sequence: number): void {
    const { count, seriesId, atUs, values, texts, receivedAtUs } = entry;
    const { devices, order } = this;
    const base = positionOf(sequence, 0);
    for (let row = 0; row < count; row++) {
      const id = seriesId[row] as number;
      if (id >= this.#known) this.#learn(id);
      const device = this.#device[id] as number;
      if (device < 0) continue;
      const position = base + Math.min(row, ROWS_MAX - 1);
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

  #learn(id: number): void {
    for (; this.#known <= id; this.#known++) {
      if (this.#known >= this.#device.length) this.#grow();
      this.#device[this.#known] = this.#deviceOfNew(this.#known);
      this.#isText[this.#known] = this.#table.series(this.#known).kind === "string" ? 1 : 0;
    }
  }

  #deviceOfNew(id: number): number {
    if (id >= this.#options.seriesMax) {
      this.#options.onOverflow("series");
      return -1;
    }
    const device = this.devices.slotFor(this.#table.series(id), id);
    if (device < 0) this.#options.onOverflow("devices");
    return device;
  }

  #grow(): void {
    const size = this.#device.length * 2;
    const device = new Int32Array(size);
    device.set(this.#device);
    this.#device = device;
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

  /** A slot is a series, whose labels never change. */
  groupOf = (slot: number): number => slot;

  /** The view never drops a series. */
  lostAfter(): number {
    return 0;
  }

  matcher(filter: CompiledFilter): Matches {
    return remembering((id) => filter.matches(labelOf(this.#table.series(id))));
  }
}

function labelOf(series: Series): (name: string) => string {
  return (name) => {
    if (name === "device") return series.device;
    if (name === "metric") return series.metric;
    return tagOf(series.tags, name);
  };
}
