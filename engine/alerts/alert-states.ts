import type { AlertState } from "../../domain/alert.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import { type Flapping, Flaps } from "./flaps.ts";

const INACTIVE = 0;
const PENDING = 1;
const FIRING = 2;

const STATE = 0;
const ACTIVE_AT = 1;
/** Since when `clear` has held; NaN while it does not. */
const CLEAR_SINCE = 2;
/** End of the newest window that was looked at. */
const SEEN_END = 3;
const LAST_VALUE = 4;
const STRIDE = 5;

const NAMES: readonly AlertState[] = ["inactive", "pending", "firing"];

/** A step from one state to another. `resolved` is told once; the state is then inactive. */
export interface Transition {
  readonly from: AlertState;
  readonly state: AlertState;
  readonly activeAtUs: number;
  /** Whether the alert is, or was until now. */
  readonly isFlapping: boolean;
}

/** A window's end and the value that it told. */
export interface Looked {
  readonly endUs: number;
  readonly value: number | string;
}

/** What the conditions say of it. */
export interface Judged extends Looked {
  readonly holds: boolean;
  /** Whether the alert may end. */
  readonly clears: boolean;
}

export interface Patience {
  readonly forUs: number;
  readonly keepFiringForUs: number;
  /** Undefined: however often it comes and goes. */
  readonly flapping: Flapping | undefined;
}

/**
 * The alert state of each key of a rule: inactive -> pending -> firing -> resolved. It moves only when a window
 * closes, in event time: a window's end is the instant at which its condition is known.
 */
export class AlertStates {
  #cells = new Float64Array(0);
  /** Last values that are texts, by key. */
  readonly #texts = new Map<number, string>();
  readonly #flaps = new Flaps();

  isActive(key: number): boolean {
    const o = key * STRIDE;
    return o < this.#cells.length && this.#cells[o + STATE] !== INACTIVE;
  }

