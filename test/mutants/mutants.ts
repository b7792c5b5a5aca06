import { RUNNER_MUTANTS } from "./runner-mutants.ts";
import { STEP_MUTANTS } from "./step-mutants.ts";

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

export const MUTANTS: readonly Mutant[] = [...STEP_MUTANTS, ...RUNNER_MUTANTS];

/** All tests of the engine that run without servers of their own, fast ones first. */
export const ALL_TESTS: readonly string[] = [
  "processors/step",
  "processors/checkpoints.test.ts",
  "processors/ownership",
  "processors/partition-runner.test.ts",
  "processors/processors.test.ts",
  "test/simulation/differential.test.ts",
  "test/simulation/simulation.test.ts",
  "processors/groups.test.ts",
];
