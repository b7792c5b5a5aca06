import { afterEach, expect, test, vi } from "vitest";
import { encodeDeadLetter } from "../domain/dead-letter-codec.ts";
import { deadLetterSubject } from "../domain/subjects.ts";
import { LettersUnreadError, letterAt, pageOfLetters } from "./dead-letter-log.ts";
import { createMemoryLog } from "./log/memory.ts";
import type { LogReader } from "./log/port.ts";

afterEach(() => {
  vi.useRealTimers();
});

async function logWith(letters: number) {
  const log = createMemoryLog({ nowUs: () => 1_000 });
  for (let i = 0; i < letters; i++) {
    const payload = encodeDeadLetter({
      reason: "bad-payload",
      detail: "not JSON",
      topic: `sensors/s/d${i}/telemetry`,
      clientId: "c",
      receivedAtUs: i,
      payload: Buffer.from("x"),
    });
    await log.append({ subject: deadLetterSubject("bad-payload"), payload });
  }
  return log;
}

/** A reader that never returns anything, until it is closed. */
function silentReader(): LogReader {
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  return {
    [Symbol.asyncIterator]: () => ({ next: () => ended.then(() => ({ done: true, value: undefined })) }),
    async close() {
      end();
    },
  };
}

test("a log that is too slow is an error, and not a log without letters", async () => {
  const log = await logWith(3);
  vi.useFakeTimers();
  const slow = { ...log, bounds: log.bounds, lastFor: log.lastFor, read: silentReader };
  for (const read of [() => letterAt(slow, 2), () => pageOfLetters(slow, { limit: 10 }, ({ sequence }) => sequence)]) {
    const refused = expect(read()).rejects.toThrow(LettersUnreadError);
    await vi.advanceTimersByTimeAsync(6_000);
    await refused;
  }
});

test("every letter is on one page, however many there are", async () => {
  const log = await logWith(700);
  const found: number[] = [];
  for (let before: number | undefined; ; ) {
    const page: Awaited<ReturnType<typeof pageOfLetters<number>>> = await pageOfLetters(
      log,
      { limit: 100, before },
      ({ sequence }) => sequence,
    );
    found.push(...page.letters);
    if (page.next === undefined) break;
    before = page.next;
  }
  expect(found).toEqual(Array.from({ length: 700 }, (_, i) => 700 - i));
});
