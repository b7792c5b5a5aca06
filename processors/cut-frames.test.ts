import { expect, test } from "vitest";
import { encodeWindows } from "../domain/windows-codec.ts";
import { encodeEntry, reading, rule, type TestEntry } from "../engine/testing/step-kit.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import type { Log } from "../platform/log/port.ts";
import { fold, published, startLife } from "./testing/runner-kit.ts";

const SECOND = 1e6;
/** So few bytes that each result needs its own message. */
const PAYLOAD_BYTES = 130;

const specs = [rule({ id: "each", window: { tumbling: "1s" }, aggregate: ["count", "sum", "min", "max"] })];

async function live(log: Log): Promise<void> {
  const small = { ...log, payloadBytesMax: PAYLOAD_BYTES };
  const options = { task: 0, partitions: 1, specs, nowUs: () => 1000, checkpointMs: 60_000 };
  const life = startLife(small, options);
  await life.ready;
  // It saves its state when it may.
  await life.runner.stop();
  await life.ended;
}

/** Each reading except the first closes the window of the one before it. */
async function append(log: Log, fromS: number, toS: number): Promise<void> {
  for (let second = fromS; second <= toS; second++) {
    const entry: TestEntry = { kind: "readings", storedAtUs: 0, readings: [reading("a", second * SECOND, second)] };
    await log.append({ subject: "readings.0", payload: encodeEntry(entry) });
  }
}

async function newLog(toS: number): Promise<Log> {
  const log = createMemoryLog({ nowUs: () => 1000 });
  await log.append({ subject: "readings.0", payload: encodeEntry({ kind: "rules", storedAtUs: 0, specs }) });
  await append(log, 0, toS);
  return log;
}

test("saves no state in the middle of results whose frame was cut short", async () => {
  const { windows } = await fold(await newLog(5), 0, 1);
  expect(windows).toHaveLength(5);
  // The process died after the first of the three messages with the results of entries 3 to 5.
  const log = await newLog(2);
  const head = { partition: 0, firstInput: 3, lastInput: 5, part: 0, parts: 3 };
  const payload = encodeWindows({ ...head, results: windows.slice(0, 1) });
  expect(payload.length).toBeLessThanOrEqual(PAYLOAD_BYTES);
  await log.append({ subject: "windows.0", payload });
  // A life that sees only entries 3 and 4: the others arrive later.
  await live(log);
  expect(await log.records.get("checkpoint.0")).toBeUndefined();
  await append(log, 3, 5);
  await live(log);
  expect((await published(log, 0)).windows).toEqual(windows);
  expect(await log.records.get("checkpoint.0")).toBeDefined();
});
