import type { Series } from "../../domain/reading.ts";
import { type LabelTest, labelOf } from "../../rule-language/spec/selector.ts";
import type { Input } from "./input.ts";

/**
 * Finds the inputs that read a series without testing thousands of selectors. Each input is filed under the rarest
 * label value (or prefix of a value) that its series must have.
 */
export class SeriesIndex {
  readonly #byTest = new Map<string, Input[]>();
  /** Inputs that do not require any label value. */
  readonly #anywhere: Input[] = [];
  /** By label: the lengths of the required prefixes. */
  readonly #prefixLengths = new Map<string, Set<number>>();

  constructor(inputs: readonly Input[]) {
    const uses = new Map<string, number>();
    for (const { spec } of inputs) {
      for (const test of spec.selector.ways.flat()) uses.set(nameOf(test), (uses.get(nameOf(test)) ?? 0) + 1);
    }
    for (const input of inputs) this.#add(input, uses);
  }

  /** The inputs that read a series, in the order of the rule set. */
  inputsOf(series: Series): Input[] {
    const found = new Set(this.#anywhere);
    for (const label of ["device", "metric", ...Object.keys(series.tags)]) {
      const text = labelOf(series, label);
      if (text === undefined) continue;
      this.#collect({ label, text, isPrefix: false }, found);
      for (const length of this.#prefixLengths.get(label) ?? []) {
        if (length <= text.length) this.#collect({ label, text: text.slice(0, length), isPrefix: true }, found);
      }
    }
    return [...found].filter(({ spec }) => spec.selector.matches(series)).sort((a, b) => a.index - b.index);
  }

  #add(input: Input, uses: ReadonlyMap<string, number>): void {
    let best: readonly LabelTest[] | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const way of input.spec.selector.ways) {
      const most = Math.max(...way.map((test) => uses.get(nameOf(test)) ?? 0));
      if (most < fewest) {
        best = way;
        fewest = most;
      }
    }
    if (best === undefined) this.#anywhere.push(input);
    for (const test of best ?? []) {
      const inputs = this.#byTest.get(nameOf(test));
      if (inputs) inputs.push(input);
      else this.#byTest.set(nameOf(test), [input]);
      if (!test.isPrefix) continue;
      const lengths = this.#prefixLengths.get(test.label) ?? new Set();
      this.#prefixLengths.set(test.label, lengths.add(test.text.length));
    }
  }

  #collect(test: LabelTest, found: Set<Input>): void {
    for (const input of this.#byTest.get(nameOf(test)) ?? []) found.add(input);
  }
}

function nameOf({ label, text, isPrefix }: LabelTest): string {
  return `${label}\u0000${isPrefix ? "^" : "="}${text}`;
}
