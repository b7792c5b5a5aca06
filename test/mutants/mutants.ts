import type { Mutant } from "./mutant.ts";
import { RULE_MUTANTS } from "./rule-mutants.ts";
import { RUNNER_MUTANTS } from "./runner-mutants.ts";
import { STEP_MUTANTS } from "./step-mutants.ts";
import { TIME_MUTANTS } from "./time-mutants.ts";

export const MUTANTS: readonly Mutant[] = [...STEP_MUTANTS, ...RULE_MUTANTS, ...TIME_MUTANTS, ...RUNNER_MUTANTS];

/** All tests of the engine that need no server, fast ones first. */
export const ALL_TESTS: readonly string[] = [
  "engine",
  "processors/checkpoints.test.ts",
  "processors/ownership",
  "processors/partition-runner.test.ts",
  "processors/processors.test.ts",
  "test/simulation/differential.test.ts",
  "test/simulation/simulation.test.ts",
  "processors/groups.test.ts",
];