  /** What the newest window that was looked at said: its end and its value. */
  last(key: number): { readonly endUs: number; readonly value: number | string } {
    const o = key * STRIDE;
    const value = this.#texts.get(key) ?? this.#cells[o + LAST_VALUE] ?? Number.NaN;
    return { endUs: this.#cells[o + SEEN_END] ?? Number.NEGATIVE_INFINITY, value };
  }

  /** Looks at a closed window. One older than the newest that was looked at changes nothing. */
  look(key: number, patience: Patience, window: Judged): Transition | undefined {
    const { forUs } = patience;
    const o = this.#at(key);
    const cells = this.#cells;
    const { endUs } = window;
    if (endUs <= (cells[o + SEEN_END] as number)) return undefined;
    this.#remember(key, window);
    switch (cells[o + STATE]) {
      case INACTIVE:
        if (!window.holds) return undefined;
        cells[o + ACTIVE_AT] = endUs;
        return forUs === 0 ? this.#fire(key, patience, endUs) : this.#move(o, PENDING);
      case PENDING:
        if (!window.holds) return this.#move(o, INACTIVE);
        return endUs - (cells[o + ACTIVE_AT] as number) >= forUs ? this.#fire(key, patience, endUs) : undefined;
      default:
        return this.#lookFiring(key, patience, window);
    }
  }

  /** Fires at once, or resolves unless it is flapping, whatever was looked at before. */
  set(key: number, patience: Patience, window: Looked & { readonly isFiring: boolean }): Transition | undefined {
    const o = this.#at(key);
    if (this.isActive(key)) {
      if (!window.isFiring) this.#remember(key, window);
      return this.#lookFiring(key, patience, { ...window, clears: !window.isFiring });
    }
    if (!window.isFiring) return undefined;
    this.#remember(key, window);
    this.#cells[o + ACTIVE_AT] = window.endUs;
    return this.#fire(key, patience, window.endUs);
  }

  /** The rule counts no changes any more. */
  forgetFlapping(): void {
    this.#flaps.forgetAll();
  }

  /** Takes the state of another's key over. */
  adopt(key: number, from: AlertStates, fromKey: number): void {
    const o = this.#at(key);
    const other = from.#at(fromKey);
    this.#cells.set(from.#cells.subarray(other, other + STRIDE), o);
    const text = from.#texts.get(fromKey);
    if (text !== undefined) this.#texts.set(key, text);
    this.#flaps.adopt(key, from.#flaps, fromKey);
  }

  /** Ends what is open, for a rule that is going away. */
  end(key: number): Transition | undefined {
    if (!this.isActive(key)) return undefined;
    const isFlapping = this.#flaps.isFlapping(key);
    this.#flaps.forget(key);
    return this.#move(this.#at(key), INACTIVE, isFlapping);
  }

  snapshot(to: SnapshotWriter): void {
    to.doubles(this.#cells);
    to.number(this.#texts.size);
    for (const [key, text] of this.#texts) {
      to.number(key);
      to.text(text);
    }
    this.#flaps.snapshot(to);
  }

  restore(from: SnapshotReader): void {
    this.#cells = from.doubles();
    for (let left = from.number(); left > 0; left--) this.#texts.set(from.number(), from.text());
    this.#flaps.restore(from);
  }

  #remember(key: number, { endUs, value }: Looked): void {
    const o = key * STRIDE;
    this.#cells[o + SEEN_END] = endUs;
    if (typeof value === "string") this.#texts.set(key, value);
    else {
      this.#cells[o + LAST_VALUE] = value;
      if (this.#texts.size > 0) this.#texts.delete(key);
    }
  }

  /** Where the key's cells begin; those of a new key are made. */
  #at(key: number): number {
    const o = key * STRIDE;
    if (o >= this.#cells.length) {
      const more = new Float64Array(Math.max(o + STRIDE, Math.ceil((this.#cells.length / STRIDE) * 1.5) * STRIDE));
      more.set(this.#cells);
      for (let at = this.#cells.length; at < more.length; at += STRIDE) {
        more[at + CLEAR_SINCE] = Number.NaN;
        more[at + SEEN_END] = Number.NEGATIVE_INFINITY;
      }
      this.#cells = more;
    }
    return o;
  }

  #fire(key: number, { flapping }: Patience, endUs: number): Transition {
    const isFlapping = flapping !== undefined && this.#flaps.count(key, endUs, flapping);
    return this.#move(this.#at(key), FIRING, isFlapping);
  }

  #lookFiring(key: number, patience: Patience, { endUs, clears }: Omit<Judged, "holds">): Transition | undefined {
    const { keepFiringForUs, flapping } = patience;
    const o = this.#at(key);
    const cells = this.#cells;
    if (!clears) {
      cells[o + CLEAR_SINCE] = Number.NaN;
      return undefined;
    }
    if (Number.isNaN(cells[o + CLEAR_SINCE])) cells[o + CLEAR_SINCE] = endUs;
    const clearUs = endUs - (cells[o + CLEAR_SINCE] as number);
    if (clearUs < keepFiringForUs) return undefined;
    if (flapping === undefined) return this.#move(o, INACTIVE);
    if (this.#flaps.isFlapping(key)) {
      if (clearUs < flapping.withinUs) return undefined;
      this.#flaps.forget(key);
      return this.#move(o, INACTIVE, true);
    }
    if (!this.#flaps.count(key, endUs, flapping)) return this.#move(o, INACTIVE);
    // It would end, and goes on: that it is flapping is what changes.
    return { from: "firing", state: "firing", activeAtUs: cells[o + ACTIVE_AT] as number, isFlapping: true };
  }

  #move(o: number, to: number, isFlapping = false): Transition {
    const from = this.#cells[o + STATE] as number;
    this.#cells[o + STATE] = to;
    this.#cells[o + CLEAR_SINCE] = Number.NaN;
    const state = from === FIRING && to === INACTIVE ? "resolved" : (NAMES[to] as AlertState);
    return { from: NAMES[from] as AlertState, state, activeAtUs: this.#cells[o + ACTIVE_AT] as number, isFlapping };
  }
}
