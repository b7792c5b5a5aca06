import { countByReason } from "../../platform/dead-letter-log.ts";
import type { Log } from "../../platform/log/port.ts";
import type { IngestEvents } from "../common/events.ts";

const PERIOD_MS = 10_000;

/**
 * Reports how many dead letters the log holds, by reason: unlike the counters, this number survives a restart. Returns
 * a function that stops it.
 */
export function reportKeptLetters(log: Log, events: Pick<IngestEvents, "lettersKept">): () => void {
  async function report(): Promise<void> {
    try {
      events.lettersKept(await countByReason(log));
    } catch {
      // The log is away, and its health says so. The last numbers remain.
    }
  }
  void report();
  const timer = setInterval(() => void report(), PERIOD_MS);
  timer.unref();
  return () => clearInterval(timer);
}
