import { expect, test } from "vitest";
import { parse } from "yaml";
import { ingestConfigSchema } from "../../../ingest/common/config.ts";
import { trialLines } from "./trial-lines.ts";

function tried(topic: string, payload: string, sources?: readonly unknown[]): string {
  const config = ingestConfigSchema.parse({ sources });
  return trialLines({ topic, payload: Buffer.from(payload), receivedAtUs: 1_757_145_600e6 }, config.sources).join("\n");
}

test("the source that takes a message, its readings, and why the one before does not", () => {
  const lines = tried("sensors/north/cold-1/temperature", "21.5");
  expect(lines).toContain(
    'source 1, sensors/{site}/{device}/telemetry: another topic: level 4 of sensors/{site}/{device}/telemetry is not "temperature"',
  );
  expect(lines).toContain("source 2, sensors/{site}/{device}/{metric}: takes it: 1 reading");
  expect(lines).toContain("cold-1{site=north} temperature = 21.5 (number) at its receipt");
});

test("a source that is never asked, and one whose condition does not hold", () => {
  const sources = [
    { topic: "a/{device}", when: 'payload.kind == "x"' },
    { topic: "a/+", ignore: true, when: "has(payload.skip)" },
    { topic: "a/{device}" },
    { topic: "{device}/b" },
  ];
  const lines = tried("a/b", '{"t": "21", "ts": "soon", "kind": "y"}', sources);
  expect(lines).toContain('source 1, a/{device}: `when` does not hold: payload.kind == "x"');
  expect(lines).toContain("source 3, a/{device}: takes it: 2 readings");
  expect(lines).toContain("b t = 21 (number) at its receipt: its time cannot be right");
  expect(lines).toContain("source 4, {device}/b: not asked, because an earlier one takes it");
  expect(tried("a/b", '{"skip": 1}', sources)).toContain("source 2, a/+: takes it, and ignores it");
});

test("a bad payload, with its reason and place", () => {
  expect(tried("sensors/s/d/telemetry", '{"t": oops, "h": 1}')).toContain(
    'takes it: 1 reading, and a dead letter: bad-payload: not JSON: "oops" is no value (byte 6)',
  );
});

test.each([
  ["tele/plug/SENSOR", '{"Time":"2025-08-02T19:05:00","ENERGY":{"Power":3}}', '{"use":"tasmota"}'],
  [
    "plant/press-1/telemetry",
    '{"tst":1757145600,"force":3}',
    '{"topic":"plant/{device}/telemetry","timestamp":{"field":"tst"}}',
  ],
  [
    "plant/press-1/oil",
    "21,5 °C",
    '{"topic":"plant/{device}/{metric}","format":"value","coerce":{"decimal":",","units":true}}',
  ],
  ["hut/up", '[{"id":"a","kwh":1},{"id":"b","kwh":2}]', '{"topic":"hut/up","each":"*","device":"{id}"}'],
  ["plc/p1/data", '{"name":"oil","value":3}', '{"topic":"plc/{device}/data","metric":"{name}","value":"value"}'],
])("no source reads %s, and one that would is shown", (topic, payload, source) => {
  const lines = tried(topic, payload, [{ topic: "x/{device}" }]);
  const [, yaml = ""] = lines.split("no source reads it; this one would:\n");
  expect(parse(yaml)).toEqual([JSON.parse(source)]);
});

test("nothing is suggested for what no source can read", () => {
  expect(tried("x/y/z", "\u0000\u0001", [{ topic: "a/{device}" }])).toContain("none that would was found");
});

test("where a source takes the message in the wrong format, one that reads all of it goes before", () => {
  const lines = tried("plant/p1/oil", "21,5 °C", [{ topic: "x/{device}" }, { topic: "plant/{device}/oil" }]);
  expect(lines).toContain("source 2, plant/{device}/oil: takes it: 0 readings, and a dead letter: bad-payload: ");
  const [, yaml = ""] = lines.split("put this before source 2; it reads all of it:\n");
  expect(parse(yaml)).toMatchObject([{ topic: "plant/{device}/{metric}", format: "value" }]);
});

test("a message that a source reads without readings gets none of another source", () => {
  const lines = tried("plant/p1/up", '{"t": null}', [{ topic: "plant/{device}/up" }]);
  expect(lines).toContain("takes it: 0 readings");
  expect(lines).toContain("none that would was found");
});
