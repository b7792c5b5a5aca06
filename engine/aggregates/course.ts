import type { CourseOptions, Fold, Point } from "./folds.ts";
import type { ObjectState } from "./object-state.ts";

interface Span {
  readonly startUs: number;
  readonly endUs: number;
}

/**
 * The course of a key's values in a window. A window that gets readings keeps them in order, because a late one can
 * come between two others. A window that is merged from others, and gets none of its own, keeps its ends and the sums
 * of its folds.
 */
export class Course implements ObjectState {
  readonly #folds: readonly Fold[];
  readonly #options: CourseOptions;
  #atUs: number[] = [];
  #values: (number | string)[] = [];
  /** By fold, from the first to the last reading. Undefined: all readings are kept. */
  #sums: number[] | undefined;

  /** `folds`: those that merged windows need. */
  constructor(folds: readonly Fold[], options: CourseOptions) {
    this.#folds = folds;
    this.#options = options;
  }

  add(atUs: number, value: number, text: string | undefined): void {
    let place = this.#atUs.length;
    while (place > 0 && (this.#atUs[place - 1] as number) > atUs) place--;
    if (place === this.#atUs.length) {
      this.#atUs.push(atUs);
      this.#values.push(text ?? value);
      return;
    }
    this.#atUs.splice(place, 0, atUs);
    this.#values.splice(place, 0, text ?? value);
  }

  merge(other: Course): void {
    const to = this.last;
    const from = other.first;
    if (from === undefined) return;
    if (to !== undefined && this.#sums === undefined && other.#sums === undefined) {
      for (let i = 0; i < other.#atUs.length; i++) {
        this.#atUs.push(other.#atUs[i] as number);
        this.#values.push(other.#values[i] as number | string);
      }
      return;
    }
    const sums = this.#sums ?? this.#folds.map((fold, i) => this.#sumOf(fold, i));
    for (let i = 0; i < sums.length; i++) {
      const fold = this.#folds[i] as Fold;
      (sums[i] as number) += other.#sumOf(fold, i) + (to === undefined ? 0 : this.#between(fold, to, from));
    }
    this.#sums = sums;
    const first = this.first ?? from;
    const last = other.last ?? from;
    this.#atUs = [first.atUs, last.atUs];
    this.#values = [first.value, last.value];
  }

  get first(): Point | undefined {
    return this.#at(0);
  }

  get last(): Point | undefined {
    return this.#at(this.#atUs.length - 1);
  }

  /** A fold over the window. `before`: the key's newest reading before it. */
  total(fold: Fold, window: Span, before: Point | undefined): number {
    const { first, last } = this;
    const inside = this.#sumOf(
      fold,
      this.#folds.findIndex(({ name }) => name === fold.name),
    );
    if (first === undefined || last === undefined) return totalOfNothing(fold, window, before, this.#options);
    if (fold.kind === "step") return inside + fold.of(before?.value, first.value, this.#options);
    return (
      (before === undefined ? 0 : heldIn(fold, before, { startUs: window.startUs, endUs: first.atUs }, this.#options)) +
      inside +
      heldIn(fold, last, { startUs: last.atUs, endUs: window.endUs }, this.#options)
    );
  }

  snapshot(): CourseSnapshot {
    return { atUs: this.#atUs.slice(), states: this.#values.slice(), sums: this.#sums?.slice() ?? null };
  }

  restore({ atUs, states, sums }: CourseSnapshot): this {
    this.#atUs = atUs.slice();
    this.#values = states.slice();
    this.#sums = sums?.slice();
    return this;
  }

  #at(place: number): Point | undefined {
    const value = this.#values[place];
    return value === undefined ? undefined : { atUs: this.#atUs[place] as number, value };
  }

  #sumOf(fold: Fold, place: number): number {
    if (this.#sums !== undefined) {
      const sum = this.#sums[place];
      if (sum === undefined) throw new RangeError(`merged windows do not keep "${fold.name}"`);
      return sum;
    }
    let sum = 0;
    for (let i = 1; i < this.#atUs.length; i++) {
      const from = this.#values[i - 1] as number | string;
      if (fold.kind === "step") sum += fold.of(from, this.#values[i] as number | string, this.#options);
      else {
        const heldUs = (this.#atUs[i] as number) - (this.#atUs[i - 1] as number);
        sum += fold.of(from) * Math.min(heldUs, this.#options.carryUs);
      }
    }
    return sum;
  }

  #between(fold: Fold, from: Point, to: Point): number {
    if (fold.kind === "step") return fold.of(from.value, to.value, this.#options);
    return heldIn(fold, from, { startUs: from.atUs, endUs: to.atUs }, this.#options);
  }
}

/** A window without readings, in which the value before it holds. */
export function totalOfNothing(fold: Fold, window: Span, before: Point | undefined, options: CourseOptions): number {
  return fold.kind === "step" || before === undefined ? 0 : heldIn(fold, before, window, options);
}

/** A fold over the time of a span in which a value still holds. */
function heldIn(fold: Fold & { kind: "time" }, { atUs, value }: Point, span: Span, { carryUs }: CourseOptions): number {
  const heldUs = Math.min(span.endUs, atUs + carryUs) - span.startUs;
  return heldUs > 0 ? fold.of(value) * heldUs : 0;
}

/** Also as a version stored it that kept only states. */
export interface CourseSnapshot {
  readonly atUs: readonly number[];
  readonly states: readonly (number | string)[];
  readonly sums?: readonly number[] | null;
}
