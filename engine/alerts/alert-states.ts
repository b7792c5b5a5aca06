import type { AlertState } from "../../domain/alert.ts";
import type { ConditionState } from "../rules/conditions.ts";
import type { Flapping } from "../rules/rule.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";
import { Flaps } from "./flaps.ts";

const INACTIVE = 0;
const PENDING = 1;
const FIRING = 2;

const STATE = 0;
const ACTIVE_AT = 1;
/** The time from which `clear` has held; NaN while it does not. */
const CLEAR_SINCE = 2;
/** The end of the newest evaluated window. */
const EVALUATED_END = 3;
const LAST_VALUE = 4;
const STRIDE = 5;

/** More cells of a key, which states of older versions do not have: the time of its last change... */
const CHANGED = 0;
/** ...since when `when` has held without a gap, while the alert is pending... */
const HELD_SINCE = 1;
/** ...and the usual time between two evaluated windows; NaN if unknown. */
const INTERVAL = 2;
const MORE_STRIDE = 3;
/** A shorter time between two windows shortens the interval to this part of it. */
const INTERVAL_KEPT = 0.875;
const INTERVALS_GAP = 3;
const WINDOWS_GAP = 2;

/** Names by state number. */
const NAMES: readonly AlertState[] = ["inactive", "pending", "firing"];

/** A transition between two states. `resolved` is emitted once; afterwards the state is inactive. */
export interface Transition {
  readonly from: AlertState;
  readonly state: AlertState;
  readonly activeAtUs: number;
  /** Whether the alert is flapping, or was until this step. */
  readonly isFlapping: boolean;
}

/** The end of a window or the instant of an absence, with its value. */
export interface WindowValue {
  readonly endUs: number;
  readonly value: number | string;
}

/** A window, and whether the rule's conditions hold at its end. */
export interface EvaluatedWindow extends WindowValue, ConditionState {
  readonly startUs: number;
}

export interface Patience {
  readonly forUs: number;
  readonly keepFiringForUs: number;
  /** A longer time between two evaluated windows interrupts `for`. Undefined: it follows from the key's interval. */
  readonly maxGapUs: number | undefined;
  /** Undefined: the rule does not count changes. */
  readonly flapping: Flapping | undefined;
}

/**
 * ADR 4. The alert state of each key of a rule: inactive -> pending -> firing -> resolved. It changes only when a
 * window closes, in event time: the condition is known at the end of the window.
 */
export class AlertStates {
  #cells = new Float64Array(0);
  #more = new Float64Array(0);
  /** By key: the last value, if it is a text. */
  readonly #texts = new Map<number, string>();
  readonly #flaps = new Flaps();

  isActive(key: number): boolean {
    const o = key * STRIDE;
    return o < this.#cells.length && this.#cells[o + STATE] !== INACTIVE;
  }

  isFiring(key: number): boolean {
    const o = key * STRIDE;
    return o < this.#cells.length && this.#cells[o + STATE] === FIRING;
  }

