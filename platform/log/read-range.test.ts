import { beforeEach, describe, expect, it } from "vitest";
import { createMemoryLog } from "./memory.ts";
import { type Log, LogClosedError } from "./port.ts";
import { type RangeQuery, readNewest, readRange } from "./read-range.ts";

let log: Log;
beforeEach(async () => {
  log = createMemoryLog({ nowUs: () => 1 });
  for (let i = 0; i < 6; i++) await log.append({ subject: `alerts.a.${i % 3}`, payload: new Uint8Array(1) });
});

async function sequences(query: Omit<RangeQuery, "stream">): Promise<number[]> {
  const found: number[] = [];
  for await (const batch of readRange(log, { stream: "ALERTS", ...query })) {
    for (const { sequence } of batch) found.push(sequence);
  }
  return found;
}

describe("readRange", () => {
  it.each<[string, Omit<RangeQuery, "stream">, number[]]>([
    ["everything", {}, [1, 2, 3, 4, 5, 6]],
    ["some subjects", { subjects: ["alerts.a.0", "alerts.a.1"] }, [1, 2, 4, 5]],
    ["a subject without messages", { subjects: ["alerts.b.0"] }, []],
    ["up to a sequence", { lastSequence: 3 }, [1, 2, 3]],
    ["from a sequence", { from: { kind: "sequence", sequence: 5 } }, [5, 6]],
    ["from after the end", { from: { kind: "sequence", sequence: 7 } }, []],
  ])("ends at the end of the range: %s", async (_, query, expected) => {
    expect(await sequences(query)).toEqual(expected);
  });

  it("ends on an empty stream", async () => {
    for await (const _ of readRange(log, { stream: "GROUPS" })) expect.unreachable();
  });

  it("ends early when the signal aborts", async () => {
    const quiet = readRange(log, { stream: "ALERTS", lastSequence: 9, signal: AbortSignal.timeout(20) });
    const found = [];
    for await (const batch of quiet) found.push(...batch);
    expect(found.length).toBe(6);
  });

  it("throws when the log is closed before the end", async () => {
    const reading = sequences({ lastSequence: 9 });
    await log.close();
    await expect(reading).rejects.toBeInstanceOf(LogClosedError);
  });
});

describe("readNewest", () => {
  it("gives the newest of each subject, and the sequence to follow from", async () => {
    const newest: number[] = [];
    expect(await readNewest(log, { stream: "ALERTS" }, ({ sequence }) => newest.push(sequence))).toBe(7);
    expect(newest).toEqual([4, 5, 6]);
  });

  it("gives nothing from an empty stream", async () => {
    expect(await readNewest(log, { stream: "GROUPS" }, () => expect.unreachable())).toBe(1);
  });
});
