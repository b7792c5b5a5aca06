import type { Log } from "../../../platform/log/port.ts";
import type { StoredProgress } from "../codec/progress-codec.ts";
import { Progress } from "../progress.ts";
import type { FrameIndex } from "./frame-index.ts";
import type { NewestWriter } from "./newest-writer.ts";

export interface QueueDeps {
  readonly log: Log;
  readonly writer: NewestWriter;
  /** Where the frames of a queue between two sequences are; undefined while not all of them are known. */
  readonly indexOf: (subject: string, after: number, lastSequence: number) => FrameIndex | undefined;
  /** Deletes frames of a queue up to a sequence, soon. */
  readonly purge: (subject: string, upTo: number) => void;
  /** A save found another owner's progress. */
  readonly onDisplaced: (clientId: string) => void;
  readonly onDropped: (clientId: string, count: number) => void;
  readonly onFailed: (what: string, error: unknown) => void;
}

/** A progress as read from the log, with its sequence there: 0 when there is none. */
export interface LoadedProgress extends Omit<StoredProgress, "epoch"> {
  readonly sequence: number;
}

/** Of a session that is new. */
export function freshProgress({ incarnation }: { readonly incarnation: number }, sequence = 0): LoadedProgress {
  const progress = new Progress();
  return { incarnation, sequence, progress, doneSequence: 0, doneMessages: 0, doneBytes: 0, sentUpTo: -1 };
}
