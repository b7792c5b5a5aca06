import { afterEach, expect, test, vi } from "vitest";
import { decodeDeadLetter } from "../domain/dead-letter-codec.ts";
import { Step } from "../engine/step.ts";
import { encodeEntry, reading, rule } from "../engine/testing/step-kit.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import type { Log } from "../platform/log/port.ts";
import { allMessages, published, startLife } from "./testing/runner-kit.ts";

const SECOND = 1e6;
const WAIT = { timeout: 30_000, interval: 5 };
const specs = [rule({ id: "all", window: { tumbling: "10s" }, aggregate: "max" })];

afterEach(() => {
  vi.restoreAllMocks();
});

function frame(atS: number, value: number): Uint8Array {
  return encodeEntry({ kind: "readings", storedAtUs: 0, readings: [reading("a", atS * SECOND, value)] });
}

/** The lives of the task, one after another, until one has published this many windows. Returns their number. */
async function liveUntil(log: Log, windows: number): Promise<number> {
  for (let lives = 1; ; lives++) {
    const life = startLife(log, { task: 0, partitions: 1, specs, nowUs: () => 1000, checkpointMs: 60_000 });
    const failed = life.ended.then(
      () => false,
      () => true,
    );
    const enough = vi.waitFor(async () => expect((await published(log, 0)).windows.length).toBe(windows), WAIT);
    const isOver = await Promise.race([failed, enough.then(() => false)]);
    if (isOver) {
      enough.catch(() => {});
      continue;
    }
    await life.runner.stop();
    await failed;
    return lives;
  }
}

test("an entry that cannot be read becomes a dead letter, and the partition goes on", async () => {
  const log = createMemoryLog({ nowUs: () => 1000 });
  const life = startLife(log, { task: 0, partitions: 1, specs, nowUs: () => 1000, checkpointMs: 60_000 });
  await life.ready;
  await log.append({ subject: "readings.0", payload: frame(1, 5) });
  const bad = Uint8Array.of(250, 1, 2, 3, 255);
  const { sequence } = await log.append({ subject: "readings.0", payload: bad });
  await log.append({ subject: "readings.0", payload: frame(11, 6) });
  await vi.waitFor(
    async () => expect((await published(log, 0)).windows).toMatchObject([{ aggregates: { max: 5 } }]),
    WAIT,
  );
  await life.runner.stop();
  await life.ended;
  // A new life without a saved state reads the entry again, and writes no second letter.
  expect(await liveUntil(log, 1)).toBe(1);
  const letters = (await allMessages(log, "DEADLETTERS")).map(({ payload }) => decodeDeadLetter(payload));
  expect(letters).toMatchObject([{ reason: "bad-entry", topic: "readings.0", payload: bad }]);
  expect(letters[0]?.detail).toContain(`entry ${sequence} of the log cannot be processed`);
});

test("an entry that throws is set aside after three tries, and every later life skips it", async () => {
  const log = createMemoryLog({ nowUs: () => 1000 });
  const first = startLife(log, { task: 0, partitions: 1, specs, nowUs: () => 1000, checkpointMs: 60_000 });
  await first.ready;
  await first.runner.stop();
  await first.ended;
  await log.append({ subject: "readings.0", payload: frame(1, 5) });
  const { sequence } = await log.append({ subject: "readings.0", payload: frame(2, 13) });
  await log.append({ subject: "readings.0", payload: frame(11, 6) });
  const { apply } = Step.prototype;
  vi.spyOn(Step.prototype, "apply").mockImplementation(function (this: Step, entry, position) {
    if (position.sequence === sequence) throw new Error("a bug");
    return apply.call(this, entry, position);
  });
  expect(await liveUntil(log, 1)).toBe(4);
  expect((await published(log, 0)).windows).toMatchObject([{ aggregates: { max: 5 } }]);
  const letters = (await allMessages(log, "DEADLETTERS")).map(({ payload }) => decodeDeadLetter(payload));
  expect(letters).toMatchObject([
    { reason: "bad-entry", detail: `entry ${sequence} of the log cannot be processed: a bug` },
  ]);
  expect(await liveUntil(log, 1)).toBe(1);
});
