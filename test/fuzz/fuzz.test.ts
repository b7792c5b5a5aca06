import { expect, test } from "vitest";
import { fuzz } from "./fuzz.ts";

test("thousands of mutated messages: none crashes, none is slow, and each is accounted for", async () => {
  const report = await fuzz({ messages: 6_000, seed: 1 });
  expect(report.faults).toEqual([]);
  expect(report.messages).toBe(6_000);
  expect(report.stored + report.deadLettered + report.dropped).toBe(6_000);
  // The mutations leave something to read, and something to refuse.
  expect(report.readings).toBeGreaterThan(500);
  expect(report.deadLettered).toBeGreaterThan(100);
}, 60_000);