  /** A change of a firing alert that leaves its state as it is. */
  stay(key: number): Transition {
    const activeAtUs = this.#cells[this.#at(key) + ACTIVE_AT] as number;
    return { from: "firing", state: "firing", activeAtUs, isFlapping: this.#flaps.isFlapping(key) };
  }

  /** Whether a window that ends then would be evaluated: it is newer than the last one. */
  isNewer(key: number, endUs: number): boolean {
    const o = key * STRIDE;
    return o >= this.#cells.length || endUs > (this.#cells[o + EVALUATED_END] as number);
  }

  /** The newest evaluated window. */
  last(key: number): WindowValue {
    const o = key * STRIDE;
    const value = this.#texts.get(key) ?? this.#cells[o + LAST_VALUE] ?? Number.NaN;
    return { endUs: this.#cells[o + EVALUATED_END] ?? Number.NEGATIVE_INFINITY, value };
  }

  /** Whether a window that ends then can still change the alert, although one that is newer was evaluated. */
  isAfterChange(key: number, endUs: number): boolean {
    const changedUs = this.#more[key * MORE_STRIDE + CHANGED] ?? Number.NEGATIVE_INFINITY;
    return endUs > changedUs || (endUs === changedUs && this.#cells[key * STRIDE + STATE] === PENDING);
  }

  /** Evaluates a closed window. Ignores a window that is not newer than the last evaluated one. */
  evaluate(key: number, patience: Patience, window: EvaluatedWindow): Transition | undefined {
    const o = this.#at(key);
    const lastUs = this.#cells[o + EVALUATED_END] as number;
    if (window.endUs <= lastUs) return undefined;
    const isAfterGap = patience.forUs > 0 && this.#isAfterGap(key, patience.maxGapUs, window, lastUs);
    this.#remember(key, window);
    return this.#evaluate(key, patience, window, isAfterGap);
  }

  /** Evaluates a window that was evaluated before and has changed, after the alert's last change. */
  evaluateAgain(key: number, patience: Patience, window: EvaluatedWindow): Transition | undefined {
    if (window.endUs >= (this.#cells[this.#at(key) + EVALUATED_END] as number)) this.#remember(key, window);
    return this.#evaluate(key, patience, window, false);
  }

  /** Whether nothing was known for too long before the window. Takes note of the time since the last one. */
  #isAfterGap(key: number, maxGapUs: number | undefined, { startUs, endUs }: EvaluatedWindow, lastUs: number): boolean {
    if (lastUs === Number.NEGATIVE_INFINITY) return false;
    const gapUs = endUs - lastUs;
    const o = key * MORE_STRIDE + INTERVAL;
    const intervalUs = this.#more[o] as number;
    this.#more[o] = Number.isNaN(intervalUs) ? gapUs : Math.max(gapUs, intervalUs * INTERVAL_KEPT);
    if (maxGapUs !== undefined) return gapUs > maxGapUs;
    return gapUs > Math.max(INTERVALS_GAP * intervalUs, WINDOWS_GAP * (endUs - startUs));
  }

  #evaluate(key: number, patience: Patience, window: EvaluatedWindow, isAfterGap: boolean): Transition | undefined {
    const { forUs } = patience;
    const o = this.#at(key);
    const cells = this.#cells;
    const { endUs } = window;
    switch (cells[o + STATE]) {
      case INACTIVE:
        if (!window.holds) return undefined;
        cells[o + ACTIVE_AT] = endUs;
        this.#more[key * MORE_STRIDE + HELD_SINCE] = endUs;
        return forUs === 0 ? this.#fire(key, patience, endUs) : this.#move(key, PENDING, endUs);
      case PENDING:
        if (!window.holds) return this.#move(key, INACTIVE, endUs);
        if (isAfterGap) this.#more[key * MORE_STRIDE + HELD_SINCE] = endUs;
        return endUs - (this.#more[key * MORE_STRIDE + HELD_SINCE] as number) >= forUs
          ? this.#fire(key, patience, endUs)
          : undefined;
      default:
        return this.#evaluateFiring(key, patience, window);
    }
  }

  /** Fires at once, or resolves unless the alert is flapping. Ignores earlier windows. */
  set(key: number, patience: Patience, window: WindowValue & { readonly isFiring: boolean }): Transition | undefined {
    const o = this.#at(key);
    if (this.isActive(key)) {
      if (!window.isFiring) this.#remember(key, window);
      return this.#evaluateFiring(key, patience, { ...window, clears: !window.isFiring });
    }
    if (!window.isFiring) return undefined;
    this.#remember(key, window);
    this.#cells[o + ACTIVE_AT] = window.endUs;
    return this.#fire(key, patience, window.endUs);
  }

  /** Call when the rule no longer counts changes. */
  forgetFlapping(): void {
    this.#flaps.forgetAll();
  }

  /** Copies the state of a key from the rule before its edit. */
  adopt(key: number, from: AlertStates, fromKey: number): void {
    const o = this.#at(key);
    const other = from.#at(fromKey);
    this.#cells.set(from.#cells.subarray(other, other + STRIDE), o);
    const text = from.#texts.get(fromKey);
    if (text !== undefined) this.#texts.set(key, text);
    const more = fromKey * MORE_STRIDE;
    this.#more.set(from.#more.subarray(more, more + MORE_STRIDE), key * MORE_STRIDE);
    this.#flaps.adopt(key, from.#flaps, fromKey);
  }

  /** Ends an open alert whose rule or key was removed. */
  end(key: number): Transition | undefined {
    if (!this.isActive(key)) return undefined;
    const isFlapping = this.#flaps.isFlapping(key);
    this.#flaps.forget(key);
    return this.#move(key, INACTIVE, this.last(key).endUs, isFlapping);
  }

  /** Drops everything about a key, whose number can then be used again. */
  forget(key: number): void {
    const o = key * STRIDE;
    if (o < this.#cells.length) this.#clear(o, o + STRIDE);
    this.#texts.delete(key);
    this.#flaps.forget(key);
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

  /** What older versions did not store. */
  snapshotChanges(to: SnapshotWriter): void {
    to.doubles(this.#more);
  }

  restoreChanges(from: SnapshotReader): void {
    this.#more = from.doubles();
  }

  restore(from: SnapshotReader): void {
    this.#cells = from.doubles();
    this.#more = new Float64Array((this.#cells.length / STRIDE) * MORE_STRIDE).fill(Number.NaN);
    for (let o = 0; o < this.#cells.length; o += STRIDE) {
      const more = (o / STRIDE) * MORE_STRIDE;
      const isPending = this.#cells[o + STATE] === PENDING;
      // In a snapshot of an older version, the last change can be as late as this.
      this.#more[more + CHANGED] = this.#cells[o + (isPending ? ACTIVE_AT : EVALUATED_END)] as number;
      this.#more[more + HELD_SINCE] = this.#cells[o + ACTIVE_AT] as number;
    }
    for (let left = from.number(); left > 0; left--) this.#texts.set(from.number(), from.text());
    this.#flaps.restore(from);
  }

  #remember(key: number, { endUs, value }: WindowValue): void {
    const o = key * STRIDE;
    this.#cells[o + EVALUATED_END] = endUs;
    if (typeof value === "string") this.#texts.set(key, value);
    else {
      this.#cells[o + LAST_VALUE] = value;
      if (this.#texts.size > 0) this.#texts.delete(key);
    }
  }

  /** The offset of the key's cells. Adds cells for a new key. */
  #at(key: number): number {
    const o = key * STRIDE;
    if (o >= this.#cells.length) {
      const before = this.#cells.length;
      const more = new Float64Array(Math.max(o + STRIDE, Math.ceil((before / STRIDE) * 1.5) * STRIDE));
      more.set(this.#cells);
      this.#cells = more;
      const others = new Float64Array((more.length / STRIDE) * MORE_STRIDE);
      others.set(this.#more);
      this.#more = others;
      this.#clear(before, more.length);
    }
    return o;
  }

  #fire(key: number, { flapping }: Patience, endUs: number): Transition {
    const isFlapping = flapping !== undefined && this.#flaps.count(key, endUs, flapping);
    return this.#move(key, FIRING, endUs, isFlapping);
  }

  #evaluateFiring(
    key: number,
    patience: Patience,
    { endUs, clears }: Omit<EvaluatedWindow, "holds" | "startUs">,
  ): Transition | undefined {
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
    if (flapping === undefined) return this.#move(key, INACTIVE, endUs);
    if (this.#flaps.isFlapping(key)) {
      if (clearUs < flapping.withinUs) return undefined;
      this.#flaps.forget(key);
      return this.#move(key, INACTIVE, endUs, true);
    }
    if (!this.#flaps.count(key, endUs, flapping)) return this.#move(key, INACTIVE, endUs);
    this.#more[key * MORE_STRIDE + CHANGED] = endUs;
    // This end makes the alert flap, so it keeps firing: only `flapping` changes.
    return { from: "firing", state: "firing", activeAtUs: cells[o + ACTIVE_AT] as number, isFlapping: true };
  }

  #move(key: number, to: number, atUs: number, isFlapping = false): Transition {
    const o = this.#at(key);
    this.#more[key * MORE_STRIDE + CHANGED] = atUs;
    const from = this.#cells[o + STATE] as number;
    this.#cells[o + STATE] = to;
    this.#cells[o + CLEAR_SINCE] = Number.NaN;
    const state = from === FIRING && to === INACTIVE ? "resolved" : (NAMES[to] as AlertState);
    return { from: NAMES[from] as AlertState, state, activeAtUs: this.#cells[o + ACTIVE_AT] as number, isFlapping };
  }

  #clear(from: number, to: number): void {
    this.#cells.fill(0, from, to);
    for (let o = from; o < to; o += STRIDE) {
      this.#cells[o + CLEAR_SINCE] = Number.NaN;
      this.#cells[o + EVALUATED_END] = Number.NEGATIVE_INFINITY;
      const more = (o / STRIDE) * MORE_STRIDE;
      this.#more[more + CHANGED] = Number.NEGATIVE_INFINITY;
      this.#more[more + HELD_SINCE] = 0;
      this.#more[more + INTERVAL] = Number.NaN;
    }
  }
}
