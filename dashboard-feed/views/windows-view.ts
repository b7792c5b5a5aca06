import { type WindowResult, windowKey } from "../../domain/window-result.ts";
import { decodeWindows } from "../../domain/windows-codec.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import { endOf, type Position, positionOf } from "../common/cursor.ts";
import { type CompiledFilter, tagOf } from "../common/filter.ts";
import { ChangeOrder } from "./change-order.ts";
import type { Progress } from "./progress.ts";
import { Removals } from "./removals.ts";
import { REMEMBERED_US } from "./series-memory.ts";
import { type Matches, remembering, type StateView } from "./view.ts";

export interface WindowsViewOptions {
  readonly progress: Progress;
  /** How many of the newest windows of each rule and group are kept. */
  readonly windowsPerSeries: number;
  /** The limit for the windows of all series together. Beyond it, the windows that changed longest ago are dropped. */
  readonly windowsMax: number;
  /** A frame, or a part of one, arrived again and was skipped. */
  readonly onRepeat: () => void;
}

/** The last windows that were dropped. A client that has not seen them gets a gap. */
const LOST_MAX = 4_096;
/** Each frame forgets at most this many windows, and as many as it has. */
const FORGOTTEN_PER_FRAME = 256;

interface Kept {
  readonly result: WindowResult;
  readonly series: number;
  /** When the log stored it. */
  readonly storedAtUs: number;
  text: string | undefined;
}

interface WindowSeries {
  readonly id: number;
  readonly sample: WindowResult;
  /** Slots by the start of their window, oldest first. */
  readonly slots: number[];
}

/** The newest revision of the last windows of each rule and group. */
export class WindowsView implements StateView {
  readonly order = new ChangeOrder();
  /** Series without windows. Their numbers go to others. Clients keep the windows that they have. */
  readonly removals = new Removals();
  readonly #options: WindowsViewOptions;
  readonly #seriesOfKey = new Map<string, WindowSeries>();
  readonly #series = new Map<number, WindowSeries>();
  readonly #kept: (Kept | undefined)[] = [];
  readonly #free: number[] = [];
  /** The newest applied part of each partition. */
  readonly #applied = new Map<number, { lastInput: number; part: number }>();
  readonly #lost: { readonly position: Position; readonly sample: WindowResult }[] = [];
  #losses = 0;
  /** Every loss after this position is listed. */
  #lostKnownFrom: Position = 0;
  #nextSeries = 0;
  readonly #freeSeries: number[] = [];

  constructor(options: WindowsViewOptions) {
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

  /** Throws when the message is not a frame of windows. The view is then unchanged. */
  apply(message: LogMessage): void {
    const frame = decodeWindows(message.payload);
    const applied = this.#applied.get(frame.partition);
    if (applied !== undefined) {
      const { lastInput, part } = applied;
      if (frame.lastInput < lastInput || (frame.lastInput === lastInput && frame.part <= part)) {
        this.#options.onRepeat();
        return;
      }
    }
    this.#applied.set(frame.partition, { lastInput: frame.lastInput, part: frame.part });
    let series: WindowSeries | undefined;
    for (const [row, result] of frame.results.entries()) {
      // The rows of a group share one object of labels.
      if (series === undefined || series.sample.labels !== result.labels || series.sample.rule !== result.rule) {
        series = this.#seriesFor(result);
      }
      this.#put(series, result, { position: positionOf(message.sequence, row), storedAtUs: message.storedAtUs });
    }
    this.#forgetOld(message, FORGOTTEN_PER_FRAME + frame.results.length);
  }

  /** By the time of the log. */
  #forgetOld({ sequence, storedAtUs }: LogMessage, windowsMax: number): void {
    const sinceUs = storedAtUs - REMEMBERED_US;
    for (let i = 0; i < windowsMax; i++) {
      const kept = this.#kept[this.order.first];
      if (kept === undefined || kept.storedAtUs >= sinceUs) return;
      this.#drop(this.order.first, endOf(sequence));
    }
  }

