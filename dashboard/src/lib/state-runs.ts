import type { StatesAnswer } from "../../../contracts/http/data.ts";

/** Readings in a row with the same value. The state lasts until the next run begins. */
export interface Run {
  readonly fromUs: number;
  readonly lastUs: number;
  readonly word: string;
}

export const RUNS_MAX = 1_000;

/** The states of a series over time: the store's answer, then live readings. */
export class StateRuns {
  readonly runs: Run[] = [];
  /** Increases with every change, except when the last state goes on. */
  changes = 0;
  /** There were older runs than these in the span. */
  cut = false;
  /** The first run began before the span; its own begin is not known. */
  beganBefore = false;

  /** A reading from the feed. Older ones than the newest change nothing. */
  push(atUs: number, word: string): void {
    const last = this.runs.at(-1);
    if (last !== undefined && atUs <= last.lastUs) return;
    if (last?.word === word) this.runs[this.runs.length - 1] = { ...last, lastUs: atUs };
    else {
      this.runs.push({ fromUs: atUs, lastUs: atUs, word });
      this.changes++;
    }
    if (this.runs.length <= RUNS_MAX) return;
    this.runs.shift();
    this.cut = true;
    this.beganBefore = false;
  }

  /**
   * Replaces the runs with the store's runs up to `toUs`. Live readings that are newer than those stay. Returns whether
   * there are any before `toUs`: the store did not have them yet, and perhaps not those before them either.
   */
  replace({ runs, complete, before }: StatesAnswer, toUs: number): boolean {
    const live = this.runs.splice(0);
    this.changes++;
    this.cut = !complete;
    this.beganBefore = complete && before !== null;
    if (this.beganBefore && before !== null) this.#add({ ...before, fromUs: before.atUs, lastUs: before.atUs });
    for (const run of runs) this.#add(run);
    const storedUs = this.runs.at(-1)?.lastUs ?? -Infinity;
    for (const run of live) {
      if (run.lastUs <= storedUs) continue;
      this.push(Math.max(run.fromUs, storedUs + 1), run.word);
      this.push(run.lastUs, run.word);
    }
    return live.some(({ lastUs }) => lastUs > storedUs && lastUs < toUs);
  }

  #add({ fromUs, lastUs, value }: StatesAnswer["runs"][number]): void {
    const last = this.runs.at(-1);
    const word = String(value);
    if (last?.word === word) this.runs[this.runs.length - 1] = { ...last, lastUs };
    else this.runs.push({ fromUs, lastUs, word });
  }
}

/** The index of the run that lasts at this time; -1 before the first. */
export function runAt(runs: readonly Run[], atUs: number): number {
  return runs.findLastIndex(({ fromUs }) => fromUs <= atUs);
}
