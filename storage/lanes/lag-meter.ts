import { US_PER_SECOND } from "../../domain/time.ts";
import type { Log, StreamBounds } from "../../platform/log/port.ts";
import type { StorageEvents } from "../common/events.ts";
import type { Position } from "../common/store.ts";
import type { Lane } from "./lane.ts";

const EVERY_MS = 2000;

export interface LagMeterOptions {
  readonly log: Log;
  readonly lanes: readonly Lane[];
  readonly events: StorageEvents;
  readonly nowUs: () => number;
  readonly logRetentionUs: number | undefined;
}

/** Measures how far storage lags behind the log, and how long the log keeps the messages that are not stored yet. */
export class LagMeter {
  readonly #options: LagMeterOptions;
  #timer: NodeJS.Timeout | undefined;
  #busy = false;

  constructor(options: LagMeterOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#measure(), EVERY_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #measure(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    const { log, lanes, events, nowUs, logRetentionUs } = this.#options;
    for (const { stream, applied } of lanes) {
      try {
        const bounds = await log.bounds(stream);
        const lag = lagOf(bounds, applied);
        events.lagMeasured(stream, lag, secondsLeft({ bounds, applied, nowUs: nowUs(), logRetentionUs }));
      } catch {
        // The log is unavailable, which its own health reports. The gauges keep their values.
      }
    }
    this.#busy = false;
  }
}

export function lagOf(bounds: StreamBounds, applied: Position): number {
  return Math.max(0, bounds.lastSequence - Math.max(applied.sequence, bounds.firstSequence - 1));
}

/**
 * The time until the log deletes the first message that is not stored yet. It follows from the log's retention, if
 * known. Once the log has deleted messages, it follows from the age of the oldest one, which is also right when size
 * is the limit.
 */
export function secondsLeft(options: {
  readonly bounds: StreamBounds;
  readonly applied: Position;
  readonly nowUs: number;
  readonly logRetentionUs: number | undefined;
}): number | undefined {
  const { bounds, applied, nowUs, logRetentionUs } = options;
  const waits = lagOf(bounds, applied) > 0;
  const waitsSinceUs = waits ? Math.max(applied.storedAtUs, bounds.firstAtUs) : nowUs;
  const byAge = logRetentionUs === undefined ? undefined : logRetentionUs - (nowUs - waitsSinceUs);
  const bySize = bounds.firstSequence > 1 && bounds.messages > 0 ? waitsSinceUs - bounds.firstAtUs : undefined;
  if (byAge === undefined && bySize === undefined) return undefined;
  const leftUs = Math.min(byAge ?? Number.POSITIVE_INFINITY, bySize ?? Number.POSITIVE_INFINITY);
  return Math.max(0, leftUs) / US_PER_SECOND;
}
