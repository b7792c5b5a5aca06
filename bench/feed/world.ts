import type { WindowResult } from "../../domain/window-result.ts";

/** The data that both servers send, and the subscriptions of the clients. */
export interface FeedLoad {
  readonly clients: number;
  readonly subscriptions: number;
  /** Window results per second. */
  readonly rate: number;
  readonly lines: number;
  readonly devices: number;
}

export const FLUSH_MS = 250;
const SOURCE_MS = 10;

/** The lines that a client subscribes to. */
export function linesOf(client: number, { subscriptions, lines }: FeedLoad): string[] {
  return Array.from({ length: subscriptions }, (_, i) => lineName((client * subscriptions + i) % lines));
}

function lineName(line: number): string {
  return `line-${line}`;
}

/**
 * Calls back with the results that are due, at an even rate, until stopped. Windows end now, so their age is the
 * latency.
 */
export function startSource(load: FeedLoad, onResults: (results: WindowResult[]) => void): () => void {
  const labels = Array.from({ length: load.devices }, (_, i) => ({
    device: `device-${i}`,
    metric: "temperature",
    line: lineName(i % load.lines),
  }));
  const startedMs = performance.now();
  let made = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedMs) / 1000) * load.rate);
    const endUs = nowUs();
    const results: WindowResult[] = [];
    for (; made < due; made++) {
      results.push({
        rule: "bench",
        labels: labels[made % labels.length] ?? {},
        startUs: endUs - 1_000_000,
        endUs,
        revision: 0,
        aggregates: { avg: 20 + (made % 1000) / 100, max: 30 },
      });
    }
    if (results.length > 0) onResults(results);
  }, SOURCE_MS);
  return () => clearInterval(timer);
}

/** Finer than a millisecond, and the same in all processes of a machine. */
export function nowUs(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}
