import fc from "fast-check";
import { expect, test } from "vitest";
import { FrameIndex } from "./frame-index.ts";
import { freshProgress } from "./queue-deps.ts";
import { skipFrames } from "./skip-frames.ts";

const INFINITE = Number.POSITIVE_INFINITY;
const frames = fc.array(
  fc.record({ messages: fc.integer({ min: 1, max: 9 }), bytes: fc.integer({ min: 1, max: 99 }) }),
);

function queueOf(all: readonly { readonly messages: number; readonly bytes: number }[]) {
  const index = new FrameIndex();
  for (const [i, frame] of all.entries()) index.add({ sequence: 10 * (i + 1), ...frame });
  const sum = (field: "messages" | "bytes") => all.reduce((total, each) => total + each[field], 0);
  return { index, lastSequence: 10 * all.length, waiting: { messages: sum("messages"), bytes: sum("bytes") } };
}

test("whole frames go, oldest first, as long as enough is left", () => {
  const property = fc.property(frames, fc.nat(60), fc.nat(9), (all, most, before) => {
    const { index, lastSequence, waiting } = queueOf(all);
    const loaded = freshProgress({ incarnation: 1 });
    const cursor = Math.min(before, all[0]?.messages ?? 0);
    loaded.progress.cursor = cursor;
    const total = waiting.messages;
    const left = { messages: total - cursor, bytes: waiting.bytes };
    const skipped = skipFrames(loaded, {
      waiting: left,
      most: { messages: most, bytes: INFINITE },
      index,
      lastSequence,
    });
    // By brute force: the most whole frames that leave enough, and none where nothing is too much.
    let expected = 0;
    for (let ends = 0, i = 0; i < all.length; i++) {
      ends += all[i]?.messages ?? 0;
      if (total - ends >= most && left.messages > most) expected = ends;
    }
    expect(skipped.loaded.doneMessages).toBe(expected);
    expect(skipped.dropped).toBe(Math.max(0, expected - cursor));
    expect(skipped.loaded.progress.cursor).toBe(Math.max(cursor, expected));
    expect(skipped.isDone).toBe(true);
    const gone = all.filter((_, i) => 10 * (i + 1) <= skipped.loaded.doneSequence);
    expect(skipped.loaded.doneBytes).toBe(gone.reduce((sum, { bytes }) => sum + bytes, 0));
    expect(gone.reduce((sum, { messages }) => sum + messages, 0)).toBe(expected);
  });
  fc.assert(property, { numRuns: 500 });
});

test("frames whose messages may have been sent, or are known one by one, stay", () => {
  const { index, lastSequence, waiting } = queueOf([{ messages: 3, bytes: 30 }]);
  const options = { waiting, most: { messages: 0, bytes: INFINITE }, index, lastSequence };
  const sent = { ...freshProgress({ incarnation: 1 }), sentUpTo: 0 };
  expect(skipFrames(sent, options)).toEqual({ loaded: sent, dropped: 0, isDone: false });
  const connected = { ...sent, sentUpTo: undefined };
  expect(skipFrames(connected, options)).toEqual({ loaded: connected, dropped: 0, isDone: false });
  const received = freshProgress({ incarnation: 1 });
  received.progress.received.add(1);
  expect(skipFrames(received, options)).toEqual({ loaded: received, dropped: 0, isDone: false });
  expect(skipFrames(freshProgress({ incarnation: 1 }), options)).toMatchObject({ dropped: 3, isDone: true });
});
