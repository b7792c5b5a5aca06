/** A planted fault: one text that stands exactly once in a file (spaces apart), replaced by another. */
export interface Mutant {
  readonly name: string;
  /** What it does wrong. */
  readonly fault: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** The tests most likely to notice, run first. */
  readonly tests: readonly string[];
}
