import type { ReadingsEntry, SeriesTable } from "../domain/frame-reader.ts";
import { FrameSeries, FrameWriter } from "../domain/frame-writer.ts";
import type { ReadingValue, Series } from "../domain/reading.ts";
import { sourceSequenceOf, withSourceSequence } from "../domain/source-sequence.ts";
import { groupsSubject } from "../domain/subjects.ts";
import { compileRules } from "../engine/rules/compile.ts";
import type { Rule } from "../engine/rules/rule.ts";
import { isOverDevices, shareOf } from "../engine/tasks/shares.ts";
import type { Log } from "../platform/log/port.ts";
import { groupingOf, groupLabels } from "../rule-language/spec/grouping.ts";
import type { RuleSpec } from "../rule-language/spec/rule-spec.ts";
import { Pump } from "./pump.ts";

export interface ForwarderOptions {
  readonly log: Log;
  /** The partition to read. */
  readonly partition: number;
  /** Equal to the number of partitions. */
  readonly shares: number;
  /** The table that the entries are read with. */
  readonly table: SeriesTable;
  readonly onForwarded: (readings: number) => void;
}

/**
 * Forwards a partition's readings to the shares whose rules group over several devices: in the order of the log, each
 * reading to a share once. A frame says which entry it reaches and is appended behind the one before it
 * (compare-and-set; each subject has this one source). So entries that a replay forwards again are recognised.
 */
export class GroupForwarder {
  readonly #options: ForwarderOptions;
  readonly #lanes: Lane[];
  #rules: readonly Rule[] = [];
  /** By series: where its readings go; undefined until the series appears under these rules. */
  #places: (readonly Place[] | undefined)[] = [];
  #open = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#lanes = Array.from({ length: options.shares }, (_, share) => new Lane(options, share));
  }

  /** Whether `open` must be called before the next `push`. */
  get mustOpen(): boolean {
    return !this.#open && this.#rules.length > 0;
  }

  /** Whether a rule in force groups over several devices. */
  get forwards(): boolean {
    return this.#rules.length > 0;
  }

  /** Readings that wait to be forwarded. */
  get waiting(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.waiting, 0);
  }

  /** Sets the rules in force from now on; rules within a device are ignored. */
  setRules(specs: readonly RuleSpec[]): void {
    this.#rules = compileRules(specs.filter(isOverDevices)).rules;
    this.#places = [];
  }

  /** Reads which input each share has reached. */
  async open(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.open()));
    this.#open = true;
  }

  push(input: number, entry: ReadingsEntry, storedAtUs: number): void {
    if (this.#rules.length === 0) return;
    const { count, seriesId, atUs } = entry;
    const ahead = new Set(entry.clockAhead);
    for (let i = 0; i < count; i++) {
      const id = seriesId[i] as number;
      const places = this.#places[id] ?? this.#resolve(id);
      for (const { lane, series } of places) {
        if (input <= lane.reached) continue;
        lane.begin(input, entry.receivedAtUs);
        lane.add(series, atUs[i] as number, readingValue(entry, i, series.series), ahead.has(i));
        if ((atUs[i] as number) > storedAtUs) lane.noteAhead((atUs[i] as number) - storedAtUs);
      }
    }
    for (const lane of this.#lanes) lane.end(input);
  }

  /** The id can belong to another series from now on. */
  forget(id: number): void {
    this.#places[id] = undefined;
  }

  /** Resolves when everything pushed so far is in the log; rejects when forwarding failed. */
  async drain(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.drain()));
  }

  #resolve(id: number): readonly Place[] {
    const { table, shares } = this.#options;
    const series = table.series(id);
    // Texts go along even if rules read only numbers: a number at the time of a text is a duplicate.
    const anyKind: Series = { ...series, kind: "number" };
    const wanting = this.#rules.filter(({ inputs }) => inputs.some(({ selector }) => selector.matches(anyKind)));
    const found = new Set(wanting.map(({ spec }) => shareOf(groupLabels(groupingOf(spec), series), shares)));
    const places = [...found].map((share) => ({ lane: this.#lanes[share] as Lane, series: new FrameSeries(series) }));
    this.#places[id] = places;
    return places;
  }
}

interface Place {
  readonly lane: Lane;
  /** One for each lane: it keeps its index in the lane's open frame. */
  readonly series: FrameSeries;
}

interface Frame {
  readonly payload: Uint8Array;
  readonly readings: number;
}

/** The path from a partition to a share. */
class Lane {
  readonly #options: ForwarderOptions;
  readonly #subject: string;
  readonly #bytesMax: number;
  readonly #writer = new FrameWriter();
  readonly #pump = new Pump(() => this.#sendNext());
  readonly #full: Frame[] = [];
  #receivedAtUs = 0;
  #lastInput = 0;
  #fresh = 0;
  #reached = 0;
  #subjectSequence = 0;

  constructor(options: ForwarderOptions, share: number) {
    this.#options = options;
    this.#subject = groupsSubject(share, options.partition);
    // Entries are never split. An entry of the readings log fills at most three quarters of a message, so it still
    // fits after this.
    this.#bytesMax = options.log.payloadBytesMax / 8;
  }

  async open(): Promise<void> {
    const last = await this.#options.log.lastFor("GROUPS", this.#subject);
    if (last === undefined) return;
    this.#subjectSequence = last.sequence;
    this.#reached = sourceSequenceOf(last.payload);
  }

  /** An earlier life has forwarded the inputs up to here. */
  get reached(): number {
    return this.#reached;
  }

  get waiting(): number {
    return this.#pump.waiting;
  }

  begin(input: number, receivedAtUs: number): void {
    if (this.#writer.count > 0 && this.#lastInput < input && this.#writer.bytes >= this.#bytesMax) this.#closeFrame();
    if (this.#writer.count === 0) this.#receivedAtUs = receivedAtUs;
    this.#lastInput = input;
  }

  add(series: FrameSeries, atUs: number, value: ReadingValue, clockAhead: boolean): void {
    this.#writer.addTo(series, atUs, value, clockAhead);
    this.#fresh++;
  }

  /** The reading added last was observed after it was stored, which the share's log would not show. */
  noteAhead(aheadUs: number): void {
    this.#writer.noteAhead(aheadUs);
  }

  /** Sends only whole inputs: the frame says which input it reaches. */
  end(input: number): void {
    if (this.#lastInput !== input || this.#fresh === 0) return;
    const fresh = this.#fresh;
    this.#fresh = 0;
    this.#pump.take(fresh);
  }

  async drain(): Promise<void> {
    await this.#pump.drain();
  }

  #closeFrame(): void {
    const readings = this.#writer.count;
    const payload = withSourceSequence(this.#writer.finish(this.#receivedAtUs), this.#lastInput);
    this.#full.push({ payload, readings });
  }

  async #sendNext(): Promise<number> {
    if (this.#full.length === 0) this.#closeFrame();
    const frame = this.#full.shift();
    if (frame === undefined) return 0;
    const { log, onForwarded } = this.#options;
    const { sequence } = await log.append({
      subject: this.#subject,
      payload: frame.payload,
      expectLastSubjectSequence: this.#subjectSequence,
    });
    this.#subjectSequence = sequence;
    onForwarded(frame.readings);
    return frame.readings;
  }
}

function readingValue(entry: ReadingsEntry, i: number, series: Series): ReadingValue {
  const value = entry.values[i] as number;
  if (series.kind === "number") return value;
  return series.kind === "boolean" ? value === 1 : (entry.texts[value] as string);
}
