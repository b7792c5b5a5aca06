/** The states that a sensor went through in a window, for the time that it spent in each. */
export class States {
  #atUs: number[] = [];
  #states: (number | string)[] = [];
  /** What the window began with; undefined when nothing is known of it. */
  prior: number | string | undefined = undefined;

  add(atUs: number, state: number | string): void {
    let place = this.#atUs.length;
    while (place > 0 && (this.#atUs[place - 1] as number) > atUs) place--;
    this.#atUs.splice(place, 0, atUs);
    this.#states.splice(place, 0, state);
  }

  /** Seconds of `[startUs, endUs)` in the state. */
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

/** `true` and `false` name 1 and 0 too, since booleans count as these. */
function isState(value: number | string, state: string): boolean {
  if (typeof value === "string") return value === state;
  if (state === "true") return value === 1;
  if (state === "false") return value === 0;
  return value === Number(state);
}
