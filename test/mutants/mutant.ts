/** A planted fault: a text that occurs exactly once in a file, apart from white space, and its replacement. */
export interface Mutant {
  readonly name: string;
  /** What it breaks. */
  readonly fault: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** The tests that are most likely to notice, which run first. */
  readonly tests: readonly string[];
}
