import { keysOf } from "../../domain/keys-of.ts";
import { type Device, deviceKey, type Tags } from "../../domain/reading.ts";

/** The outcomes of a device's messages: `messages = stored + deadLettered + dropped + in flight`. */
export interface DeviceCounts {
  messages: number;
  stored: number;
  deadLettered: number;
  dropped: number;
  readings: number;
  clockAhead: number;
  /** Readings from clocks that fell back. */
  clockBehind: number;
}

interface Entry {
  readonly device: string;
  readonly tags: Tags;
  readonly counts: DeviceCounts;
}

/** Counts for each device with its tags, for the first `devicesMax` of them. The others share the entry `(others)`. */
export class DeviceLedger {
  readonly #entries = new Map<string, Entry>();
  readonly #devicesMax: number;

  constructor(devicesMax: number) {
    this.#devicesMax = devicesMax;
  }

  of({ device, tags }: Device): DeviceCounts {
    const key = deviceKey({ device, tags });
    const known = this.#entries.get(key);
    if (known !== undefined) return known.counts;
    if (this.#entries.size >= this.#devicesMax && device !== OTHERS.device) return this.of(OTHERS);
    const counts = { messages: 0, stored: 0, deadLettered: 0, dropped: 0, readings: 0, clockAhead: 0, clockBehind: 0 };
    this.#entries.set(key, { device, tags, counts });
    return counts;
  }

  /** Its counts so far go to `(others)`. */
  forget(device: Device): void {
    const key = deviceKey(device);
    const counts = this.#entries.get(key)?.counts;
    if (counts === undefined) return;
    this.#entries.delete(key);
    const others = this.of(OTHERS);
    for (const name of keysOf(counts)) others[name] += counts[name];
  }

  entries(): Entry[] {
    return [...this.#entries.values()].map(({ counts, ...device }) => ({ ...device, counts: { ...counts } }));
  }
}

const OTHERS: Device = { device: "(others)", tags: {} };
