/** Enough that one outage is an exception among them. */
export const INTERVALS_KEPT = 16;
/** With fewer intervals, the rhythm of a series is not known. */
const INTERVALS_MIN = 3;
/** A series may miss two readings, and be late with the third. */
const MISSED = 3;
/** A busy network or a restart of the gateway holds up readings for this long. */
const PATIENCE_US_MIN = 10_000_000;
/** For a series whose rhythm is not known. */
const PATIENCE_US_UNKNOWN = 300_000_000;

/** Longer intervals than this many usual ones mean that a series sends when something happens. */
const IRREGULAR = 8;

export interface Rhythm {
  /** The interval between its readings, seldom longer; undefined while it is not known, or if it has no rhythm. */
  readonly everyUs: number | undefined;
  /** How long after its last reading it is silent. */
  readonly patienceUs: number;
}

/**
 * The rhythm of a series. A device's own setting, if it has one, comes first. Otherwise the second longest of its last
 * intervals counts, so that one outage does not. A series that sends when something happens has no rhythm.
 */
export function rhythmOf(intervalsUs: Iterable<number>, expectedEveryUs?: number): Rhythm {
  const sorted = Float64Array.from(intervalsUs).sort();
  const everyUs = expectedEveryUs ?? usualOf(sorted);
  if (everyUs !== undefined) return { everyUs, patienceUs: Math.max(PATIENCE_US_MIN, MISSED * everyUs) };
  return { everyUs: undefined, patienceUs: Math.max(PATIENCE_US_UNKNOWN, MISSED * (sorted.at(-1) ?? 0)) };
}

function usualOf(sorted: Float64Array): number | undefined {
  if (sorted.length < INTERVALS_MIN) return undefined;
  const secondUs = sorted.at(-2) ?? 0;
  const medianUs = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  return secondUs <= IRREGULAR * medianUs ? secondUs : undefined;
}

/** When each series was received, in typed arrays, because every reading writes here. */
export class Arrivals {
  #lastUs = new Float64Array(256);
  #count = new Float64Array(256);
  #intervalsUs = new Float32Array(256 * INTERVALS_KEPT);

  /** Readings of one frame arrive together. Retried dead letters arrived earlier, and change nothing. */
  note(id: number, receivedAtUs: number): void {
    if (id >= this.#lastUs.length) this.#grow(id);
    const lastUs = this.#lastUs[id] as number;
    if (receivedAtUs <= lastUs) return;
    this.#lastUs[id] = receivedAtUs;
    if (lastUs === 0) return;
    const count = this.#count[id] as number;
    this.#intervalsUs[id * INTERVALS_KEPT + (count % INTERVALS_KEPT)] = receivedAtUs - lastUs;
    this.#count[id] = count + 1;
  }

  /** As if the series had sent at its rhythm. */
  restore(id: number, { seenUs, everyUs }: { readonly seenUs: number; readonly everyUs: number | undefined }): void {
    const count = everyUs === undefined ? 0 : INTERVALS_MIN;
    for (let i = count; i >= 0; i--) this.note(id, seenUs - i * (everyUs ?? 0));
  }

  /** The id goes to another series. */
  forget(id: number): void {
    if (id >= this.#lastUs.length) return;
    this.#lastUs[id] = 0;
    this.#count[id] = 0;
  }

  /** Receive time of the newest reading; 0 if there is none. */
  lastUs(id: number): number {
    return this.#lastUs[id] ?? 0;
  }

  rhythm(id: number): Rhythm {
    const kept = Math.min(this.#count[id] ?? 0, INTERVALS_KEPT);
    return rhythmOf(this.#intervalsUs.subarray(id * INTERVALS_KEPT, id * INTERVALS_KEPT + kept));
  }

  #grow(id: number): void {
    const size = Math.max(this.#lastUs.length * 2, id + 1);
    const lastUs = new Float64Array(size);
    lastUs.set(this.#lastUs);
    this.#lastUs = lastUs;
    const count = new Float64Array(size);
    count.set(this.#count);
    this.#count = count;
    const intervalsUs = new Float32Array(size * INTERVALS_KEPT);
    intervalsUs.set(this.#intervalsUs);
    this.#intervalsUs = intervalsUs;
  }
}
