import { fnv1a32 } from "../domain/partition.ts";
import { US_PER_MS } from "../domain/time.ts";
import type { FleetConfig, FleetMetric } from "./config.ts";
import { createRandom, type Random } from "./random.ts";

/** The faults that a device simulates, each counted where it occurs. */
export interface FaultCounts {
  spikes: number;
  dropouts: number;
  /** Messages not sent because their device was silent. */
  silenced: number;
  skewed: number;
  duplicates: number;
  outOfOrder: number;
}

export interface DeviceMessage {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly device: string;
  readonly tsMs: number;
  readonly values: Readonly<Record<string, number>>;
}

const QOS = [0, 1, 2] as const;

/** One simulated device. Its output depends only on its seed and on the times of the calls. */
export class FleetDevice {
  readonly #config: FleetConfig;
  readonly #counts: FaultCounts;
  readonly #random: Random;
  readonly #source: Pick<DeviceMessage, "device" | "topic" | "qos">;
  readonly #skewMs: number;
  /** Devices of one fleet are similar, not equal: each has its own level and its own phase of the wave. */
  readonly #phase: number;
  readonly #level: number;
  #silentUntilMs = Number.NEGATIVE_INFINITY;
  /** Messages that are sent after the next one. */
  #held: DeviceMessage[] = [];

  constructor(config: FleetConfig, index: number, counts: FaultCounts) {
    const { faults, sites } = config;
    const device = `${config.device_prefix}${index + 1}`;
    const site = sites[index % sites.length] ?? "";
    const qos = config.qos === "mixed" ? (QOS[index % 3] ?? 1) : config.qos;
    this.#config = config;
    this.#counts = counts;
    this.#source = { device, topic: `sensors/${site}/${device}/telemetry`, qos };
    // The draws below are in a fixed order: the same seed yields the same device.
    this.#random = createRandom(config.seed ^ fnv1a32(device));
    this.#skewMs = this.#random.chance(faults.skewed_devices) ? faults.skew / US_PER_MS : 0;
    this.#phase = this.#random.next() * 2 * Math.PI;
    this.#level = this.#random.normal() / 4;
  }

  /** The device's messages for now: none, one, or several. */
  next(nowMs: number): readonly DeviceMessage[] {
    const counts = this.#counts;
    const { dropout, duplicate, out_of_order, dropout_time } = this.#config.faults;
    const message = this.#measure(nowMs);
    // Every chance is drawn for every message, so that a fault does not shift later random numbers.
    const [drops, duplicates, late] = [dropout, duplicate, out_of_order].map(this.#random.chance);
    if (nowMs < this.#silentUntilMs) {
      counts.silenced += 1;
      return [];
    }
    if (drops === true) {
      counts.dropouts += 1;
      counts.silenced += 1;
      this.#silentUntilMs = nowMs + dropout_time / US_PER_MS;
      return [];
    }
    const messages = duplicates === true ? [message, message] : [message];
    if (duplicates === true) counts.duplicates += 1;
    if (late === true && this.#held.length === 0) {
      this.#held = messages;
      return [];
    }
    if (this.#held.length > 0) {
      counts.outOfOrder += 1;
      messages.push(...this.heldBack());
    }
    return messages;
  }

  /** Returns the messages that the device holds back, and forgets them. */
  heldBack(): readonly DeviceMessage[] {
    const messages = this.#held;
    this.#held = [];
    return messages;
  }

  #measure(nowMs: number): DeviceMessage {
    const { metrics, period, faults } = this.#config;
    const random = this.#random;
    const spikeAt = random.chance(faults.spike) ? Math.floor(random.next() * metrics.length) : -1;
    const values: Record<string, number> = {};
    for (const [i, metric] of metrics.entries()) {
      const angle = (2 * Math.PI * nowMs) / (period / US_PER_MS) + this.#phase;
      let value = metric.base + metric.amplitude * (Math.sin(angle) + this.#level) + metric.noise * random.normal();
      if (i === spikeAt) value += spikeOf(metric, faults.spike_size, random);
      values[metric.name] = Number(value.toFixed(metric.decimals));
    }
    if (spikeAt >= 0) this.#counts.spikes += 1;
    if (this.#skewMs !== 0) this.#counts.skewed += 1;
    return { ...this.#source, tsMs: nowMs + this.#skewMs, values };
  }
}

function spikeOf(metric: FleetMetric, size: number, random: Random): number {
  const scale = Math.abs(metric.amplitude) + metric.noise || Math.abs(metric.base) || 1;
  return (random.chance(0.5) ? 1 : -1) * size * scale;
}
