import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { keyedReport, question, report } from "../../../contracts/question.ts";
import { ANSWER_BYTES_MAX, BadAnswerError, type Log, NoAnswerError, RefusedError, TooLargeError } from "../port.ts";
import { publishRaw, requestRaw, respondRaw } from "./raw-bus.ts";

const STATS = keyedReport("stats", z.object({ n: z.number(), list: z.array(z.unknown()) }));
const LEDGER = report("ledgers", z.object({ n: z.number() }));
const SERIES = question("history.series", {
  ask: z.strictObject({ device: z.string(), points: z.int().max(1_000).default(10) }),
  answer: z.object({ points: z.array(z.number()) }),
});
const LETTERS = question("letters", { ask: z.strictObject({ bytes: z.int() }), answer: z.string() });

/** The behaviour of the bus of every log. */
export function describeBus(log: () => Log): void {
  describe("reports on the bus", () => {
    test("go to all listeners, with their key", async () => {
      const got: unknown[] = [];
      for (let i = 0; i < 2; i++) log().bus.subscribe(STATS, (value, key) => got.push([key, value]));
      log().bus.subscribe(LEDGER, (value, key) => got.push([key, value]));
      log().bus.publish(STATS, { n: 1, list: ["ä", null, true] }, "edge.1");
      log().bus.publish(LEDGER, { n: 2 });
      await vi.waitFor(() => expect(got).toHaveLength(3), 10_000);
      const one = ["edge.1", { n: 1, list: ["ä", null, true] }];
      expect(got).toEqual([one, one, ["", { n: 2 }]]);
    });

    test("are checked, and lose fields that only newer versions know", async () => {
      const got: unknown[] = [];
      const bad: string[] = [];
      log().bus.subscribe(
        STATS,
        (value) => got.push(value),
        (problem, key) => bad.push(`${key}: ${problem}`),
      );
      publishRaw(log().bus, "stats", "a", { n: "one", list: [] });
      publishRaw(log().bus, "stats", "b", { n: 1, list: [], unheardOf: true });
      await vi.waitFor(() => expect(got).toEqual([{ n: 1, list: [] }]), 10_000);
      expect(bad).toEqual([expect.stringMatching(/^a: not understood: [\s\S]*expected number[\s\S]*n/)]);
    });

    test("of bytes go to all listeners as they are", async () => {
      const got: unknown[] = [];
      const stop = log().bus.subscribeBytes("raw.*", (bytes, subject) => got.push([subject, [...bytes]]));
      log().bus.publishBytes("raw.a", new Uint8Array([0, 255]));
      log().bus.publishBytes("other.a", new Uint8Array([1]));
      log().bus.publishBytes("raw.b", new Uint8Array(2_000_000));
      log().bus.publishBytes("raw.c", new Uint8Array());
      await vi.waitFor(() => expect(got).toHaveLength(2), 10_000);
      expect(got).toEqual([
        ["raw.a", [0, 255]],
        ["raw.c", []],
      ]);
      stop();
    });

    test("stop when the listener stops, and are dropped when too large", async () => {
      const got: unknown[] = [];
      const stop = log().bus.subscribe(LEDGER, (value) => got.push(value));
      log().bus.subscribe(STATS, (value) => got.push(value.n));
      stop();
      log().bus.publish(LEDGER, { n: 1 });
      log().bus.publish(STATS, { n: 2, list: ["x".repeat(2_000_000)] }, "a");
      log().bus.publish(STATS, { n: 3, list: [] }, "a");
      await vi.waitFor(() => expect(got).toEqual([3]), 10_000);
    });
  });

  describe("questions on the bus", () => {
    test("are answered, with defaults filled in", async () => {
      const stop = log().bus.respond(SERIES, async ({ device, points }) => ({ points: [device.length, points] }));
      expect(await log().bus.request(SERIES, { device: "d" })).toEqual({ points: [1, 10] });
      expect(await log().bus.request(SERIES, { device: "dd", points: 3 })).toEqual({ points: [2, 3] });
      stop();
      await expect(log().bus.request(SERIES, { device: "d" }, { timeoutMs: 500 })).rejects.toThrow(NoAnswerError);
    });

    test("are refused on both sides when they are not valid, and never reach the answerer", async () => {
      const refused: unknown[] = [];
      const answer = vi.fn(async () => ({ points: [] }));
      log().bus.respond(SERIES, answer, (error) => refused.push(error));
      await expect(log().bus.request(SERIES, { device: "d", points: 1_001 })).rejects.toThrow(/points/);
      for (const bad of [{}, { device: 1 }, { device: "d", unheardOf: 1 }, null]) {
        await expect(requestRaw(log().bus, "history.series", bad)).rejects.toThrow(/not understood: /);
      }
      expect(answer).not.toHaveBeenCalled();
      expect(refused).toHaveLength(4);
    });

    test("lose fields that only a newer answerer knows, and an answer that does not match is an error", async () => {
      const stop = respondRaw(log().bus, "history.series", async () => ({ points: [1], unheardOf: 2 }));
      expect(await log().bus.request(SERIES, { device: "d" })).toEqual({ points: [1] });
      stop();
      respondRaw(log().bus, "history.series", async () => ({ points: "none" }));
      const asked = log().bus.request(SERIES, { device: "d" });
      await expect(asked).rejects.toThrow(BadAnswerError);
      await expect(asked).rejects.toThrow(/the answer on history.series is not as expected: [\s\S]*points/);
    });

    test("fail without an answer, with a late answer, and with an error", async () => {
      await expect(requestRaw(log().bus, "nobody", 1)).rejects.toThrow(NoAnswerError);
      log().bus.respond(LETTERS, () => new Promise(() => {}));
      await expect(log().bus.request(LETTERS, { bytes: 1 }, { timeoutMs: 20 })).rejects.toThrow(NoAnswerError);
      const refused: unknown[] = [];
      const failure = new Error("no such series");
      log().bus.respond(
        SERIES,
        () => Promise.reject(failure),
        (error) => refused.push(error),
      );
      const asked = log().bus.request(SERIES, { device: "d" });
      await expect(asked).rejects.toThrow(RefusedError);
      await expect(asked).rejects.toThrow("no such series");
      expect(refused).toEqual([failure]);
    });

    test("end when the asker aborts", async () => {
      log().bus.respond(LETTERS, () => new Promise(() => {}));
      const reason = new Error("the page was closed");
      const asking = new AbortController();
      const asked = log().bus.request(LETTERS, { bytes: 1 }, { signal: asking.signal });
      asking.abort(reason);
      await expect(asked).rejects.toBe(reason);
      await expect(log().bus.request(LETTERS, { bytes: 1 }, { signal: asking.signal })).rejects.toBe(reason);
    });
  });

  describe("answers of any size", { timeout: 60_000 }, () => {
    test.each([1_000, 1_048_560, 1_048_576, 1_048_577, 20_000_000])("arrive whole: %i bytes", async (bytes) => {
      log().bus.respond(LETTERS, async (asked) => "ä€".repeat(asked.bytes / 5));
      const answer = await log().bus.request(LETTERS, { bytes }, { timeoutMs: 30_000 });
      expect(answer === "ä€".repeat(bytes / 5)).toBe(true);
    });

    test("reach several askers at a time", async () => {
      log().bus.respond(LETTERS, async (asked) => "x".repeat(asked.bytes));
      const sizes = [3_000_000, 10, 5_000_000, 2_000_000];
      const answers = await Promise.all(sizes.map((bytes) => log().bus.request(LETTERS, { bytes })));
      expect(answers.map(({ length }) => length)).toEqual(sizes);
    });

    test("have a bound, and so have questions", async () => {
      log().bus.respond(LETTERS, async (asked) => "x".repeat(asked.bytes));
      const asked = log().bus.request(LETTERS, { bytes: ANSWER_BYTES_MAX }, { timeoutMs: 30_000 });
      await expect(asked).rejects.toThrow(RefusedError);
      await expect(asked).rejects.toThrow(`at most ${ANSWER_BYTES_MAX}; ask for less`);
      const device = "d".repeat(1_048_577);
      await expect(log().bus.request(SERIES, { device })).rejects.toThrow(TooLargeError);
    });
  });
}
