import { expect, test } from "vitest";
import { encodeDeadLetter } from "../domain/dead-letter-codec.ts";
import { letterFits } from "./dead-letter-log.ts";
import { countByTopic } from "./dead-letter-topics.ts";
import { createMemoryLog } from "./log/memory.ts";

function logWith() {
  const log = createMemoryLog({ nowUs: () => 1_000_000 });
  async function keep(topic: string, reason = "unknown-topic"): Promise<void> {
    const letter = { reason, detail: "", topic, payload: new Uint8Array(1), clientId: "", receivedAtUs: 1 };
    await log.append({ subject: `deadletters.${reason}`, payload: encodeDeadLetter(letter) });
  }
  return { log, keep };
}

test("letters are counted by topic; levels in which many topics differ become +", async () => {
  const { log, keep } = logWith();
  for (let i = 0; i < 10; i++) await keep(`homeassistant/sensor/d${i}/config`);
  for (let i = 0; i < 3; i++) await keep(`plant/line-${i}/t`);
  await keep("plant/line-0/t", "bad-payload");
  await keep("plant");
  // No letter.
  await log.append({ subject: "deadletters.retried.1", payload: new Uint8Array(1) });
  const { topics, counted, hasMore } = await countByTopic(log, {});
  expect(topics.map(({ topic, letters, reasons }) => [topic, letters, reasons])).toEqual([
    ["homeassistant/sensor/+/config", 10, { "unknown-topic": 10 }],
    ["plant/line-0/t", 2, { "unknown-topic": 1, "bad-payload": 1 }],
    ["plant", 1, { "unknown-topic": 1 }],
    ["plant/line-2/t", 1, { "unknown-topic": 1 }],
    ["plant/line-1/t", 1, { "unknown-topic": 1 }],
  ]);
  expect(topics[0]).toMatchObject({ newest: 10, newestAtUs: 1_000_000 });
  expect({ counted, hasMore }).toEqual({ counted: 15, hasMore: false });
  const some = await countByTopic(log, { reason: "bad-payload" });
  expect(some.topics).toMatchObject([{ topic: "plant/line-0/t", letters: 1 }]);
});

test("every topic with letters fits the line that counts it", async () => {
  const { log, keep } = logWith();
  const topics = Array.from({ length: 200 }, (_, i) => `a${i % 3}/b${i % 7}/c${i % 2}${i % 5 === 0 ? "/d" : ""}`);
  for (const topic of topics) await keep(topic);
  const found = await countByTopic(log, {});
  expect(found.topics.reduce((sum, { letters }) => sum + letters, 0)).toBe(200);
  for (const topic of topics) {
    const lines = found.topics.filter((line) => letterFits({ topic: line.topic }, { topic } as never));
    expect(lines).toHaveLength(1);
  }
});

test("an empty log has no topics", async () => {
  const { log } = logWith();
  expect(await countByTopic(log, {})).toEqual({ topics: [], counted: 0, hasMore: false });
});

test.each([
  ["a/+/c", "a/b/c", true],
  ["a/+/c", "a/b/b/c", false],
  ["a/#", "a", true],
  ["a/#", "a/b/c", true],
  ["a/#", "b", false],
  ["#", "a/b", true],
  ["a*c", "a/b/c", true],
  ["a/b", "a/b", true],
])("the filter %s on %s: %s", (topic, actual, expected) => {
  expect(letterFits({ topic }, { topic: actual } as never)).toBe(expected);
});
