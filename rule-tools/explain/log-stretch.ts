import { BadFrameError, FrameReader, type LogEntry, type SeriesTable } from "../../domain/frame-reader.ts";
import type { StreamName } from "../../domain/subjects.ts";
import type { EntryPosition } from "../../engine/step.ts";
import type { Log, ReadFrom } from "../../platform/log/port.ts";

export type LogToRead = Pick<Log, "read" | "lastFor" | "bounds">;

export interface Stretch {
  readonly stream: StreamName;
  readonly subjects: readonly string[];
  /** The number of the task that reads these subjects. */
  readonly task: number;
  readonly from: ReadFrom;
  /** The last sequence to read. It must belong to one of these subjects. */
  readonly lastSequence: number;
  readonly untilUs?: number;
  readonly table: SeriesTable;
  /** When to stop reading, in milliseconds of the process clock. */
  readonly deadline?: { readonly nowMs: () => number; readonly atMs: number };
}

/** Reading took too long. A smaller question or a less busy machine can help. */
export class TooSlowError extends Error {
  override readonly name = "TooSlowError";
}

/** Reads a stretch of a task's input. An entry is valid until the next one. */
export async function readStretch(
  log: LogToRead,
  stretch: Stretch,
  take: (entry: LogEntry, position: EntryPosition) => void,
): Promise<void> {
  const { stream, subjects, task, from, lastSequence, untilUs = Number.POSITIVE_INFINITY, table, deadline } = stretch;
  if (lastSequence === 0) return;
  const frames = new FrameReader(table);
  const reader = log.read({ stream, subjects, from });
  const late = deadline && setTimeout(() => void reader.close(), Math.max(1, deadline.atMs - deadline.nowMs()));
  try {
    for await (const batch of reader) {
      for (const { sequence, storedAtUs, payload } of batch) {
        if (sequence > lastSequence || storedAtUs > untilUs) return;
        const entry = readEntry(frames, payload);
        if (entry) take(entry, { task, sequence, storedAtUs });
        if (sequence === lastSequence) return;
      }
      if (deadline && deadline.nowMs() > deadline.atMs) break;
    }
    throw new TooSlowError("the log is too long to read in time; ask about something more recent");
  } finally {
    clearTimeout(late);
    await reader.close();
  }
}

/** Skips unreadable entries, as the gateway does. */
function readEntry(frames: FrameReader, payload: Uint8Array): LogEntry | undefined {
  try {
    return frames.read(payload);
  } catch (error) {
    if (error instanceof BadFrameError) return undefined;
    throw error;
  }
}
