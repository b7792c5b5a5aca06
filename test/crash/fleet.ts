import { partitionOf } from "../../domain/partition.ts";
import type { ReadingValue, Series } from "../../domain/reading.ts";
import { Random } from "../simulation/random.ts";

const MS_US = 1_000;
const SECOND_US = 1_000_000;
const DEVICES_PER_SITE = 4;
const DEVICES_PER_ZONE = 250;
/** Readings a second of each device. */
const READINGS_PER_DEVICE = 5;
const REMEMBERED = 4_096;
/** Devices go silent for whole spans of this length, so that absences begin and end. */
const SILENCE_US = 5 * SECOND_US;

/** A reading on its way to a partition. */
export interface FleetReading {
  readonly partition: number;
  readonly series: Series;
  readonly atUs: number;
  readonly value: ReadingValue;
}

interface Device {
  readonly partition: number;
  readonly temperature: Series;
  readonly load: Series;
  readonly door: Series;
  readonly phase: number;
}

/** Devices with their own clocks, whose readings arrive out of order, late, and more than once. */
export class Fleet {
  readonly #random: Random;
  readonly #devices: readonly Device[];
  readonly #sent: FleetReading[] = [];
  #place = 0;

  constructor(options: { readonly seed: number; readonly rate: number; readonly partitions: number }) {
    const { seed, rate, partitions } = options;
    this.#random = new Random(seed);
    const count = Math.max(DEVICES_PER_SITE, Math.round(rate / READINGS_PER_DEVICE));
    this.#devices = Array.from({ length: count }, (_, i) => makeDevice(i, partitions));
  }

  /** The next reading that arrives at an instant; undefined when its device is silent. */
  next(nowUs: number): FleetReading | undefined {
    const random = this.#random;
    if (this.#sent.length > 0 && random.chance(0.03)) return this.#repeated();
    const place = random.whole(0, this.#devices.length - 1);
    const device = random.pick(this.#devices.slice(place, place + 1));
    if (isSilent(place, nowUs)) return undefined;
    // Whole milliseconds: devices of a site often speak at the same instant.
    const atUs = Math.floor((nowUs - this.#delayUs()) / MS_US) * MS_US;
    const reading = { partition: device.partition, atUs, ...this.#measured(device, atUs) };
    this.#sent[this.#place++ % REMEMBERED] = reading;
    return reading;
  }

  /** A duplicate of a reading, sometimes with another value: the first one counts. */
  #repeated(): FleetReading {
    const reading = this.#random.pick(this.#sent);
    if (typeof reading.value !== "number" || this.#random.chance(0.5)) return reading;
    return { ...reading, value: reading.value + 1_000 };
  }

  #delayUs(): number {
    const random = this.#random;
    const kind = random.next();
    if (kind < 0.86) return random.whole(0, 200 * MS_US);
    if (kind < 0.95) return random.whole(0, 2 * SECOND_US);
    if (kind < 0.99) return random.whole(0, 15 * SECOND_US);
    return -random.whole(0, 500 * MS_US);
  }

  #measured(device: Device, atUs: number): { readonly series: Series; readonly value: ReadingValue } {
    const random = this.#random;
    const kind = random.next();
    const wave = Math.sin(atUs / (4 * SECOND_US) + device.phase);
    if (kind < 0.6) return { series: device.temperature, value: round(50 + 15 * wave + 8 * (random.next() - 0.5)) };
    if (kind < 0.85) return { series: device.load, value: round(50 + 6 * wave + 10 * (random.next() - 0.5)) };
    return { series: device.door, value: wave > 0 ? "open" : "closed" };
  }
}

function makeDevice(i: number, partitions: number): Device {
  const device = `d${i}`;
  const tags = { site: `s${Math.floor(i / DEVICES_PER_SITE)}`, zone: `z${Math.floor(i / DEVICES_PER_ZONE)}` };
  return {
    partition: partitionOf(device, partitions),
    temperature: { device, metric: "temperature", tags, kind: "number" },
    load: { device, metric: "load", tags, kind: "number" },
    door: { device, metric: "door", tags, kind: "string" },
    phase: (i * 0.7) % (2 * Math.PI),
  };
}

/** One device in eight, different ones in each span; sometimes a whole site. */
function isSilent(place: number, nowUs: number): boolean {
  const span = Math.floor(nowUs / SILENCE_US);
  return (place + 3 * span) % 8 === 0 || (Math.floor(place / DEVICES_PER_SITE) + span) % 16 === 0;
}

/** Tenths are not exact in binary: sums reveal a lost reading. */
function round(value: number): number {
  return Math.round(value * 10) / 10;
}
