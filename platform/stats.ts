import { STATS } from "../contracts/service-reports.ts";
import type { Bus } from "./log/port.ts";
import type { Metrics } from "./metrics.ts";

/** Publishes the metrics of this process or thread on `stats.<instance>`; returns a function that stops it. */
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
    bus.publish(STATS, { instance, atUs: nowUs(), metrics: figures }, instance);
  }
  const timer = setInterval(() => void report(), options.everyMs ?? 1000);
  timer.unref();
  return () => clearInterval(timer);
}
