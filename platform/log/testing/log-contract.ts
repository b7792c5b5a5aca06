import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type Append,
  ConflictError,
  type Log,
  LogClosedError,
  type LogMessage,
  type ReadQuery,
  TooLargeError,
} from "../port.ts";
import { describeAppendAll } from "./append-all-contract.ts";
import { describeBus } from "./bus-contract.ts";
import { describePurge } from "./purge-contract.ts";
import { bytes, describeStores, text } from "./stores-contract.ts";

export interface OpenLog {
  readonly log: Log;
  readonly close: () => Promise<void>;
}

/** The behaviour of every adapter of the log. `open` returns an empty log. */
export function describeLogContract(name: string, open: () => Promise<OpenLog>): void {
  // A busy machine is slow to sync: no test here is about speed.
  describe(`${name} is a log`, { timeout: 30_000 }, () => {
    let log: Log;
    let closeAll: () => Promise<void>;

    beforeEach(async () => {
      const opened = await open();
      log = opened.log;
      closeAll = opened.close;
    });
    afterEach(() => closeAll());

    describe("append and read", () => {
      test("sequences are dense from 1 and stored times never go backward", async () => {
        const appended = await appendAll(log, 50, (i) => ({ subject: `readings.${i % 3}`, payload: bytes(`${i}`) }));
        expect(appended.map((each) => each.sequence)).toEqual(range(1, 50));
        const messages = await take(log, { stream: "READINGS", from: { kind: "first" } }, 50);
        expect(messages.map((message) => message.sequence)).toEqual(range(1, 50));
        expect(messages.map((message) => text(message.payload))).toEqual(range(0, 49).map(String));
        expect(messages.map((message) => message.subject)).toEqual(range(0, 49).map((i) => `readings.${i % 3}`));
        for (const [i, { storedAtUs }] of messages.entries()) {
          expect(Number.isInteger(storedAtUs)).toBe(true);
          expect(storedAtUs).toBeGreaterThanOrEqual(messages[i - 1]?.storedAtUs ?? 1);
        }
      });

      test("each stream has its own sequences", async () => {
        for (const subject of ["windows.0", "alerts.warm.k1", "deadletters.bad-payload", "readings.7"]) {
          expect(await log.append({ subject, payload: bytes("x") })).toEqual({ sequence: 1, duplicate: false });
        }
      });

      test("a payload is copied, may be empty and may hold any byte", async () => {
        const payload = new Uint8Array(300).map((_, i) => i);
        const appending = log.append({ subject: "readings.0", payload });
        payload.fill(9);
        await appending;
        await log.append({ subject: "readings.0", payload: new Uint8Array(0) });
        const [first, second] = await take(log, { stream: "READINGS", from: { kind: "first" } }, 2);
        expect([...(first?.payload ?? [])]).toEqual(range(0, 299).map((i) => i % 256));
        expect(second?.payload.length).toBe(0);
      });

      test("many appends in flight keep their order", async () => {
        const appended = await Promise.all(
          range(0, 1999).map((i) => log.append({ subject: `readings.${i % 8}`, payload: bytes(`${i}`), id: `a${i}` })),
        );
        expect(appended.map((each) => each.sequence)).toEqual(range(1, 2000));
        const messages = await take(log, { stream: "READINGS", from: { kind: "first" } }, 2000);
        expect(messages.map((message) => Number(text(message.payload)))).toEqual(range(0, 1999));
      });

      test("an append is refused when no stream holds its subject", async () => {
        for (const subject of ["elsewhere.1", "readings", "readings.*", "readings.>", "readings.a b", "readings..1"]) {
          await expect(log.append({ subject, payload: bytes("x") })).rejects.toThrow(/no stream holds/);
        }
      });

      test("a payload that no server accepts is refused; the largest allowed one is not", async () => {
        const largest = new Uint8Array(log.payloadBytesMax).fill(1);
        await log.append({ subject: "readings.0", payload: largest, id: "largest", expectLastSubjectSequence: 0 });
        const tooLarge = new Uint8Array(log.payloadBytesMax + 1);
        await expect(log.append({ subject: "readings.0", payload: tooLarge })).rejects.toBeInstanceOf(TooLargeError);
        const [message] = await take(log, { stream: "READINGS", from: { kind: "first" } }, 1);
        expect(message?.payload.length).toBe(largest.length);
      });
    });

    describe("ids and compare-and-set", () => {
      test("a second append with the same id is a duplicate of the first", async () => {
        const message: Append = { subject: "readings.1", payload: bytes("once"), id: "edge-1-1" };
        expect(await log.append(message)).toEqual({ sequence: 1, duplicate: false });
        expect(await log.append(message)).toEqual({ sequence: 1, duplicate: true });
        expect(await log.append({ ...message, id: "edge-1-2" })).toEqual({ sequence: 2, duplicate: false });
        expect((await log.bounds("READINGS")).messages).toBe(2);
      });

      test("ids may contain any character, and belong to one stream", async () => {
        const id = "WINDOWS-3-17:ä € \u{1f321}\n%0";
        expect((await log.append({ subject: "windows.3", payload: bytes("1"), id })).duplicate).toBe(false);
        expect((await log.append({ subject: "windows.3", payload: bytes("1"), id })).duplicate).toBe(true);
        expect((await log.append({ subject: "readings.3", payload: bytes("1"), id })).duplicate).toBe(false);
      });

      test("compare-and-set checks only the newest message of the subject", async () => {
        const at = (subject: string, expectLastSubjectSequence: number) =>
          log.append({ subject, payload: bytes(`${expectLastSubjectSequence}`), expectLastSubjectSequence });
        expect((await at("readings.1", 0)).sequence).toBe(1);
        expect((await at("readings.2", 0)).sequence).toBe(2);
        expect((await at("readings.1", 1)).sequence).toBe(3);
        await expect(at("readings.1", 1)).rejects.toBeInstanceOf(ConflictError);
        await expect(at("readings.1", 0)).rejects.toBeInstanceOf(ConflictError);
        await expect(at("readings.1", 99)).rejects.toBeInstanceOf(ConflictError);
        await expect(at("readings.3", 1)).rejects.toBeInstanceOf(ConflictError);
        expect((await at("readings.1", 3)).sequence).toBe(4);
      });

      test("an append that is repeated after it succeeded is its own duplicate, not a conflict", async () => {
        const message: Append = { subject: "readings.1", payload: bytes("x"), id: "cas", expectLastSubjectSequence: 0 };
        expect(await log.append(message)).toEqual({ sequence: 1, duplicate: false });
        expect(await log.append(message)).toEqual({ sequence: 1, duplicate: true });
      });

      test("of many appends that expect the same, one wins", async () => {
        const results = await Promise.allSettled(
          range(0, 19).map((i) =>
            log.append({ subject: "readings.1", payload: bytes(`${i}`), expectLastSubjectSequence: 0 }),
          ),
        );
        expect(results.filter((result) => result.status === "fulfilled").length).toBe(1);
        expect((await log.bounds("READINGS")).lastSequence).toBe(1);
      });
    });

    describe("where reading begins", () => {
      const fill = () =>
        appendAll(log, 30, (i) => ({ subject: `readings.${i % 3}.${i % 2}`, payload: bytes(`${i + 1}`) }));
      const sequences = async (query: Omit<ReadQuery, "stream">, count: number) =>
        (await take(log, { stream: "READINGS", ...query }, count)).map((message) => message.sequence);

      test("at a sequence", async () => {
        await fill();
        expect(await sequences({ from: { kind: "sequence", sequence: 28 } }, 3)).toEqual([28, 29, 30]);
        expect(await sequences({ from: { kind: "sequence", sequence: 0 } }, 2)).toEqual([1, 2]);
      });

      test("at a future sequence", async () => {
        await fill();
        const reading = sequences({ from: { kind: "sequence", sequence: 33 } }, 2);
        await fill();
        expect(await reading).toEqual([33, 34]);
      });

      test("at a time", async () => {
        await fill();
        const all = await take(log, { stream: "READINGS", from: { kind: "first" } }, 30);
        const atUs = all[19]?.storedAtUs ?? 0;
        const first = all.find((message) => message.storedAtUs >= atUs);
        const read = await sequences({ from: { kind: "time", atUs } }, 1);
        expect(read).toEqual([first?.sequence]);
      });

      test("with new messages", async () => {
        await fill();
        const reader = log.read({ stream: "READINGS", from: { kind: "new" } });
        const iterator = reader[Symbol.asyncIterator]();
        const next = iterator.next();
        // A reader of new messages may take a moment to begin: append until it has received one.
        let seen = false;
        void next.then(() => {
          seen = true;
        });
        while (!seen) await log.append({ subject: "readings.0", payload: bytes("new") });
        const batch = (await next).value as readonly LogMessage[];
        expect(batch[0]?.sequence).toBeGreaterThan(30);
        await reader.close();
      });

      test("at the newest of each subject, then live", async () => {
        await fill();
        const reading = sequences({ from: { kind: "last-per-subject" }, subjects: ["readings.*.0"] }, 4);
        const live = (async () => {
          // Live messages follow the snapshot, regardless of when they are appended.
          await log.append({ subject: "readings.0.1", payload: bytes("31") });
          await log.append({ subject: "readings.9.0", payload: bytes("32") });
        })();
        const read = await reading;
        await live;
        expect(read).toEqual([25, 27, 29, 32]);
      });

      test.each([
        { subjects: undefined, expected: [25, 26, 27, 28, 29, 30] },
        { subjects: ["readings.1.0"], expected: [29] },
        { subjects: ["readings.1.0", "readings.2.1"], expected: [29, 30] },
        { subjects: ["readings.1.*", "readings.1.0"], expected: [26, 29] },
      ])("at the newest of each of $subjects", async ({ subjects, expected }) => {
        await fill();
        const query = { from: { kind: "last-per-subject" } as const, ...(subjects && { subjects }) };
        expect(await sequences(query, expected.length)).toEqual(expected);
      });

      test.each([
        { subjects: ["readings.1.0"], expected: [5, 11, 17, 23, 29] },
        { subjects: ["readings.1.*"], expected: [2, 5, 8, 11, 14, 17, 20, 23, 26, 29] },
        { subjects: ["readings.1.>"], expected: [2, 5, 8, 11, 14, 17, 20, 23, 26, 29] },
        { subjects: ["readings.1.0", "readings.1.*"], expected: [2, 5, 8, 11, 14, 17, 20, 23, 26, 29] },
        { subjects: ["readings.1.0", "readings.2.1"], expected: [5, 6, 11, 12, 17, 18, 23, 24, 29, 30] },
      ])("with subjects $subjects", async ({ subjects, expected }) => {
        await fill();
        expect(await sequences({ from: { kind: "first" }, subjects }, expected.length)).toEqual(expected);
      });
    });

    describe("readers", () => {
      test("continue live, in order, independently", async () => {
        const queries: ReadQuery[] = [
          { stream: "READINGS", from: { kind: "first" } },
          { stream: "READINGS", from: { kind: "first" }, bufferMessagesMax: 3 },
          { stream: "READINGS", from: { kind: "first" }, subjects: ["readings.0"] },
        ];
        const readings = queries.map((query) => take(log, query, query.subjects ? 500 : 1000));
        await appendAll(log, 1000, (i) => ({ subject: `readings.${i % 2}`, payload: bytes("x") }));
        const [all, small, half] = await Promise.all(readings);
        expect(all?.map((message) => message.sequence)).toEqual(range(1, 1000));
        expect(small?.map((message) => message.sequence)).toEqual(range(1, 1000));
        expect(half?.map((message) => message.sequence)).toEqual(range(0, 499).map((i) => 1 + 2 * i));
      });

      test("a slow reader eventually gets everything, in batches within its bound", async () => {
        await appendAll(log, 500, () => ({ subject: "readings.0", payload: bytes("x") }));
        const seen: number[] = [];
        const reader = log.read({ stream: "READINGS", from: { kind: "first" }, bufferMessagesMax: 16 });
        for await (const batch of reader) {
          expect(batch.length).toBeGreaterThan(0);
          expect(batch.length).toBeLessThanOrEqual(16);
          seen.push(...batch.map((message) => message.sequence));
          await new Promise((resolve) => setImmediate(resolve));
          if (seen.length >= 500) break;
        }
        expect(seen).toEqual(range(1, 500));
      });

      test("close ends the iteration, even before it began and while it waits", async () => {
        const idle = log.read({ stream: "READINGS", from: { kind: "first" } });
        await idle.close();
        for await (const _ of idle) throw new Error("read after close");
        const waiting = log.read({ stream: "READINGS", from: { kind: "first" } });
        const ended = (async () => {
          for await (const _ of waiting) throw new Error("nothing to read");
        })();
        await log.bounds("READINGS");
        await waiting.close();
        await waiting.close();
        await ended;
      });

      test("closing the log ends its readers", async () => {
        const ended = (async () => {
          for await (const _ of log.read({ stream: "READINGS", from: { kind: "first" } }));
        })();
        await log.bounds("READINGS");
        await log.close();
        await ended;
      });

      test("an error inside the loop ends the reading with that error", async () => {
        await log.append({ subject: "readings.0", payload: bytes("x") });
        const reading = (async () => {
          for await (const _ of log.read({ stream: "READINGS", from: { kind: "first" } })) throw new Error("mine");
        })();
        await expect(reading).rejects.toThrow("mine");
      });
    });

    describe("bounds and the newest", () => {
      test("of a stream that was never written", async () => {
        expect(await log.bounds("WINDOWS")).toEqual({
          firstSequence: 1,
          lastSequence: 0,
          messages: 0,
          bytes: 0,
          firstAtUs: 0,
          lastAtUs: 0,
        });
        expect(await log.lastFor("WINDOWS", "windows.0")).toBeUndefined();
      });

      test("change with the messages", async () => {
        await appendAll(log, 5, (i) => ({ subject: `windows.${i % 2}`, payload: bytes(`w${i}`) }));
        const messages = await take(log, { stream: "WINDOWS", from: { kind: "first" } }, 5);
        const bounds = await log.bounds("WINDOWS");
        expect(bounds).toMatchObject({ firstSequence: 1, lastSequence: 5, messages: 5 });
        expect(bounds.bytes).toBeGreaterThanOrEqual(10);
        expect(bounds.firstAtUs).toBe(messages[0]?.storedAtUs);
        expect(bounds.lastAtUs).toBe(messages[4]?.storedAtUs);
        expect(await log.lastFor("WINDOWS", "windows.1")).toEqual(messages[3]);
        expect(await log.lastFor("WINDOWS", "windows.0")).toEqual(messages[4]);
        expect(await log.lastFor("WINDOWS", "windows.2")).toBeUndefined();
      });

      test("each subject that matches a pattern is counted", async () => {
        const count = async (pattern: string) => [...(await log.countBySubject("DEADLETTERS", pattern))].sort();
        expect(await count("deadletters.*")).toEqual([]);
        for (const word of ["bad-payload", "retried.1", "bad-payload", "too-large", "retried.2"]) {
          await log.append({ subject: `deadletters.${word}`, payload: bytes("x") });
        }
        expect(await count("deadletters.*")).toEqual([
          ["deadletters.bad-payload", 2],
          ["deadletters.too-large", 1],
        ]);
        expect(await count("deadletters.retried.2")).toEqual([["deadletters.retried.2", 1]]);
        expect(await count("deadletters.none")).toEqual([]);
      });
    });

    describePurge(() => log);
    describeAppendAll(() => log);
    describeStores(() => log);
    describeBus(() => log);

    test("after close, appends and reads are refused and it is not healthy", async () => {
      expect(log.healthy()).toBe(true);
      await log.close();
      await log.close();
      expect(log.healthy()).toBe(false);
      await expect(log.append({ subject: "readings.0", payload: bytes("x") })).rejects.toBeInstanceOf(LogClosedError);
      expect(() => log.read({ stream: "READINGS", from: { kind: "first" } })).toThrow(LogClosedError);
      await expect(log.bounds("READINGS")).rejects.toBeInstanceOf(LogClosedError);
    });
  });
}

/** Reads until `count` messages have arrived. */
async function take(log: Log, query: ReadQuery, count: number): Promise<LogMessage[]> {
  const taken: LogMessage[] = [];
  for await (const batch of log.read(query)) {
    taken.push(...batch);
    if (taken.length >= count) break;
  }
  return taken.slice(0, count);
}

async function appendAll(log: Log, count: number, message: (i: number) => Append) {
  return await Promise.all(range(0, count - 1).map((i) => log.append(message(i))));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
