import type { StreamName } from "../../domain/subjects.ts";
import { newestSequence } from "./newest-sequence.ts";
import { type Log, LogClosedError, type LogMessage, type ReadFrom } from "./port.ts";

export interface RangeQuery {
  readonly stream: StreamName;
  /** Exact subjects, without wildcards. */
  readonly subjects?: readonly string[];
  /** Default: the beginning. */
  readonly from?: ReadFrom;
  /**
   * Up to and including this sequence. It must be a message of these subjects, or nothing would end the reading of a
   * quiet log. Default: the newest message at the start.
   */
  readonly lastSequence?: number;
  /** Ends the reading early; the caller checks `signal.aborted`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The messages of a stream up to an end, in batches as they arrive; ends there, unlike `Log.read`. Throws
 * `LogClosedError` when the log is closed before the end.
 */
export async function* readRange(
  log: Pick<Log, "read" | "bounds" | "lastFor">,
  { stream, subjects, from = { kind: "first" }, lastSequence, signal }: RangeQuery,
): AsyncGenerator<readonly LogMessage[]> {
  const end = lastSequence ?? (await endOf(log, stream, subjects));
  if (end === 0 || signal?.aborted) return;
  if (from.kind === "sequence" && from.sequence > end) return;
  const reader = log.read({ stream, from, ...(subjects ? { subjects } : {}) });
  const close = () => void reader.close();
  signal?.addEventListener("abort", close);
  try {
    for await (const batch of reader) {
      const inRange = (batch.at(-1)?.sequence ?? 0) <= end ? batch : batch.filter(({ sequence }) => sequence <= end);
      if (inRange.length > 0) yield inRange;
      if ((batch.at(-1)?.sequence ?? 0) >= end) return;
    }
    if (!signal?.aborted) throw new LogClosedError(`the log was closed while ${stream} was read`);
  } finally {
    signal?.removeEventListener("abort", close);
    await reader.close();
  }
}

/**
 * Gives the newest message of each subject of a stream, up to the stream's current end. Resolves to the sequence to
 * `follow` from: nothing in between is missed or repeated.
 */
export async function readNewest(
  log: Pick<Log, "read" | "bounds" | "lastFor">,
  { stream, signal }: Pick<RangeQuery, "stream" | "signal">,
  apply: (message: LogMessage) => void,
): Promise<number> {
  const { lastSequence, messages } = await log.bounds(stream);
  if (messages === 0) return lastSequence + 1;
  // The newest message of the whole stream is the newest of its subject too, so this reading ends.
  const range = { stream, from: { kind: "last-per-subject" }, lastSequence, signal } as const;
  for await (const batch of readRange(log, range)) for (const message of batch) apply(message);
  return lastSequence + 1;
}

async function endOf(
  log: Pick<Log, "bounds" | "lastFor">,
  stream: StreamName,
  subjects: readonly string[] | undefined,
): Promise<number> {
  if (subjects !== undefined) return newestSequence(log, stream, subjects);
  const { lastSequence, messages } = await log.bounds(stream);
  return messages === 0 ? 0 : lastSequence;
}