  #seriesFor(result: WindowResult): WindowSeries {
    const key = windowKey(result);
    let series = this.#seriesOfKey.get(key);
    if (series === undefined) {
      series = { id: this.#freeSeries.pop() ?? this.#nextSeries++, sample: result, slots: [] };
      this.#seriesOfKey.set(key, series);
      this.#series.set(series.id, series);
    }
    return series;
  }

  #put(
    series: WindowSeries,
    result: WindowResult,
    { position, storedAtUs }: { readonly position: Position; readonly storedAtUs: number },
  ): void {
    const { slots } = series;
    let at = slots.length;
    while (at > 0 && this.#startOf(slots[at - 1]) > result.startUs) at--;
    const before = slots[at - 1];
    if (before !== undefined && this.#startOf(before) === result.startUs) {
      if ((this.#kept[before]?.result.revision ?? 0) > result.revision) return;
      this.#kept[before] = { result, series: series.id, storedAtUs, text: undefined };
      this.order.touch(before, position);
      return;
    }
    if (at === 0 && slots.length >= this.#options.windowsPerSeries) {
      // It is older than every kept window, so it is not among the newest.
      this.#lose(position, result);
      return;
    }
    const slot = this.#free.pop() ?? this.#kept.length;
    this.#kept[slot] = { result, series: series.id, storedAtUs, text: undefined };
    this.order.touch(slot, position);
    slots.splice(at, 0, slot);
    if (slots.length > this.#options.windowsPerSeries) this.#drop(slots[0] as number, position);
    if (this.order.size > this.#options.windowsMax) this.#drop(this.order.first, position);
  }

  #startOf(slot: number | undefined): number {
    return (slot === undefined ? undefined : this.#kept[slot])?.result.startUs ?? Number.NEGATIVE_INFINITY;
  }

  #drop(slot: number, position: Position): void {
    const kept = this.#kept[slot];
    if (kept === undefined) return;
    this.#lose(this.order.positionOf(slot), kept.result);
    this.order.remove(slot);
    this.#kept[slot] = undefined;
    this.#free.push(slot);
    const series = this.#series.get(kept.series);
    if (series === undefined) return;
    series.slots.splice(series.slots.indexOf(slot), 1);
    if (series.slots.length > 0) return;
    this.#series.delete(series.id);
    this.#seriesOfKey.delete(windowKey(series.sample));
    this.#freeSeries.push(series.id);
    this.removals.add({ slot: series.id, position, text: "", series: [] });
  }

  #lose(position: Position, sample: WindowResult): void {
    this.#options.progress.forget(position);
    const at = this.#losses % LOST_MAX;
    const before = this.#lost[at];
    if (before !== undefined && before.position > this.#lostKnownFrom) this.#lostKnownFrom = before.position;
    this.#lost[at] = { position, sample };
    this.#losses++;
  }

  groupOf = (slot: number): number => this.#kept[slot]?.series ?? -1;

  get losses(): number {
    return this.#losses;
  }

  lostAfter(since: { readonly position: Position; readonly losses: number }, filter: CompiledFilter): number {
    const listedFrom = Math.max(0, this.#losses - LOST_MAX);
    if (since.losses < listedFrom && since.position < this.#lostKnownFrom) return -1;
    let count = 0;
    for (let i = Math.max(listedFrom, since.losses); i < this.#losses; i++) {
      const lost = this.#lost[i % LOST_MAX];
      if (lost !== undefined && lost.position > since.position && filter.matches(labelOf(lost.sample))) count++;
    }
    return count;
  }

  textOf(slot: number): string {
    const kept = this.#kept[slot];
    if (kept === undefined) throw new RangeError(`no window in slot ${slot}`);
    kept.text ??= JSON.stringify(kept.result);
    return kept.text;
  }

  matcher(filter: CompiledFilter): Matches {
    const matches = remembering((id) => {
      const sample = this.#series.get(id)?.sample;
      return sample !== undefined && filter.matches(labelOf(sample));
    }, this.removals);
    return (slot) => {
      const kept = this.#kept[slot];
      return kept !== undefined && matches(kept.series);
    };
  }
}

function labelOf(result: WindowResult): (name: string) => string {
  return (name) => (name === "rule" ? result.rule : tagOf(result.labels, name));
}
