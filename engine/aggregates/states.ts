import type { ObjectState } from "./object-state.ts";

/** The states of a sensor in a window, in order. They give the time spent in each state. */
export class States implements ObjectState {
  #atUs: number[] = [];
  #states: (number | string)[] = [];
  /** The state at the start of the window; undefined if unknown. */
  prior: number | string | undefined = undefined;

  add(atUs: number, value: number, text: string | undefined): void {
    let place = this.#atUs.length;
    while (place > 0 && (this.#atUs[place - 1] as number) > atUs) place--;
    this.#atUs.splice(place, 0, atUs);
    this.#states.splice(place, 0, text ?? value);
  }

  /** Does nothing: only tumbling windows compute durations, and these are never merged. */
  merge(_other: States): void {}

  /** The seconds of `[startUs, endUs)` spent in the state. */
  secondsIn(state: string, window: { readonly startUs: number; readonly endUs: number }): number {
    let inUs = 0;
    let sinceUs = window.startUs;
    let current = this.prior;
    for (const [i, atUs] of this.#atUs.entries()) {
      if (current !== undefined && isState(current, state)) inUs += atUs - sinceUs;
      sinceUs = atUs;
      current = this.#states[i];
    }
    if (current !== undefined && isState(current, state)) inUs += window.endUs - sinceUs;
    return inUs / 1e6;
  }

  snapshot(): StatesSnapshot {
    return { atUs: this.#atUs.slice(), states: this.#states.slice(), prior: this.prior ?? null };
  }

  static restore(snapshot: StatesSnapshot): States {
    const states = new States();
    states.#atUs = snapshot.atUs.slice();
    states.#states = snapshot.states.slice();
    states.prior = snapshot.prior ?? undefined;
    return states;
  }
}

export interface StatesSnapshot {
  readonly atUs: readonly number[];
  readonly states: readonly (number | string)[];
  readonly prior: number | string | null;
}

/** `true` and `false` also match 1 and 0, because booleans are stored as these. */
function isState(value: number | string, state: string): boolean {
  if (typeof value === "string") return value === state;
  if (state === "true") return value === 1;
  if (state === "false") return value === 0;
  return value === Number(state);
}
