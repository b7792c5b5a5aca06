import type { Log, LogMessage } from "../../../platform/log/port.ts";
import { readRange } from "../../../platform/log/read-range.ts";
import type { FrameIndex } from "./frame-index.ts";

/** Of one step: frames are as large as 256 KiB, and many queues may be read at a time. */
const STEP_BYTES = 256 * 1_024;
const STEP_FIRST = 8;
const STEP_MAX = 64;

export interface FramesQuery {
  readonly log: Log;
  /** The queue. */
  readonly subject: string;
  readonly after: number;
  /** The newest frame. */
  readonly lastSequence: number;
  /** Where the frames are, if that is known: the log finds them much faster than by their subject. */
  readonly index: FrameIndex | undefined;
}

/** The frames of a queue after a sequence, in steps. `isWhole`: the stream still has all of the step. */
export async function* readFrames(
  query: FramesQuery,
): AsyncGenerator<{ readonly frames: readonly LogMessage[]; readonly isWhole: boolean }> {
  const { log, subject, lastSequence, index } = query;
  let { after } = query;
  // A full stream drops its oldest messages.
  let isWhole = (await log.bounds("MQTT_QUEUE")).firstSequence <= after + 1;
  if (index === undefined) {
    const range = { stream: "MQTT_QUEUE", subjects: [subject], lastSequence } as const;
    for await (const frames of readRange(log, { ...range, from: { kind: "sequence", sequence: after + 1 } })) {
      yield { frames, isWhole };
    }
    return;
  }
  let count = STEP_FIRST;
  for (;;) {
    const sequences = index.after(after, count).filter((sequence) => sequence <= lastSequence);
    const newest = sequences.at(-1);
    if (newest === undefined) return;
    const frames = await log.readEach("MQTT_QUEUE", sequences);
    if (frames.length < sequences.length) isWhole = false;
    yield { frames, isWhole };
    after = newest;
    if (frames.length > 0) isWhole = true;
    const bytes = frames.reduce((sum, { payload }) => sum + payload.length, 0);
    count = Math.max(1, Math.min(STEP_MAX, 2 * count, Math.floor((STEP_BYTES * frames.length) / Math.max(1, bytes))));
  }
}
