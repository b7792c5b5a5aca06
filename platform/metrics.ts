import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** The metrics of one process or thread, in Prometheus's terms. Names begin with `weir_`. */
export interface Metrics {
  readonly registry: Registry;
  counter(name: string, help: string): Counter;
  counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label>;
  gauge(name: string, help: string): Gauge;
  gauge<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Gauge<Label>;
  /** Bucket bounds in seconds. */
  histogram(name: string, help: string, buckets: readonly number[]): Histogram;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    counter: (name: string, help: string, labelNames: readonly string[] = []) =>
      new Counter({ name, help, labelNames: [...labelNames], registers }),
    gauge: (name: string, help: string, labelNames: readonly string[] = []) =>
      new Gauge({ name, help, labelNames: [...labelNames], registers }),
    histogram: (name: string, help: string, buckets: readonly number[]) =>
      new Histogram({ name, help, buckets: [...buckets], registers }),
  };
}
