import type { StreamName } from "../../domain/subjects.ts";
import type { Clock } from "../../platform/clock.ts";
import { type Follower, follow } from "../../platform/log/follow.ts";
import type { Log, LogMessage } from "../../platform/log/port.ts";
import { readNewest } from "../../platform/log/read-range.ts";
import { sequenceOf } from "../common/cursor.ts";
import type { Progress } from "./progress.ts";

export interface FollowIntoViewOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly stream: StreamName;
  readonly progress: Progress;
  /** Reading starts when this settles. */
  readonly after: Promise<void>;
  /** Ends the initial read of the newest messages. */
  readonly signal: AbortSignal;
  /** At its start the view reads back this many entries of the stream. */
  readonly lookbackEntries: number;
  /** For a longer stream: read the newest message of each subject, then continue at the end. */
  readonly newestOfEachSubject: boolean;
  readonly apply: (message: LogMessage) => void;
  /** Called after some messages were applied, before the event loop turns. */
  readonly onApplied: () => void;
  /** A message could not be applied, and is skipped. */
  readonly onBadMessage: (message: LogMessage, error: unknown) => void;
  readonly onReadFailed: (error: unknown) => void;
  /** How long ago the log stored the last applied message. */
  readonly onLag: (lagUs: number) => void;
}

/** Feeds a view from the log until stopped: first the recent past, then live. */
export function followIntoView(options: FollowIntoViewOptions): Follower {
  const { log, clock, stream, progress } = options;
  return follow({
    log,
    stream,
    async from() {
      await options.after;
      if (progress.head === 0) await begin(options);
      return sequenceOf(progress.head) + 1;
    },
    apply(message) {
      applyOrSkip(message, options);
      progress.done(message.sequence);
    },
    onApplied(last) {
      options.onLag(Math.max(0, clock.nowUs() - last.storedAtUs));
      options.onApplied();
    },
    onCaughtUp() {
      progress.loaded = true;
    },
    onFailed: options.onReadFailed,
  });
}

/** Decides where the view begins. After a failure the progress is unchanged, so the next start decides again. */
async function begin(options: FollowIntoViewOptions): Promise<void> {
  const { log, stream, progress, lookbackEntries, newestOfEachSubject, signal } = options;
  const { firstSequence, lastSequence, messages } = await log.bounds(stream);
  if (messages === 0) {
    progress.begin(lastSequence + 1);
    return;
  }
  const first = Math.max(firstSequence, 1);
  if (lastSequence - first < lookbackEntries) {
    progress.begin(first);
  } else if (newestOfEachSubject) {
    const next = await readNewest(log, { stream, signal }, (message) => applyOrSkip(message, options));
    options.onApplied();
    progress.begin(next);
  } else {
    progress.begin(lastSequence - lookbackEntries + 1);
  }
}

function applyOrSkip(message: LogMessage, { apply, onBadMessage }: FollowIntoViewOptions): void {
  try {
    apply(message);
  } catch (error) {
    onBadMessage(message, error);
  }
}
