import type { PartValue, Span } from "./model.ts";

/** A name's windows: their length, and the time between their ends. */
export interface JoinedName {
  readonly name: string;
  readonly sizeUs: number;
  readonly everyUs: number;
  /** Its windows count as if they ended this much later. */
  readonly offsetUs: number;
}

export interface Joined extends Span {
  readonly revision: number;
  readonly parts: readonly PartValue[];
}

/**
 * An end can be corrected until it is this many of the longest lengths, plus the lateness, behind the newest end of
 * the slowest name.
 */
const LENGTHS_CORRECTED = 4;

interface Name extends JoinedName {
  /** By their ends. */
  readonly emitted: Map<number, PartValue>;
  newestUs: number;
}

/** Joins the windows of several names of one key at their ends. */
export class Join {
  readonly #names: readonly Name[];
  readonly #longestUs: number;
  readonly #latenessUs: number;
  readonly #ends = new Set<number>();
  readonly #revisions = new Map<number, number>();
  #decidedUs = Number.NEGATIVE_INFINITY;

  constructor(names: readonly JoinedName[], latenessUs: number) {
    this.#names = names.map((name) => ({ ...name, emitted: new Map(), newestUs: Number.NEGATIVE_INFINITY }));
    this.#longestUs = Math.max(...names.map(({ sizeUs }) => sizeUs));
    this.#latenessUs = latenessUs;
  }

  /** A window of a name was emitted, for the first time or again. Returns the resulting joined results. */
  hear(of: string, window: Span, value: number | string): Joined[] {
    const { endUs } = window;
    const name = this.#names.find((each) => each.name === of);
    if (name === undefined) throw new RangeError(`no name: ${of}`);
    name.emitted.set(endUs, { name: of, window, value });
    name.newestUs = Math.max(name.newestUs, endUs);
    this.#ends.add(endUs + name.offsetUs);
    const joined: Joined[] = [];
    for (const atUs of [...this.#ends].sort((a, b) => a - b)) {
      if (!this.#names.every((each) => each.newestUs + each.offsetUs + each.everyUs > atUs)) break;
      const again = atUs <= this.#decidedUs;
      if (again && (standsForUs(name, atUs) !== endUs || atUs < this.#correctedFromUs())) continue;
      this.#decidedUs = Math.max(this.#decidedUs, atUs);
      const result = this.#resultAt(atUs);
      if (result !== undefined) joined.push(result);
    }
    return joined;
  }

  #correctedFromUs(): number {
    const slowestUs = Math.min(...this.#names.map(({ newestUs, offsetUs }) => newestUs + offsetUs));
    return slowestUs - LENGTHS_CORRECTED * this.#longestUs - this.#latenessUs;
  }

  #resultAt(endUs: number): Joined | undefined {
    const parts = this.#names.flatMap((name) => name.emitted.get(standsForUs(name, endUs)) ?? []);
    if (parts.length < this.#names.length) return undefined;
    const revision = (this.#revisions.get(endUs) ?? -1) + 1;
    this.#revisions.set(endUs, revision);
    return { startUs: endUs - this.#longestUs, endUs, revision, parts };
  }
}

/** The end of the window that a name contributes. */
function standsForUs({ everyUs, offsetUs }: JoinedName, atUs: number): number {
  return Math.floor((atUs - offsetUs) / everyUs) * everyUs;
}
