import { afterEach, expect, test } from "vitest";
import {
  countsOf,
  deadLetters,
  ingest,
  messages,
  metrics,
  NO_COUNTS,
  NOW,
  publish,
  readings,
  start,
} from "./testing/ingest-kit.ts";

afterEach(() => ingest.stop());

const EACH = { sources: [{ topic: "up", each: "*", device: "{id}" }] };

test("a message of many devices goes to all their partitions, and each device is accounted for", async () => {
  await start({}, EACH);
  const elements = Array.from({ length: 50 }, (_, i) => ({ id: `d${i}`, t: i }));
  expect(await publish("up", JSON.stringify(elements))).toBeUndefined();
  const stored = await readings();
  expect(new Set(stored.map(({ subject }) => subject)).size).toBe(4);
  expect(stored.map(({ device, value }) => [device, value]).sort()).toEqual(
    elements.map(({ id, t }) => [id, t]).sort(),
  );
  expect(await countsOf("d7")).toEqual({ ...NO_COUNTS, messages: 1, stored: 1, readings: 1 });
});

test("its frames are sent first when it does not fit beside what they hold", async () => {
  await start({}, { ...EACH, frame: { linger: "100ms" } }, 20_000);
  const sent = Array.from({ length: 6 }, (_, k) => {
    const elements = Array.from({ length: 20 }, (_, i) => ({ id: `d${i}`, text: `${k}`.padEnd(2_000, "x") }));
    return publish("up", JSON.stringify(elements));
  });
  expect(new Set(await Promise.all(sent))).toEqual(new Set([undefined]));
  expect(await deadLetters()).toEqual([]);
  expect(await readings()).toHaveLength(120);
  for (const { payload } of await messages("READINGS")) expect(payload.length).toBeLessThanOrEqual(15_000);
  expect(await countsOf("d3")).toEqual({ ...NO_COUNTS, messages: 6, stored: 6, readings: 6 });
});

test("if one part is wrong, the others are stored, and all of them count the dead letter", async () => {
  await start({}, EACH);
  await publish("up", '[{"id": "a", "t": 1}, {"t": 2}, {"id": "b", "t": 3}]');
  expect((await readings()).map(({ device, value }) => [device, value]).sort()).toEqual([
    ["a", 1],
    ["b", 3],
  ]);
  expect(await deadLetters()).toMatchObject([{ letter: { reason: "bad-payload" } }]);
  for (const device of ["a", "b"]) {
    expect(await countsOf(device)).toEqual({ ...NO_COUNTS, messages: 1, deadLettered: 1, readings: 1 });
  }
});

test("two samples of one device without times leave nothing of the message behind", async () => {
  await start({}, EACH);
  await publish("up", '[{"id": "a", "t": 1}, {"id": "b", "t": 3}, {"id": "a", "t": 2}]');
  expect(await readings()).toEqual([]);
  expect(await deadLetters()).toMatchObject([{ letter: { reason: "bad-timestamp" } }]);
});

test("a device too many costs its own readings", async () => {
  await start({}, { ...EACH, limits: { devices_max: 4 } });
  await publish("up", '[{"id": "a", "t": 1}, {"id": "b", "t": 2}, {"id": "c", "t": 3}]');
  expect((await readings()).map(({ device }) => device).sort()).toEqual(["a", "b"]);
  expect(await deadLetters()).toMatchObject([{ letter: { reason: "too-many-devices" } }]);
});

test("conditions choose the source, and what none takes is a dead letter", async () => {
  const sources = [
    { topic: "a/{device}", when: "payload.kind == 1", prefix: "one." },
    { topic: "a/{device}", when: "has(payload.skip)", ignore: true },
    { topic: "a/{device}", when: "payload.kind == 2", prefix: "two." },
  ];
  await start({}, { sources });
  for (const text of ['{"kind": 1, "t": 1}', '{"kind": 2, "t": 2}', '{"skip": 1}', '{"kind": 3}', "no json"]) {
    await publish("a/d", text);
  }
  expect((await readings()).map(({ metric, value }) => [metric, value])).toEqual([
    ["one.kind", 1],
    ["one.t", 1],
    ["two.kind", 2],
    ["two.t", 2],
  ]);
  expect((await deadLetters()).map(({ letter }) => letter.reason)).toEqual(["unknown-topic", "unknown-topic"]);
  const text = await metrics.registry.metrics();
  expect(text).toContain('weir_ingest_dropped_total{reason="ignored"} 1');
});

test("ignored topics and empty messages make no devices, and are counted", async () => {
  await start({}, { sources: [{ topic: "a/{device}/set", ignore: true }, { topic: "a/{device}/{x}" }] });
  await publish("a/d/set", "1");
  await publish("a/d/state", "");
  await publish("nowhere", "");
  expect(await deadLetters()).toEqual([]);
  expect(await countsOf("d")).toBeUndefined();
  const text = await metrics.registry.metrics();
  expect(text).toContain('weir_ingest_dropped_total{reason="ignored"} 1');
  expect(text).toContain('weir_ingest_dropped_total{reason="empty-payload"} 2');
});

test("times before clock.not_before are those of a clock that fell back", async () => {
  await start({}, { clock: { not_before: "2024-01-01" } });
  await publish("sensors/s/d/telemetry", '{"ts": "2023-12-31T23:59:59Z", "t": 1}');
  await publish("sensors/s/d/telemetry", '{"ts": "2024-01-01T00:00:00Z", "t": 2}');
  expect(await readings()).toMatchObject([
    { value: 1, atUs: NOW, clockAhead: true },
    { value: 2, atUs: Date.parse("2024-01-01") * 1_000, clockAhead: false },
  ]);
  expect(await countsOf("d")).toEqual({ ...NO_COUNTS, messages: 2, stored: 2, readings: 2, clockBehind: 1 });
});
