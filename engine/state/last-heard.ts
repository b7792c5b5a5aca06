import { grown } from "../../domain/grown.ts";

/** A whole sweep takes this part of the forget time, so that memory follows soon. */
const SWEEPS_PER_FORGET_TIME = 8;

/**
 * When each of many things was last heard. What was silent for too long is found by visiting a few of them for every
 * entry, in turn.
 */
export class LastHeard {
  #heardUs: Float64Array = new Float64Array(0);
  #size = 0;
  #next = 0;
  #sweptUs = 0;

  /** -Infinity if never, or if it was freed. */
  heardUs(id: number): number {
    return this.#heardUs[id] ?? Number.NEGATIVE_INFINITY;
  }

  /** Makes room for an id. Call before `hear` for a new one. */
  reserve(id: number): void {
    this.#size = Math.max(this.#size, id + 1);
    this.#heardUs = grown(this.#heardUs, this.#size, Number.NEGATIVE_INFINITY);
  }

  hear(id: number, atUs: number): void {
    this.#heardUs[id] = atUs;
  }

  free(id: number): void {
    this.#heardUs[id] = Number.NEGATIVE_INFINITY;
  }

  /** Ids that were heard, but not within the forget time. Visits only some of all ids. */
  sweep(nowUs: number, forgetUs: number): number[] {
    const share = (nowUs - this.#sweptUs) / (forgetUs / SWEEPS_PER_FORGET_TIME);
    const visits = Math.min(this.#size, Math.floor(share * this.#size));
    if (visits < 1) return [];
    this.#sweptUs = nowUs;
    return this.#silent(visits, nowUs - forgetUs);
  }

  /** Like `sweep`, but visits all. */
  sweepAll(nowUs: number, forgetUs: number): number[] {
    return this.#silent(this.#size, nowUs - forgetUs);
  }

  #silent(visits: number, untilUs: number): number[] {
    const silent: number[] = [];
    for (let visit = 0; visit < visits; visit++) {
      this.#next = this.#next + 1 < this.#size ? this.#next + 1 : 0;
      const heardUs = this.#heardUs[this.#next] as number;
      if (heardUs <= untilUs && heardUs > Number.NEGATIVE_INFINITY) silent.push(this.#next);
    }
    return silent;
  }
}
