import type { Counter, Gauge, Histogram } from "prom-client";
import type { Metrics } from "./metrics.ts";

/**
 * How the `events.ts` of a service logs and counts its events:
 *
 * 1. `FIGURES`, one table with every metric: name, help, labels. It is data, so that docs and tests can list it.
 * 2. Events in groups by subject, each a function `(logger, figures) => ({ taskLost(task) {...}, ... })` that returns
 *    functions without `this`, so that they can be passed on (`onFailed: events.readFailed`). An event is named in the
 *    past tense. It writes its log line and updates its figures; no other code does either.
 * 3. `createXEvents(logger, metrics)`: creates the figures and merges the groups.
 *
 * `processors/events.ts` is the example.
 */
export interface FigureSpec<Figure> {
  readonly kind: "counter" | "gauge" | "histogram";
  /** Begins with `weir_`. */
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly create: (metrics: Metrics) => Figure;
}

/** Only grows. */
export function counter<Label extends string = never>(
  name: string,
  help: string,
  labels: readonly Label[] = [],
): FigureSpec<Counter<Label>> {
  return { kind: "counter", name, help, labels, create: (metrics) => metrics.counter(name, help, labels) };
}

/** Goes up and down. */
export function gauge<Label extends string = never>(
  name: string,
  help: string,
  labels: readonly Label[] = [],
): FigureSpec<Gauge<Label>> {
  return { kind: "gauge", name, help, labels, create: (metrics) => metrics.gauge(name, help, labels) };
}

/** Counts observations by size; bucket bounds in seconds. */
export function histogram(name: string, help: string, buckets: readonly number[]): FigureSpec<Histogram> {
  return { kind: "histogram", name, help, labels: [], create: (metrics) => metrics.histogram(name, help, buckets) };
}

export type FigureTable = Readonly<Record<string, FigureSpec<unknown>>>;

export type Figures<Table extends FigureTable> = {
  readonly [Name in keyof Table]: ReturnType<Table[Name]["create"]>;
};

/** The figures of a table, registered. The overload only names their types. */
export function createFigures<Table extends FigureTable>(metrics: Metrics, table: Table): Figures<Table>;
export function createFigures(metrics: Metrics, table: FigureTable): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(table).map(([name, spec]) => [name, spec.create(metrics)]));
}
