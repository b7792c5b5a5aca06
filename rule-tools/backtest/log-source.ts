import { BadFrameError, FrameReader, type LogEntry, type SeriesTable } from "../../domain/frame-reader.ts";
import { partitionOfSubject, type StreamName } from "../../domain/subjects.ts";
import type { Log, LogMessage } from "../../platform/log/port.ts";
import type { RecordedEntry } from "./backtest.ts";
import type { LogStretch } from "./forwarded-rules.ts";

export interface LogSourceOptions {
  readonly table: SeriesTable;
  readonly partitions: number;
  readonly stretch: LogStretch;
  /** Whether any rule is computed from the groups log, and whether any rule over several devices is not. */
  readonly readShares: boolean;
  readonly merge: boolean;
}

/**
 * Yields the entries of the readings log up to its current end, then those of the groups log, as the gateway's tasks
 * read them. With `merge`, readings also go to one task for all partitions, in the order in which the log stored
 * them.
 */
export async function* entriesOfLog(
  log: Pick<Log, "read" | "bounds">,
  options: LogSourceOptions,
): AsyncGenerator<readonly RecordedEntry[]> {
  const { partitions, readShares, merge } = options;
  for await (const { message, entry } of readEntries(log, "READINGS", options)) {
    const position = positionOf(message, partitionOfSubject(message.subject));
    yield [{ entry, position, for: merge ? "both" : "devices" }];
  }
  if (!readShares) return;
  for await (const { message, entry } of readEntries(log, "GROUPS", options)) {
    const share = Number(message.subject.split(".")[1]);
    yield [{ entry, position: positionOf(message, partitions + share), for: "share" }];
  }
}

function positionOf({ sequence, storedAtUs }: LogMessage, task: number) {
  return { task, sequence, storedAtUs };
}

/** Yields one entry at a time, because the next one reuses the columns. */
async function* readEntries(
  log: Pick<Log, "read" | "bounds">,
  stream: StreamName,
  { table, stretch: { fromUs, toUs = Number.POSITIVE_INFINITY } }: LogSourceOptions,
): AsyncGenerator<{ readonly message: LogMessage; readonly entry: LogEntry }> {
  const frames = new FrameReader(table);
  const { lastSequence, messages, lastAtUs } = await log.bounds(stream);
  // Otherwise the reader would wait for the next new entry.
  if (messages === 0 || (fromUs !== undefined && lastAtUs < fromUs)) return;
  const from = fromUs === undefined ? ({ kind: "first" } as const) : ({ kind: "time", atUs: fromUs } as const);
  const reader = log.read({ stream, from });
  try {
    for await (const batch of reader) {
      for (const message of batch) {
        if (message.storedAtUs >= toUs || message.sequence > lastSequence) return;
        const entry = readEntry(frames, message);
        if (entry) yield { message, entry };
      }
      if ((batch.at(-1)?.sequence ?? lastSequence) >= lastSequence) return;
    }
  } finally {
    await reader.close();
  }
}

/** Skips unreadable entries. The gateway also skips them, and reports them. */
function readEntry(frames: FrameReader, { payload }: LogMessage): LogEntry | undefined {
  try {
    return frames.read(payload);
  } catch (error) {
    if (error instanceof BadFrameError) return undefined;
    throw error;
  }
}
