import { z } from "zod";
import type { StatsItem } from "../../contracts/feed/protocol.ts";
import { type Position, positionOf } from "../common/cursor.ts";
import type { CompiledFilter } from "../common/filter.ts";
import { ChangeOrder } from "./change-order.ts";
import type { Matches, StateView } from "./view.ts";

const metricSchema = z.object({
  name: z.string(),
  help: z.string().default(""),
  type: z.string().default("untyped"),
  values: z.array(
    z.object({
      value: z.number(),
      labels: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
      /** Only in histograms and summaries: `name_bucket`, `name_sum`. */
      metricName: z.string().optional(),
    }),
  ),
});

const reportSchema = z.object({
  instance: z.string().min(1).max(200),
  atUs: z.number(),
  /** Parsed one by one: a bad value (`NaN` arrives as null) must not cost the other metrics. */
  metrics: z.array(z.unknown()).max(5_000),
});

export type Metric = z.infer<typeof metricSchema>;

export interface Report {
  readonly instance: string;
  readonly atUs: number;
  readonly metrics: readonly Metric[];
}

/** An instance is gone when it was silent for this long while others were not. */
const SILENT_US = 15_000_000;

/**
 * The newest figures of each process or thread. They come over the bus, so a client that reconnects has no past to
 * request.
 */
export class StatsView implements StateView {
  readonly order = new ChangeOrder();
  readonly began = 0;
  readonly losses = 0;
  readonly floor = 0;
  readonly loaded = true;
  readonly #instancesMax: number;
  readonly #slotOf = new Map<string, number>();
  readonly #reports: (Report | undefined)[] = [];
  readonly #texts: (string | undefined)[] = [];
  #version = 0;

  constructor(options: { readonly instancesMax: number }) {
    this.#instancesMax = options.instancesMax;
  }

  get head(): Position {
    return positionOf(this.#version, 0);
  }

  /** The figures of instances that still report. */
  get reports(): readonly Report[] {
    const reports = this.#reports.filter((report) => report !== undefined);
    const newestUs = Math.max(...reports.map(({ atUs }) => atUs));
    return reports.filter(({ atUs }) => atUs > newestUs - SILENT_US);
  }

  /** Returns true if it was a report. */
  apply(value: unknown): boolean {
    const report = parseReport(value);
    if (report === undefined) return false;
    let slot = this.#slotOf.get(report.instance);
    if (slot === undefined) {
      // Evicts the instance that was silent longest.
      slot = this.#slotOf.size < this.#instancesMax ? this.#slotOf.size : this.order.first;
      const gone = this.#reports[slot];
      if (gone !== undefined) this.#slotOf.delete(gone.instance);
      this.#slotOf.set(report.instance, slot);
    }
    this.#reports[slot] = report;
    this.#texts[slot] = undefined;
    this.order.touch(slot, positionOf(++this.#version, 0));
    return true;
  }

  textOf(slot: number): string {
    const report = this.#reports[slot];
    if (report === undefined) throw new RangeError(`no report in slot ${slot}`);
    const text = this.#texts[slot] ?? JSON.stringify(statsItemOf(report));
    this.#texts[slot] = text;
    return text;
  }

  /** The channel has no past, so it loses nothing. */
  lostAfter(): number {
    return 0;
  }

  matcher(filter: CompiledFilter): Matches {
    return (slot) => filter.matches((name) => (name === "instance" ? (this.#reports[slot]?.instance ?? "") : ""));
  }
}

/** Undefined unless it is a StatsReport. Leaves out metrics without a value. */
export function parseReport(value: unknown): Report | undefined {
  const report = reportSchema.safeParse(value);
  if (!report.success) return undefined;
  const { instance, atUs } = report.data;
  const metrics = report.data.metrics.flatMap((metric) => {
    const parsed = metricSchema.safeParse(metric);
    return parsed.success ? [parsed.data] : [];
  });
  return { instance, atUs, metrics };
}

function statsItemOf({ instance, atUs, metrics }: Report): StatsItem {
  const values: Record<string, number> = {};
  for (const metric of metrics) {
    for (const sample of metric.values) values[sampleName(metric, sample)] = sample.value;
  }
  return { instance, atUs, values };
}

/** `name` or `name{label="value"}`, as Prometheus writes it. */
export function sampleName(
  metric: Metric,
  sample: Metric["values"][number],
  more: Record<string, string> = {},
): string {
  const name = sample.metricName ?? metric.name;
  const labels = Object.entries({ ...sample.labels, ...more }).map(([label, value]) => `${label}="${escaped(value)}"`);
  return labels.length === 0 ? name : `${name}{${labels.join(",")}}`;
}

function escaped(value: string | number): string {
  return String(value).replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
