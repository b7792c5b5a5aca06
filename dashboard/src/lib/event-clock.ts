/**
 * Whether the readings are live, a replay of recorded data, or both. `newestUs`: the newest reading of the kind; `speed`:
 * seconds of recorded time per second, undefined until it is known.
 */
export type EventTime =
  | { readonly kind: "none" }
  | { readonly kind: "live"; readonly newestUs: number }
  | { readonly kind: "replay"; readonly newestUs: number; readonly speed: number | undefined }
  /** Some devices are live, others replay recorded data. */
  | { readonly kind: "mixed"; readonly newestUs: number; readonly speed: number | undefined };

/** A reading is recorded data if it is this far from the time of its arrival. Sensors are never that slow. */
const REPLAY_US = 2 * 3_600_000_000;
const SPEED_SPAN_US = 20_000_000;
/** After this time without recorded data, the replay has ended. */
const REPLAY_ENDS_US = 600_000_000;

interface Mark {
  readonly seenUs: number;
  readonly eventUs: number;
}

/** A newest reading: when it was measured, and when it arrived at the gateway. */
interface Observed {
  readonly newestUs: number;
  readonly seenUs: number;
}

/** Whether the newest reading of a device comes from a recording. */
export function isRecorded({ newestUs, seenUs }: Observed): boolean {
  return Math.abs(seenUs - newestUs) >= REPLAY_US;
}

export class EventClock {
  #liveUs = -Infinity;
  #recordedUs = -Infinity;
  #recordedSeenUs = -Infinity;
  #marks: Mark[] = [];

  observe(observed: Observed): void {
    if (isRecorded(observed)) this.#observeRecorded(observed);
    else this.#liveUs = Math.max(this.#liveUs, observed.newestUs);
  }

  #observeRecorded({ newestUs, seenUs }: Observed): void {
    this.#recordedSeenUs = Math.max(this.#recordedSeenUs, seenUs);
    if (newestUs <= this.#recordedUs) return;
    // A replay may start again elsewhere. The speed must not average over that jump.
    if (newestUs - this.#recordedUs > 40 * 86_400_000_000) this.#marks = [];
    this.#recordedUs = newestUs;
    const last = this.#marks.at(-1);
    if (last !== undefined && seenUs - last.seenUs < 500_000) return;
    this.#marks.push({ seenUs, eventUs: newestUs });
    while (this.#marks.length > 2 && seenUs - (this.#marks[0]?.seenUs ?? 0) > SPEED_SPAN_US) this.#marks.shift();
  }

  /** The newest reading of all. */
  get newestUs(): number {
    return Math.max(this.#liveUs, this.#recordedUs);
  }

  /** The newest recorded reading. */
  get recordedUs(): number {
    return this.#recordedUs;
  }

  /** The newest live reading and the newest recorded one, as far as there are any. */
  get presents(): readonly number[] {
    return [this.#liveUs, this.#recordedUs].filter(Number.isFinite);
  }

  read(nowUs: number): EventTime {
    if (this.#recordedUs === -Infinity && this.#liveUs === -Infinity) return { kind: "none" };
    const hasEnded = nowUs - this.#recordedSeenUs > REPLAY_ENDS_US;
    if (this.#recordedUs === -Infinity || (hasEnded && this.#liveUs !== -Infinity)) {
      return { kind: "live", newestUs: this.#liveUs };
    }
    const kind = this.#liveUs === -Infinity ? "replay" : "mixed";
    return { kind, newestUs: this.#recordedUs, speed: this.#speed() };
  }

  #speed(): number | undefined {
    const first = this.#marks[0];
    const last = this.#marks.at(-1);
    const overUs = (last?.seenUs ?? 0) - (first?.seenUs ?? 0);
    if (first === undefined || last === undefined || overUs < 3_000_000) return undefined;
    return (last.eventUs - first.eventUs) / overUs;
  }
}

/** `3,600×`, to two significant digits, because the speed of a replay is never exact. */
export function formatSpeed(speed: number): string {
  const digits = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(speed, 1))) - 1);
  return `${(Math.round(speed / digits) * digits).toLocaleString("en-US")}×`;
}
