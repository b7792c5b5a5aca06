import type { Series } from "../../domain/reading.ts";
import { labelOf } from "./grouping.ts";
import type { LabelTest, Selector } from "./selector.ts";

/**
 * Finds the readers of a series without testing thousands of selectors. Each reader is filed under the rarest label
 * value (or prefix of a value) that its series must have.
 */
export class SeriesIndex<Reader> {
  readonly #selectorOf: (reader: Reader) => Selector;
  readonly #byTest = new Map<string, Reader[]>();
  /** Readers that do not require any label value. */
  readonly #anywhere: Reader[] = [];
  /** By label: the lengths of the required prefixes. */
  readonly #prefixLengths = new Map<string, Set<number>>();

  constructor(readers: readonly Reader[], selectorOf: (reader: Reader) => Selector) {
    this.#selectorOf = selectorOf;
    const uses = new Map<string, number>();
    for (const reader of readers) {
      for (const test of selectorOf(reader).ways.flat()) uses.set(nameOf(test), (uses.get(nameOf(test)) ?? 0) + 1);
    }
    for (const reader of readers) this.#add(reader, uses);
  }

  /** The readers whose selectors match a series, in no order. */
  readersOf(series: Series): Reader[] {
    const found = new Set(this.#anywhere);
    for (const label of ["device", "metric", ...Object.keys(series.tags)]) {
      const text = labelOf(series, label);
      if (text === undefined) continue;
      this.#collect({ label, text, isPrefix: false }, found);
      for (const length of this.#prefixLengths.get(label) ?? []) {
        if (length <= text.length) this.#collect({ label, text: text.slice(0, length), isPrefix: true }, found);
      }
    }
    return [...found].filter((reader) => this.#selectorOf(reader).matches(series));
  }

  #add(reader: Reader, uses: ReadonlyMap<string, number>): void {
    let best: readonly LabelTest[] | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const way of this.#selectorOf(reader).ways) {
      const most = Math.max(...way.map((test) => uses.get(nameOf(test)) ?? 0));
      if (most < fewest) {
        best = way;
        fewest = most;
      }
    }
    if (best === undefined) this.#anywhere.push(reader);
    for (const test of best ?? []) {
      const readers = this.#byTest.get(nameOf(test));
      if (readers) readers.push(reader);
      else this.#byTest.set(nameOf(test), [reader]);
      if (!test.isPrefix) continue;
      const lengths = this.#prefixLengths.get(test.label) ?? new Set();
      this.#prefixLengths.set(test.label, lengths.add(test.text.length));
    }
  }

  #collect(test: LabelTest, found: Set<Reader>): void {
    for (const reader of this.#byTest.get(nameOf(test)) ?? []) found.add(reader);
  }
}

function nameOf({ label, text, isPrefix }: LabelTest): string {
  return `${label}\u0000${isPrefix ? "^" : "="}${text}`;
}
