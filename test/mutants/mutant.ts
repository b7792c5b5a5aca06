/** A planted fault: a text that occurs exactly once in a file, apart from white space, with its replacement. */
export interface Mutant {
  readonly name: string;
  /** A description of the fault. */
  readonly fault: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** The tests that are most likely to fail. They run first. */
  readonly tests: readonly string[];
}
