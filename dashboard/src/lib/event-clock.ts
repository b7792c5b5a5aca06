/** Whether the readings are live or a replay of recorded data. */
export type EventTime =
  | { readonly kind: "none" }
  | { readonly kind: "live"; readonly newestUs: number }
  /** `speed`: seconds of recorded time per second; undefined until it is known. */
  | { readonly kind: "replay"; readonly newestUs: number; readonly speed: number | undefined };

/** Readings are recorded data if the newest is this far from the wall clock. Sensors are never that slow. */
const REPLAY_US = 2 * 3_600_000_000;
const SPEED_SPAN_US = 20_000_000;

interface Mark {
  readonly wallUs: number;
  readonly eventUs: number;
}

export class EventClock {
  #newestUs = -Infinity;
  #marks: Mark[] = [];

  /** A reading with this observation time arrived at this time. */
  observe(eventUs: number, wallUs: number): void {
    if (eventUs <= this.#newestUs) return;
    // A replay may start again elsewhere. The speed must not average over that jump.
    if (eventUs - this.#newestUs > 40 * 86_400_000_000) this.#marks = [];
    this.#newestUs = eventUs;
    const last = this.#marks.at(-1);
    if (last !== undefined && wallUs - last.wallUs < 500_000) return;
    this.#marks.push({ wallUs, eventUs });
    while (this.#marks.length > 2 && wallUs - (this.#marks[0]?.wallUs ?? 0) > SPEED_SPAN_US) this.#marks.shift();
  }

  get newestUs(): number {
    return this.#newestUs;
  }

  read(wallUs: number): EventTime {
    if (this.#newestUs === -Infinity) return { kind: "none" };
    if (Math.abs(wallUs - this.#newestUs) < REPLAY_US) return { kind: "live", newestUs: this.#newestUs };
    const first = this.#marks[0];
    const last = this.#marks.at(-1);
    const overUs = (last?.wallUs ?? 0) - (first?.wallUs ?? 0);
    const speed =
      first !== undefined && last !== undefined && overUs >= 3_000_000
        ? (last.eventUs - first.eventUs) / overUs
        : undefined;
    return { kind: "replay", newestUs: this.#newestUs, speed };
  }
}

/** `3,600×`, to two significant digits, because the speed of a replay is never exact. */
export function formatSpeed(speed: number): string {
  const digits = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(speed, 1))) - 1);
  return `${(Math.round(speed / digits) * digits).toLocaleString("en-US")}×`;
}
