import type { Amount } from "./entry.ts";
import type { FrameIndex } from "./frame-index.ts";
import type { LoadedProgress } from "./queue-deps.ts";

export interface SkipOptions {
  readonly waiting: Amount;
  /** What may wait in the end, at least. */
  readonly most: Amount;
  readonly index: FrameIndex;
  readonly lastSequence: number;
}

export interface Skipped {
  /** The progress behind the frames. */
  readonly loaded: LoadedProgress;
  /** Messages. */
  readonly dropped: number;
  /** Another frame would be too many. Otherwise, the rest must be read. */
  readonly isDone: boolean;
}

/**
 * Drops the oldest frames of a queue that no client has, each whole and none too many, without reading them. Frames
 * whose messages may have been sent stay: what is known of these is in the frames.
 */
export function skipFrames(loaded: LoadedProgress, { waiting, most, index, lastSequence }: SkipOptions): Skipped {
  const { progress, sentUpTo = Number.POSITIVE_INFINITY } = loaded;
  const { cursor, finished, received } = progress;
  let { doneSequence, doneMessages, doneBytes } = loaded;
  if (finished.size + received.size > 0 || sentUpTo >= cursor) return { loaded, dropped: 0, isDone: false };
  const left = { ...waiting };
  let isDone = false;
  for (;;) {
    isDone = left.messages <= most.messages && left.bytes <= most.bytes;
    const frame = index.next(doneSequence);
    if (isDone || frame === undefined || frame.sequence > lastSequence) break;
    // Some of the first one were dropped before.
    left.messages -= doneMessages + frame.messages - Math.max(cursor, doneMessages);
    left.bytes -= frame.bytes;
    isDone = left.messages < most.messages && left.bytes < most.bytes;
    if (isDone) break;
    doneSequence = frame.sequence;
    doneMessages += frame.messages;
    doneBytes += frame.bytes;
  }
  const end = Math.max(cursor, doneMessages);
  progress.cursor = end;
  return { loaded: { ...loaded, doneSequence, doneMessages, doneBytes }, dropped: end - cursor, isDone };
}
