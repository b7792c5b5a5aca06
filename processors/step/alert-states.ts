import type { AlertState } from "../../domain/alert.ts";
import type { Rule } from "../rules/compile.ts";
import { holds } from "../rules/condition.ts";

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

/**
 * The alert state of each key of a rule: inactive -> pending -> firing -> resolved. It moves only when a window
 * closes, in event time: a window's end is the instant at which its condition is known.
 */
export class AlertStates {
  #cells = new Float64Array(16 * STRIDE);
  #size = 0;

  addKey(): void {
    const o = this.#size++ * STRIDE;
    if (o + STRIDE > this.#cells.length) {
      const more = new Float64Array(this.#cells.length * 2);
      more.set(this.#cells);
      this.#cells = more;
    }
    this.#cells[o + STATE] = INACTIVE;
    this.#cells[o + CLEAR_SINCE] = Number.NaN;
    this.#cells[o + SEEN_END] = Number.NEGATIVE_INFINITY;
  }

  isFiring(key: number): boolean {
    return this.#cells[key * STRIDE + STATE] === FIRING;
  }

  isActive(key: number): boolean {
    return this.#cells[key * STRIDE + STATE] !== INACTIVE;
  }

  /** What the newest window said: its end and its value. */
  last(key: number): { readonly endUs: number; readonly value: number } {
    const o = key * STRIDE;
    return { endUs: this.#cells[o + SEEN_END] as number, value: this.#cells[o + LAST_VALUE] as number };
  }

  /** Looks at a closed window. One older than the newest that was looked at changes nothing. */
  evaluate(
    key: number,
    rule: Rule,
    window: { readonly endUs: number; readonly value: number },
  ): Transition | undefined {
    const cells = this.#cells;
    const o = key * STRIDE;
    const { endUs, value } = window;
    if (rule.when === undefined || endUs <= (cells[o + SEEN_END] as number)) return undefined;
    cells[o + SEEN_END] = endUs;
    cells[o + LAST_VALUE] = value;
    const active = holds(rule.when, value);
    switch (cells[o + STATE]) {
      case INACTIVE:
        if (!active) return undefined;
        cells[o + ACTIVE_AT] = endUs;
        return this.#move(key, rule.forUs === 0 ? FIRING : PENDING);
      case PENDING:
        if (!active) return this.#move(key, INACTIVE);
        return endUs - (cells[o + ACTIVE_AT] as number) >= rule.forUs ? this.#move(key, FIRING) : undefined;
      default:
        return this.#evaluateFiring(key, rule, { endUs, clear: rule.clear ? holds(rule.clear, value) : !active });
    }
  }

  /** Ends what is open, for a rule that is going away. */
  end(key: number): Transition | undefined {
    return this.isActive(key) ? this.#move(key, INACTIVE) : undefined;
  }

  snapshot(): Float64Array {
    return this.#cells.slice(0, this.#size * STRIDE);
  }

  restore(cells: Float64Array): void {
    this.#cells = new Float64Array(Math.max(16 * STRIDE, cells.length));
    this.#cells.set(cells);
    this.#size = cells.length / STRIDE;
  }

  #evaluateFiring(
    key: number,
    rule: Rule,
    window: { readonly endUs: number; readonly clear: boolean },
  ): Transition | undefined {
    const cells = this.#cells;
    const o = key * STRIDE;
    if (!window.clear) {
      cells[o + CLEAR_SINCE] = Number.NaN;
      return undefined;
    }
    if (Number.isNaN(cells[o + CLEAR_SINCE])) cells[o + CLEAR_SINCE] = window.endUs;
    return window.endUs - (cells[o + CLEAR_SINCE] as number) >= rule.keepFiringForUs
      ? this.#move(key, INACTIVE)
      : undefined;
  }

  #move(key: number, to: number): Transition {
    const o = key * STRIDE;
    const from = this.#cells[o + STATE] as number;
    this.#cells[o + STATE] = to;
    this.#cells[o + CLEAR_SINCE] = Number.NaN;
    const state = from === FIRING && to === INACTIVE ? "resolved" : (NAMES[to] as AlertState);
    return { from: NAMES[from] as AlertState, state, activeAtUs: this.#cells[o + ACTIVE_AT] as number };
  }
}
