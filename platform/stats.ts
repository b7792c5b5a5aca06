import type { Bus } from "./log/port.ts";
import type { Metrics } from "./metrics.ts";

/** One process' or thread's figures, published on `stats.<instance>` each second. */
export interface StatsReport {
  /** Names the process or thread: `edge-4711`. */
  readonly instance: string;
  readonly atUs: number;
  /** What `registry.getMetricsAsJSON()` gives. */
  readonly metrics: readonly unknown[];
}

export const STATS_SUBJECTS = "stats.>";

export function startStatsReports(options: {
  readonly instance: string;
  readonly bus: Bus;
  readonly metrics: Metrics;
  readonly nowUs: () => number;
  readonly everyMs?: number;
}): () => void {
  const { instance, bus, metrics, nowUs } = options;
  async function report(): Promise<void> {
    const figures = await metrics.registry.getMetricsAsJSON();
    const message: StatsReport = { instance, atUs: nowUs(), metrics: figures };
    bus.publish(`stats.${instance}`, message);
  }
  const timer = setInterval(() => void report(), options.everyMs ?? 1000);
  timer.unref();
  return () => clearInterval(timer);
}
