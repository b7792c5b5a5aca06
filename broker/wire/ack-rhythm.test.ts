import { expect, test } from "vitest";
import { AckRhythm } from "./ack-rhythm.ts";

const MS = 1_000;
/** How long a frame stays open for others, if someone waits for it or not, and how long the log takes to write it. */
const HURRIED_US = 2 * MS;
const PATIENT_US = 20 * MS;
const WRITE_US = 2 * MS;

interface Publisher {
  readonly windowMax: number;
  /** From an acknowledgement to each message that it lets go. */
  readonly answersInUs?: number;
  /** It publishes by its clock instead. */
  readonly everyUs?: number;
}

/** One publisher and a log for ten seconds of simulated time: messages and frames a second. */
function run({ windowMax, answersInUs = 0, everyUs }: Publisher) {
  let nowUs = 0;
  const rhythm = new AckRhythm(() => nowUs / MS);
  let sent = 0;
  let frames = 0;
  let open = { messages: 0, dueUs: Number.POSITIVE_INFINITY };
  let writing: { readonly messages: number; readonly doneUs: number }[] = [];
  let nextUs = 0;
  while (nowUs < 10_000 * MS) {
    const doneUs = writing[0]?.doneUs ?? Number.POSITIVE_INFINITY;
    const sendsUs = rhythm.unacknowledged < windowMax ? nextUs : Number.POSITIVE_INFINITY;
    nowUs = Math.max(nowUs, Math.min(doneUs, open.dueUs, sendsUs));
    if (nowUs >= doneUs) {
      for (let left = writing[0]?.messages ?? 0; left > 0; left--) rhythm.acknowledged();
      writing = writing.slice(1);
      if (everyUs === undefined) nextUs = nowUs + answersInUs;
    } else if (nowUs >= open.dueUs) {
      writing.push({ messages: open.messages, doneUs: nowUs + WRITE_US });
      frames++;
      open = { messages: 0, dueUs: Number.POSITIVE_INFINITY };
    } else {
      sent++;
      nextUs = everyUs === undefined ? nowUs + answersInUs / windowMax : nextUs + everyUs;
      const lingerUs = rhythm.sent() ? HURRIED_US : PATIENT_US;
      open = { messages: open.messages + 1, dueUs: Math.min(open.dueUs, nowUs + lingerUs) };
    }
  }
  return { messages: sent / 10, frames: frames / 10 };
}

test.each([
  [1, 200],
  [1, 8 * MS],
  [2, 200],
  [20, 500],
  [200, 1 * MS],
])("a publisher with %i in flight, which answers within %i us, loses hardly any speed", (windowMax, answersInUs) => {
  const hurried = windowMax / (answersInUs + HURRIED_US + WRITE_US);
  expect(run({ windowMax, answersInUs }).messages).toBeGreaterThan(0.8 * hurried * 1_000_000);
});

test.each([
  ["twice a second", 500 * MS, 2],
  ["20 times a second", 50 * MS, 20],
  ["100 times a second", 10 * MS, 50],
  ["1,000 times a second", 1 * MS, 60],
])("a sensor that publishes by its clock, %s, shares frames", (_, everyUs, framesMax) => {
  const { messages, frames } = run({ windowMax: 1_000, everyUs });
  expect(messages).toBeCloseTo(1_000_000 / everyUs, -1);
  expect(frames).toBeLessThanOrEqual(framesMax);
});

test("after a burst of a hundred, a publisher that waits for each acknowledgement is found again", () => {
  let nowMs = 0;
  const rhythm = new AckRhythm(() => nowMs);
  for (let i = 0; i < 100; i++) rhythm.sent();
  nowMs = 10;
  for (let i = 0; i < 100; i++) rhythm.acknowledged();
  const awaited: boolean[] = [];
  for (let i = 0; i < 200; i++) {
    nowMs += 1;
    awaited.push(rhythm.sent());
    nowMs += 5;
    rhythm.acknowledged();
  }
  expect(awaited[0]).toBe(false);
  expect(awaited.slice(-50)).not.toContain(false);
});
