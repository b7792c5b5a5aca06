import type { Log, LogMessage } from "../../../platform/log/port.ts";
import { readRange } from "../../../platform/log/read-range.ts";

/** How often a reading that may wait for a deleted frame is checked. */
const CHECK_MS = 1_000;

export interface BacklogQuery {
  readonly log: Log;
  readonly subject: string;
  readonly afterSequence: number;
  /** Of the newest frame that is known. */
  readonly lastSequence: number;
  readonly onFailed: (what: string, error: unknown) => void;
}

/** The frames of a queue up to the newest; ends without it when a full stream has dropped it. */
export async function* readBacklog(query: BacklogQuery): AsyncGenerator<LogMessage> {
  const { log, subject, afterSequence, lastSequence, onFailed } = query;
  const stopping = new AbortController();
  const { signal } = stopping;
  async function check(): Promise<void> {
    try {
      if ((await log.lastFor("MQTT_QUEUE", subject)) === undefined) stopping.abort();
    } catch (error) {
      if (!signal.aborted) onFailed(`reading ${subject}`, error);
    }
  }
  const checking = setInterval(() => void check(), CHECK_MS);
  const from = { kind: "sequence", sequence: afterSequence + 1 } as const;
  try {
    for await (const batch of readRange(log, {
      stream: "MQTT_QUEUE",
      subjects: [subject],
      from,
      lastSequence,
      signal,
    })) {
      yield* batch;
    }
  } finally {
    clearInterval(checking);
    stopping.abort();
  }
}
