import type { StreamName } from "../../domain/subjects.ts";
import { newestSequence } from "./newest-sequence.ts";
import { type Log, LogClosedError, type LogMessage, type ReadFrom } from "./port.ts";

/** How often a reading checks that its last message still exists. */
const CHECK_MS = 1_000;

type ReadableLog = Pick<Log, "read" | "bounds" | "lastFor" | "newest">;

export interface RangeQuery {
  readonly stream: StreamName;
  /** Exact subjects, without wildcards. */
  readonly subjects?: readonly string[];
  /** Default: the beginning. */
  readonly from?: ReadFrom;
  /**
   * Up to and including this sequence. It must be a message of these subjects, or nothing would end the reading of a
   * quiet log; reading ends when it is deleted meanwhile. Default: the newest message at the start.
   */
  readonly lastSequence?: number;
  /** As in `ReadQuery`. */
  readonly headersOnly?: boolean;
  /** Ends the reading early; the caller checks `signal.aborted`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The messages of a stream up to an end, in batches as they arrive; ends there, unlike `Log.read`. Throws
 * `LogClosedError` when the log is closed before the end.
 */
export async function* readRange(
  log: ReadableLog,
  { stream, subjects, from = { kind: "first" }, lastSequence, headersOnly = false, signal }: RangeQuery,
): AsyncGenerator<readonly LogMessage[]> {
  let end = lastSequence ?? (await endOf(log, stream, subjects));
  if (end === 0 || signal?.aborted) return;
  if (from.kind === "sequence" && from.sequence > end) return;
  const reader = log.read({ stream, from, headersOnly, ...(subjects ? { subjects } : {}) });
  const close = () => void reader.close();
  signal?.addEventListener("abort", close);
  let given = 0;
  let isGone = false;
  // Another writer may purge the last message before it is read.
  const checking = setInterval(() => {
    endOf(log, stream, subjects).then(
      (newest) => {
        end = Math.min(end, newest);
        if (given < end && !(from.kind === "sequence" && from.sequence > end)) return;
        isGone = true;
        close();
      },
      () => {},
    );
  }, CHECK_MS);
  try {
    for await (const batch of reader) {
      const inRange = (batch.at(-1)?.sequence ?? 0) <= end ? batch : batch.filter(({ sequence }) => sequence <= end);
      given = batch.at(-1)?.sequence ?? given;
      if (inRange.length > 0) yield inRange;
      if ((batch.at(-1)?.sequence ?? 0) >= end) return;
    }
    if (!signal?.aborted && !isGone) throw new LogClosedError(`the log was closed while ${stream} was read`);
  } finally {
    clearInterval(checking);
    signal?.removeEventListener("abort", close);
    await reader.close();
  }
}

/**
 * Gives the newest message of each subject of a stream, up to the stream's current end. Resolves to the sequence to
 * `follow` from: nothing in between is missed or repeated.
 */
export async function readNewest(
  log: ReadableLog,
  { stream, signal }: Pick<RangeQuery, "stream" | "signal">,
  apply: (message: LogMessage) => void,
): Promise<number> {
  const { lastSequence } = await log.bounds(stream);
  const newest = await log.newest(stream);
  if (newest === undefined) return lastSequence + 1;
  // The newest message of the whole stream is the newest of its subject too, so this reading ends.
  const last = Math.min(newest.sequence, lastSequence);
  const range = { stream, from: { kind: "last-per-subject" }, lastSequence: last, signal } as const;
  for await (const batch of readRange(log, range)) for (const message of batch) apply(message);
  return lastSequence + 1;
}

async function endOf(
  log: Pick<Log, "bounds" | "lastFor" | "newest">,
  stream: StreamName,
  subjects: readonly string[] | undefined,
): Promise<number> {
  if (subjects !== undefined) return newestSequence(log, stream, subjects);
  return (await log.newest(stream))?.sequence ?? 0;
}
