import type { AlertChange } from "../../domain/alert.ts";
import type { KeyHasher } from "../../domain/alert-ids.ts";
import { resultsOfRules, type SharedResult, type WindowResult } from "../../domain/window-result.ts";

/** How many more windows without readings the current log entry may emit. Each key may emit one more. */
export interface FillBudget {
  left: number;
}

/** The most windows without readings that one entry emits, in addition to one of each key. */
export const FILLED_PER_ENTRY_MAX = 200_000;

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
  readonly fillBudget: FillBudget;
  /** The most windows that the keys of an input may keep in all. */
  readonly windowsMax: number;
  readonly keyHasher: KeyHasher;
}
