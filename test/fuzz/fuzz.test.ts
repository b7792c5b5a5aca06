import { expect, test } from "vitest";
import { ingest, log, publish, start, storedValues } from "../../ingest/testing/ingest-kit.ts";
import { fuzz } from "./fuzz.ts";
import { targetsWithSchema } from "./schema-targets.ts";

test("thousands of mutated messages: none crashes, none is slow, and each is accounted for", async () => {
  const report = await fuzz({ messages: 6_000, seed: 1 });
  expect(report.faults).toEqual([]);
  expect(report.messages).toBe(6_000);
  expect(report.stored + report.deadLettered + report.dropped).toBe(6_000);
  // The mutations leave something to read, and something to refuse.
  expect(report.readings).toBeGreaterThan(500);
  expect(report.deadLettered).toBeGreaterThan(100);
}, 60_000);

test.each(targetsWithSchema())("$name: what is mutated can be read", async ({ sources, messages, prepare }) => {
  await start({}, { sources });
  await prepare(log);
  for (const { topic, payload } of messages) await publish(topic, payload);
  await ingest.stop();
  const values = await storedValues();
  expect(values.filter(([device, metric]) => device === "d" && metric === "temperature").length).toBeGreaterThan(0);
});
