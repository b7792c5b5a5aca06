import { HEALTH, type HealthReport } from "../contracts/service-reports.ts";
import type { Bus } from "./log/port.ts";
import type { Health } from "./service.ts";

const REPORT_MS = 1_000;
const SILENT_MS = 5_000;

/** Publishes the health of the service every second; returns a function that stops it. */
export function startHealthReports(options: {
  readonly bus: Bus;
  readonly instance: string;
  readonly name: string;
  readonly health: () => Health;
}): () => void {
  const { bus, instance, name, health } = options;
  function report(): void {
    bus.publish(HEALTH, { name, health: health() }, instance);
  }
  report();
  const timer = setInterval(report, REPORT_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** The newest report of each service. A service that has gone silent is not ready. */
export interface HealthBoard {
  readonly entries: () => { name: string; health: Health }[];
  readonly close: () => void;
}

export function watchHealth(bus: Bus, expected: readonly string[]): HealthBoard {
  const newest = new Map<string, { report: HealthReport; atMs: number }>();
  const close = bus.subscribe(HEALTH, (report, key) => newest.set(key, { report, atMs: performance.now() }));
  function entries(): { name: string; health: Health }[] {
    const nowMs = performance.now();
    const seen = [...newest.values()].filter(({ atMs }) => nowMs - atMs < SILENT_MS).map(({ report }) => report);
    const missing = expected.filter((name) => !seen.some((report) => report.name === name));
    return [...seen, ...missing.map((name) => ({ name, health: { ready: false, detail: "says nothing" } }))];
  }
  return { entries, close };
}
