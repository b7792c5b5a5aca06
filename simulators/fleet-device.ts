import { fnv1a32 } from "../domain/partition.ts";
import { US_PER_MS } from "../domain/time.ts";
import type { FleetConfig, FleetMetric } from "./config.ts";
import { createRandom, type Random } from "./random.ts";

/** What goes wrong on purpose, each counted where it happens. */
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

/** One made-up device: a function of its seed and of the times at which it is asked. */
export interface FleetDevice {
  readonly device: string;
  /** What the device sends now: nothing, a message, or several. */
  next(nowMs: number): readonly DeviceMessage[];
  /** What it still holds back at the end. */
  rest(): readonly DeviceMessage[];
}

export function createFleetDevice(config: FleetConfig, index: number, counts: FaultCounts): FleetDevice {
  const device = `${config.device_prefix}${index + 1}`;
  const random = createRandom(config.seed ^ fnv1a32(device));
  const site = config.sites[index % config.sites.length] ?? "";
  const topic = `sensors/${site}/${device}/telemetry`;
  const qos = config.qos === "mixed" ? (QOS[index % 3] ?? 1) : config.qos;
  const { faults } = config;
  const skewMs = random.chance(faults.skewed_devices) ? faults.skew / US_PER_MS : 0;
  // Devices of one fleet are alike, not equal: each has its own level and its own place in the wave.
  const phase = random.next() * 2 * Math.PI;
  const level = random.normal() / 4;
  let silentUntilMs = Number.NEGATIVE_INFINITY;
  let held: DeviceMessage[] = [];

  function measure(nowMs: number): DeviceMessage {
    const spikeAt = random.chance(faults.spike) ? Math.floor(random.next() * config.metrics.length) : -1;
    const values: Record<string, number> = {};
    for (const [i, metric] of config.metrics.entries()) {
      const angle = (2 * Math.PI * nowMs) / (config.period / US_PER_MS) + phase;
      let value = metric.base + metric.amplitude * (Math.sin(angle) + level) + metric.noise * random.normal();
      if (i === spikeAt) value += spikeOf(metric, faults.spike_size, random);
      values[metric.name] = Number(value.toFixed(metric.decimals));
    }
    if (spikeAt >= 0) counts.spikes += 1;
    if (skewMs !== 0) counts.skewed += 1;
    return { topic, qos, device, tsMs: nowMs + skewMs, values };
  }

  return {
    device,
    next(nowMs) {
      const message = measure(nowMs);
      // Every chance is drawn at every message, so that a fault does not shift the numbers after it.
      const [drops, duplicates, late] = [faults.dropout, faults.duplicate, faults.out_of_order].map(random.chance);
      if (nowMs < silentUntilMs) {
        counts.silenced += 1;
        return [];
      }
      if (drops === true) {
        counts.dropouts += 1;
        counts.silenced += 1;
        silentUntilMs = nowMs + faults.dropout_time / US_PER_MS;
        return [];
      }
      const messages = duplicates === true ? [message, message] : [message];
      if (duplicates === true) counts.duplicates += 1;
      if (late === true && held.length === 0) {
        held = messages;
        return [];
      }
      if (held.length > 0) {
        counts.outOfOrder += 1;
        messages.push(...held);
        held = [];
      }
      return messages;
    },
    rest() {
      const messages = held;
      held = [];
      return messages;
    },
  };
}

const QOS = [0, 1, 2] as const;

function spikeOf(metric: FleetMetric, size: number, random: Random): number {
  const scale = Math.abs(metric.amplitude) + metric.noise || Math.abs(metric.base) || 1;
  return (random.chance(0.5) ? 1 : -1) * size * scale;
}
