import type { AlertState } from "../../domain/alert.ts";
import type { Rule } from "../rules/compile.ts";
import { type Condition, holds } from "../rules/condition.ts";
import type { SnapshotReader, SnapshotWriter } from "./snapshot-io.ts";

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
}

/** A window's end and the value that it told. */
export interface Looked {
  readonly endUs: number;
  readonly value: number | string;
}

/**
 * The alert state of each key of a rule: inactive -> pending -> firing -> resolved. It moves only when a window
 * closes, in event time: a window's end is the instant at which its condition is known.
 */
export class AlertStates {
  #cells = new Float64Array(0);
  /** Last values that are texts, by key. */
  readonly #texts = new Map<number, string>();

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
  look(key: number, rule: Rule, window: Looked): Transition | undefined {
    const { when, clear } = rule;
    if (when === undefined || !canLook(when, window.value)) return undefined;
    const o = this.#at(key);
    const cells = this.#cells;
    const { endUs, value } = window;
    if (endUs <= (cells[o + SEEN_END] as number)) return undefined;
    this.#remember(key, window);
    const active = holds(when, value);
    switch (cells[o + STATE]) {
      case INACTIVE:
        if (!active) return undefined;
        cells[o + ACTIVE_AT] = endUs;
        return this.#move(o, rule.forUs === 0 ? FIRING : PENDING);
      case PENDING:
        if (!active) return this.#move(o, INACTIVE);
        return endUs - (cells[o + ACTIVE_AT] as number) >= rule.forUs ? this.#move(o, FIRING) : undefined;
      default:
        return this.#lookFiring(o, rule, { endUs, clear: clear ? holds(clear, value) : !active });
    }
  }

  /** Fires or resolves at once, whatever was looked at before. */
  set(key: number, isFiring: boolean, window: Looked): Transition | undefined {
    const o = this.#at(key);
    if (this.isActive(key) === isFiring) return undefined;
    this.#remember(key, window);
    if (isFiring) this.#cells[o + ACTIVE_AT] = window.endUs;
    return this.#move(o, isFiring ? FIRING : INACTIVE);
  }

  /** Takes the state of another's key over. */
  adopt(key: number, from: AlertStates, fromKey: number): void {
    const o = this.#at(key);
    const other = from.#at(fromKey);
    this.#cells.set(from.#cells.subarray(other, other + STRIDE), o);
    const text = from.#texts.get(fromKey);
    if (text !== undefined) this.#texts.set(key, text);
  }

  /** Ends what is open, for a rule that is going away. */
  end(key: number): Transition | undefined {
    return this.isActive(key) ? this.#move(this.#at(key), INACTIVE) : undefined;
  }

  snapshot(to: SnapshotWriter): void {
    to.doubles(this.#cells);
    to.number(this.#texts.size);
    for (const [key, text] of this.#texts) {
      to.number(key);
      to.text(text);
    }
  }

  restore(from: SnapshotReader): void {
    this.#cells = from.doubles();
    for (let left = from.number(); left > 0; left--) this.#texts.set(from.number(), from.text());
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

  #lookFiring(
    o: number,
    rule: Rule,
    window: { readonly endUs: number; readonly clear: boolean },
  ): Transition | undefined {
    const cells = this.#cells;
    if (!window.clear) {
      cells[o + CLEAR_SINCE] = Number.NaN;
      return undefined;
    }
    if (Number.isNaN(cells[o + CLEAR_SINCE])) cells[o + CLEAR_SINCE] = window.endUs;
    return window.endUs - (cells[o + CLEAR_SINCE] as number) >= rule.keepFiringForUs
      ? this.#move(o, INACTIVE)
      : undefined;
  }

  #move(o: number, to: number): Transition {
    const from = this.#cells[o + STATE] as number;
    this.#cells[o + STATE] = to;
    this.#cells[o + CLEAR_SINCE] = Number.NaN;
    const state = from === FIRING && to === INACTIVE ? "resolved" : (NAMES[to] as AlertState);
    return { from: NAMES[from] as AlertState, state, activeAtUs: this.#cells[o + ACTIVE_AT] as number };
  }
}

function canLook(when: Condition, value: number | string): boolean {
  return typeof value === "string" ? when.kind === "text" : !Number.isNaN(value);
}
