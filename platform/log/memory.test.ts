import { describe, expect, test } from "vitest";
import { createMemoryLog } from "./memory.ts";
import { describeLogContract } from "./testing/log-contract.ts";

describeLogContract("memory", async () => {
  let nowUs = 1_700_000_000_000_000;
  const log = createMemoryLog({ nowUs: () => nowUs++ });
  return { log, close: () => log.close() };
});

describe("the memory log", () => {
  const payload = new Uint8Array(10);

  test("reads its time from the given clock, and never goes backward", async () => {
    const times = [1000, 2000, 1500, 1999.9, 3000.7];
    const log = createMemoryLog({ nowUs: () => times.shift() ?? 0 });
    for (let i = 0; i < 5; i++) await log.append({ subject: "readings.0", payload });
    for await (const batch of log.read({ stream: "READINGS", from: { kind: "first" } })) {
      expect(batch.map((message) => message.storedAtUs)).toEqual([1000, 2000, 2000, 2000, 3000]);
      break;
    }
  });

  test("forgets ids after two minutes of its clock", async () => {
    let nowUs = 0;
    const log = createMemoryLog({ nowUs: () => nowUs });
    const message = { subject: "readings.0", payload, id: "a" };
    await log.append(message);
    nowUs = 119_999_999;
    expect((await log.append(message)).duplicate).toBe(true);
    nowUs = 120_000_000;
    expect(await log.append(message)).toEqual({ sequence: 2, duplicate: false });
  });

  test("keeps only the newest messages, and reading begins at the first existing one", async () => {
    const log = createMemoryLog({ nowUs: () => 1, messagesMax: 3 });
    for (let i = 0; i < 10; i++) await log.append({ subject: `readings.${i}`, payload });
    expect(await log.bounds("READINGS")).toMatchObject({ firstSequence: 8, lastSequence: 10, messages: 3, bytes: 30 });
    expect(await log.lastFor("READINGS", "readings.1")).toBeUndefined();
    expect(await log.append({ subject: "readings.1", payload, expectLastSubjectSequence: 0 })).toMatchObject({
      sequence: 11,
    });
    for await (const batch of log.read({ stream: "READINGS", from: { kind: "sequence", sequence: 2 } })) {
      expect(batch.map((message) => message.sequence)).toEqual([9, 10, 11]);
      break;
    }
  });
});
