import { type Device, deviceKey } from "../../domain/reading.ts";
import type { SparkplugMetric, SparkplugPayload } from "./payload.ts";

/** What a birth says about a metric. */
export interface BornMetric {
  readonly name: string;
  readonly datatype: number | undefined;
  readonly unit: string | undefined;
  /** Undefined: the metric is of the edge node itself. */
  readonly device: string | undefined;
}

/** What the records keep of a node: enough to read its data after a restart. */
export interface KeptNode {
  readonly bdSeq: string | undefined;
  readonly aliases: readonly (readonly [alias: string, metric: BornMetric])[];
  /** By name, for data that names its metrics. */
  readonly metrics: readonly BornMetric[];
  readonly devices: readonly string[];
  /** The devices that its readings went to, with the Sparkplug device that they came from; "" is the node itself. */
  readonly fed: readonly (readonly [from: string, device: Device])[];
}

/** Why a node should send its births again. */
export type RebirthReason =
  | "no birth"
  | "a gap in its sequence"
  | "an unknown alias"
  | "an unknown device"
  | "a restart";

const FED_MAX = 1_000;
export const METRICS_PER_NODE_MAX = 20_000;
const SEQ_MODULUS = 256;
const BD_SEQ = "bdSeq";
const UNIT_NAMES = ["engUnit", "unit", "Unit", "units"] as const;

/** One edge node: what its births said, and where its sequence is. */
export class SparkplugNode {
  isBorn = false;
  /** Its births are those of before a restart: it may have been born again in between. */
  isRestored = false;
  bdSeq: string | undefined;
  #seq: number | undefined;
  readonly #aliases = new Map<string, BornMetric>();
  /** By device and name. */
  readonly #metrics = new Map<string, BornMetric>();
  readonly devices = new Set<string>();
  /** By where they come from, by their key. */
  readonly #fed = new Map<string, Map<string, Device>>();
  #fedCount = 0;

  /** Takes NBIRTH. Returns false if it has more metrics than a node may have. */
  birth(payload: SparkplugPayload): boolean {
    this.#aliases.clear();
    this.#metrics.clear();
    this.devices.clear();
    this.isBorn = true;
    this.isRestored = false;
    this.bdSeq = bdSeqOf(payload);
    this.#seq = payload.seq ?? 0;
    return this.#takeMetrics(payload, undefined);
  }

  /** Takes DBIRTH. The sequence counts on. */
  deviceBirth(device: string, payload: SparkplugPayload): boolean {
    for (const [alias, metric] of this.#aliases) if (metric.device === device) this.#aliases.delete(alias);
    for (const [key, metric] of this.#metrics) if (metric.device === device) this.#metrics.delete(key);
    this.devices.add(device);
    return this.#takeMetrics(payload, device);
  }

  /** Whether the message follows the one before. A restored node has no sequence yet. */
  follows(payload: SparkplugPayload): boolean {
    const { seq } = payload;
    if (seq === undefined) return true;
    const expected = this.#seq === undefined ? seq : (this.#seq + 1) % SEQ_MODULUS;
    this.#seq = seq;
    return seq === expected;
  }

  /** The node's session has ended, if the death is that of its current birth. */
  death(payload: SparkplugPayload): boolean {
    const bdSeq = bdSeqOf(payload);
    if (bdSeq !== undefined && this.bdSeq !== undefined && bdSeq !== this.bdSeq) return false;
    this.isBorn = false;
    this.#seq = undefined;
    return true;
  }

  /** What a birth said about a metric of a data message. */
  find({ alias, name }: SparkplugMetric, device: string | undefined): BornMetric | undefined {
    if (alias !== undefined) {
      const byAlias = this.#aliases.get(String(alias));
      if (byAlias !== undefined || name === undefined) return byAlias;
    }
    return name === undefined ? undefined : this.#metrics.get(keyOf(device, name));
  }

  /** Notes where readings of a Sparkplug device, or of the node itself, went. Returns whether that is new. */
  feeds(from: string | undefined, device: Device): boolean {
    const known = this.#fed.get(from ?? "") ?? new Map<string, Device>();
    const key = deviceKey(device);
    if (known.has(key) || this.#fedCount >= FED_MAX) return false;
    this.#fed.set(from ?? "", known.set(key, { device: device.device, tags: device.tags }));
    this.#fedCount++;
    return true;
  }

  /** Where readings of a Sparkplug device went; without one, those of the node and of all its devices. */
  fedBy(from?: string): Device[] {
    const all = from === undefined ? [...this.#fed.values()] : [this.#fed.get(from) ?? new Map<string, Device>()];
    return all.flatMap((devices) => [...devices.values()]);
  }

  kept(): KeptNode {
    return {
      bdSeq: this.bdSeq,
      aliases: [...this.#aliases],
      metrics: [...this.#metrics.values()],
      devices: [...this.devices],
      fed: [...this.#fed].flatMap(([from, devices]) => [...devices.values()].map((device) => [from, device] as const)),
    };
  }

  restore({ bdSeq, aliases, metrics, devices, fed }: KeptNode): void {
    this.isBorn = true;
    this.isRestored = true;
    this.bdSeq = bdSeq;
    for (const [alias, metric] of aliases) this.#aliases.set(alias, metric);
    for (const metric of metrics) this.#metrics.set(keyOf(metric.device, metric.name), metric);
    for (const device of devices) this.devices.add(device);
    for (const [from, device] of fed) this.feeds(from, device);
  }

  #takeMetrics({ metrics }: SparkplugPayload, device: string | undefined): boolean {
    for (const { name, alias, datatype, properties } of metrics) {
      if (name === undefined) continue;
      if (this.#metrics.size >= METRICS_PER_NODE_MAX) return false;
      const unit = UNIT_NAMES.map((key) => properties?.[key]).find(
        (value) => typeof value === "string" && value !== "",
      );
      const born = { name, datatype, unit: unit as string | undefined, device };
      this.#metrics.set(keyOf(device, name), born);
      if (alias !== undefined) this.#aliases.set(String(alias), born);
    }
    return true;
  }
}

function keyOf(device: string | undefined, name: string): string {
  return `${device ?? ""}\u0000${name}`;
}

function bdSeqOf({ metrics }: SparkplugPayload): string | undefined {
  const value = metrics.find(({ name }) => name === BD_SEQ)?.value;
  return typeof value === "number" || typeof value === "bigint" ? String(value) : undefined;
}
