import { BadFrameError, FrameReader, type LogEntry, type SeriesTable } from "../../domain/frame-reader.ts";
import { partitionOfSubject, type StreamName } from "../../domain/subjects.ts";
import type { Log, LogMessage } from "../../platform/log/port.ts";
import type { RecordedEntry } from "./backtest.ts";
import type { LogStretch } from "./forwarded-rules.ts";

export interface LogSourceOptions {
  readonly table: SeriesTable;
  readonly partitions: number;
  readonly stretch: LogStretch;
  /** Whether a rule is computed from the groups log, and whether one over several devices is not. */
  readonly readShares: boolean;
  readonly merge: boolean;
}

/**
 * The readings log, to where it ends now, and behind it the groups log: what the gateway's tasks have read. With `merge` the
 * partitions are besides taken as one, in the order in which the log stored their entries.
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

/** One at a time: an entry's columns are used again by the next. */
async function* readEntries(
  log: Pick<Log, "read" | "bounds">,
  stream: StreamName,
  { table, stretch: { fromUs, toUs = Number.POSITIVE_INFINITY } }: LogSourceOptions,
): AsyncGenerator<{ readonly message: LogMessage; readonly entry: LogEntry }> {
  const frames = new FrameReader(table);
  const { lastSequence, messages, lastAtUs } = await log.bounds(stream);
  // Nothing would come for as long as nothing new is stored.
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

/** The gateway passes over what cannot be read, too, and says so. */
function readEntry(frames: FrameReader, { payload }: LogMessage): LogEntry | undefined {
  try {
    return frames.read(payload);
  } catch (error) {
    if (error instanceof BadFrameError) return undefined;
    throw error;
  }
}
