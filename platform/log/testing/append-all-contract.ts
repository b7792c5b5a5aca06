import { describe, expect, test } from "vitest";
import { type Append, ConflictError, type Log, TooLargeError } from "../port.ts";
import { bytes, text } from "./stores-contract.ts";

/** The part of the log's contract that is about many appends in one call. */
export function describeAppendAll(log: () => Log): void {
  /** Messages of several subjects, each with the same expectation for all its messages. */
  function messages(count: number, subjects: number, expected: (subject: string) => number = () => 0): Append[] {
    return Array.from({ length: count }, (_, i) => {
      const subject = `alerts.rule.k${i % subjects}`;
      return { subject, payload: bytes(`${i}`), expectLastSubjectSequence: expected(subject) };
    });
  }

  async function stored(): Promise<string[]> {
    const { lastSequence } = await log().bounds("ALERTS");
    const found: string[] = [];
    if (lastSequence === 0) return found;
    for await (const batch of log().read({ stream: "ALERTS", from: { kind: "first" } })) {
      for (const { subject, payload } of batch) found.push(`${subject} ${text(payload)}`);
      if ((batch.at(-1)?.sequence ?? 0) >= lastSequence) break;
    }
    return found;
  }

  const inOrder = (a: string, b: string) => a.localeCompare(b, "en", { numeric: true });

  describe("many appends in one call", () => {
    test.each([0, 1, 7, 8, 100, 1_300])(
      "%d messages are all stored once, those of a subject in order",
      async (count) => {
        const given = messages(count, 30);
        const appended = await log().appendAll(given);
        expect(appended.map(({ sequence }) => sequence).sort((a, b) => a - b)).toEqual(given.map((_, i) => i + 1));
        const found = await stored();
        expect([...found].sort(inOrder)).toEqual(
          given.map(({ subject, payload }) => `${subject} ${text(payload)}`).sort(inOrder),
        );
        // Each resolves to its own sequence.
        expect(appended.map(({ sequence }) => found[sequence - 1])).toEqual(
          given.map(({ subject, payload }) => `${subject} ${text(payload)}`),
        );
        for (let subject = 0; subject < Math.min(30, count); subject++) {
          const ofSubject = found.filter((each) => each.startsWith(`alerts.rule.k${subject} `));
          expect(ofSubject).toEqual([...ofSubject].sort(inOrder));
        }
      },
    );

    test("they follow what their subjects have", async () => {
      const first = await log().appendAll(messages(60, 20));
      const newest = new Map(messages(60, 20).map(({ subject }, i) => [subject, first[i]?.sequence ?? 0]));
      await log().appendAll(messages(60, 20, (subject) => newest.get(subject) ?? 0));
      expect(await stored()).toHaveLength(120);
    });

    test("without expectations they are stored too, those of a subject in order, beside those of others", async () => {
      const given = messages(1_200, 5).map(({ subject, payload }) => ({ subject, payload }));
      const results = await Promise.all([1, 2, 3].map(() => log().appendAll(given)));
      expect(new Set(results.flat().map(({ sequence }) => sequence)).size).toBe(3_600);
      const found = await stored();
      for (const appended of results) {
        expect(appended.map(({ sequence }) => found[sequence - 1])).toEqual(
          given.map(({ subject, payload }) => `${subject} ${text(payload)}`),
        );
        const ofSubject = appended.filter((_, i) => i % 5 === 0).map(({ sequence }) => sequence);
        expect(ofSubject).toEqual([...ofSubject].sort((a, b) => a - b));
      }
    });

    test("some with expectations and some without are stored too", async () => {
      const given = messages(40, 4).map((each, i) =>
        i % 2 === 0 ? each : { subject: each.subject, payload: each.payload },
      );
      await log().appendAll(given);
      expect(await stored()).toHaveLength(40);
    });

    test("a subject that has moved on is a conflict", async () => {
      await log().append({ subject: "alerts.rule.k3", payload: bytes("other") });
      await expect(log().appendAll(messages(40, 10))).rejects.toBeInstanceOf(ConflictError);
      const ofSubject = (await stored()).filter((each) => each.startsWith("alerts.rule.k3 "));
      expect(ofSubject).toEqual(["alerts.rule.k3 other"]);
    });

    test("of many callers that expect the same, one wins", async () => {
      const results = await Promise.allSettled(Array.from({ length: 5 }, () => log().appendAll(messages(50, 1))));
      expect(results.filter(({ status }) => status === "fulfilled").length).toBe(1);
      expect(await stored()).toHaveLength(50);
    });

    test("a payload that no server accepts is refused", async () => {
      const tooLarge = new Uint8Array(log().payloadBytesMax + 1);
      const given = [...messages(10, 10), { subject: "alerts.rule.x", payload: tooLarge }];
      await expect(log().appendAll(given)).rejects.toBeInstanceOf(TooLargeError);
    });

    test("messages of two streams are refused: a batch is stored in one", async () => {
      const given = [...messages(8, 8), { subject: "windows.0", payload: new Uint8Array(1) }];
      await expect(log().appendAll(given)).rejects.toThrow("ALERTS and WINDOWS cannot be appended together");
      expect((await log().bounds("ALERTS")).messages).toBe(0);
    });

    test("large messages are stored too", async () => {
      const payload = new Uint8Array(700_000).fill(5);
      const given = messages(12, 3).map((message) => ({ ...message, payload }));
      await log().appendAll(given);
      expect((await log().bounds("ALERTS")).messages).toBe(12);
    });
  });
}
