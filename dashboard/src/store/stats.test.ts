import { expect, test } from "vitest";
import { createFrame } from "./frame.ts";
import { createStatsStore } from "./stats.ts";

const kept = (reason: string) => `weir_ingest_dead_letters_kept{reason="${reason}"}`;
const counted = (reason: string) => `weir_ingest_dead_letters_total{reason="${reason}"}`;

function figuresOf(reports: readonly Readonly<Record<string, number>>[]) {
  const stats = createStatsStore(createFrame((run) => run()));
  stats.add(reports.map((values, index) => ({ instance: `edge-${index}`, atUs: 1_000_000, values })));
  return stats.figures.value;
}

test("dead letters are those in the log, which two edges report alike and a restart does not reset", () => {
  const figures = figuresOf([
    { [kept("bad-payload")]: 5, [kept("unknown-topic")]: 1, [counted("bad-payload")]: 1 },
    { [kept("bad-payload")]: 5, [kept("unknown-topic")]: 1 },
  ]);
  expect(figures?.deadLetters).toBe(6);
  expect(figures?.deadLettersByReason).toEqual(
    new Map([
      ["bad-payload", 5],
      ["unknown-topic", 1],
    ]),
  );
});

test("an edge of an older version has only its counters", () => {
  expect(figuresOf([{ [counted("bad-payload")]: 2 }])?.deadLetters).toBe(2);
  expect(figuresOf([{ weir_ingest_messages_total: 9 }])?.deadLetters).toBe(0);
  expect(figuresOf([{ weir_feed_clients: 1 }])?.deadLetters).toBeUndefined();
});
