/** The outcomes of a device's messages: `messages = stored + deadLettered + dropped + in flight`. */
export interface DeviceCounts {
  messages: number;
  stored: number;
  deadLettered: number;
  dropped: number;
  readings: number;
  clockAhead: number;
}

/** Counts per device, for the first `devicesMax` devices. The others share the entry `(others)`. */
export class DeviceLedger {
  readonly #counts = new Map<string, DeviceCounts>();
  readonly #devicesMax: number;

  constructor(devicesMax: number) {
    this.#devicesMax = devicesMax;
  }

  of(device: string): DeviceCounts {
    const known = this.#counts.get(device);
    if (known !== undefined) return known;
    if (this.#counts.size >= this.#devicesMax && device !== OTHERS) return this.of(OTHERS);
    const counts = { messages: 0, stored: 0, deadLettered: 0, dropped: 0, readings: 0, clockAhead: 0 };
    this.#counts.set(device, counts);
    return counts;
  }

  entries(): { device: string; counts: DeviceCounts }[] {
    return [...this.#counts].map(([device, counts]) => ({ device, counts: { ...counts } }));
  }
}

const OTHERS = "(others)";
