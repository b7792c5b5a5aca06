import type { AlertChange } from "../../domain/alert.ts";
import { resultsOfRules, type SharedResult, type WindowResult } from "../../domain/window-result.ts";

/** The log entry that a step applies, and the task whose log holds it. */
export interface EntryPosition {
  readonly task: number;
  readonly sequence: number;
  readonly storedAtUs: number;
}

/** The output of a step for one entry. */
export class StepOutput {
  /** A result that several rules share is listed once. */
  readonly results: SharedResult[] = [];
  readonly alerts: AlertChange[] = [];

  /** The results of each rule. */
  get windows(): WindowResult[] {
    return this.results.flatMap(resultsOfRules);
  }
}

/** The current entry's position and output: one object per step, changed in place. */
export interface StepContext {
  position: EntryPosition;
  output: StepOutput;
  /** Processing time: it never goes back. */
  nowUs: number;
}
