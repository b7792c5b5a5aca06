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
  /** Ends the first reading of the newest messages. */
  readonly signal: AbortSignal;
  /** At start the view reads this many entries of the stream back. */
  readonly lookbackEntries: number;
  /** A stream that is longer than that: read the newest message of each subject, then continue at the end. */
  readonly newestOfEachSubject: boolean;
  readonly apply: (message: LogMessage) => void;
  /** After some messages were applied, before the event loop turns. */
  readonly onApplied: () => void;
  /** A message could not be applied; it is skipped. */
  readonly onBadMessage: (message: LogMessage, error: unknown) => void;
  readonly onReadFailed: (error: unknown) => void;
  /** How long ago the log stored the message that was applied last. */
  readonly onLag: (lagUs: number) => void;
}

/** Feeds a view from the log: the recent past first, then live, until stopped. */
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

/** Decides where the view begins. A failure leaves the progress as it is, so that the next start decides again. */
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
