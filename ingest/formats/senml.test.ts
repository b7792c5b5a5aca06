import { encode } from "cbor-x";
import { expect, test } from "vitest";
import { RECEIVED_AT_US, samplesOf } from "../testing/parse-with.ts";
import { SENML_FORMAT } from "./senml.ts";

function senml(pack: unknown) {
  return samplesOf(SENML_FORMAT, typeof pack === "string" ? pack : JSON.stringify(pack));
}

const AT = 1_741_531_200_250_000;
const DEVICE = "urn:dev:ops:32473-silo-4";

test("base values apply to later records, and the unit is a tag", () => {
  const pack = [
    { bn: `${DEVICE}:`, bt: 1_741_531_200.25, n: "hatch", vb: true },
    { bu: "Cel", bv: 10, n: "inlet", v: 8.5 },
    { n: "humidity", u: "%RH", t: 5, v: 37 },
    { bn: "urn:dev:mac:1/", bt: 0, n: "x/y", vs: "eco", t: -60 },
    { n: "meter", s: 7, bs: 100, v: 1, ut: 30 },
    { n: "data", vd: "AQI" },
  ];
  const { samples, problem } = senml(pack);
  expect(problem).toBeUndefined();
  expect(samples).toEqual([
    ["hatch", true, AT, {}, DEVICE],
    ["inlet", 18.5, AT, { unit: "Cel" }, DEVICE],
    ["humidity", 47, AT + 5_000_000, { unit: "%RH" }, DEVICE],
    ["x/y", "eco", RECEIVED_AT_US - 60_000_000, { unit: "Cel" }, "urn:dev:mac:1"],
    ["meter", 11, undefined, { unit: "Cel" }, "urn:dev:mac:1"],
    ["meter.sum", 107, undefined, { unit: "Cel" }, "urn:dev:mac:1"],
    ["data", "AQI", undefined, { unit: "Cel" }, "urn:dev:mac:1"],
  ]);
});

test("a pack in CBOR, whose labels are numbers", () => {
  const pack = [
    new Map<number, unknown>([
      [-2, "urn:dev:ow:10e2073a01080063"],
      [-3, 1_741_531_200.25],
      [-4, "Cel"],
      [0, ":t"],
      [2, 21.5],
    ]),
    new Map<number, unknown>([
      [0, ":on"],
      [4, true],
      [6, 1],
    ]),
    new Map<number, unknown>([
      [0, ":d"],
      [8, Buffer.from([1, 2])],
    ]),
  ];
  const { samples, problem } = samplesOf(SENML_FORMAT, encode(pack));
  expect(problem).toBeUndefined();
  const device = "urn:dev:ow:10e2073a01080063";
  expect(samples).toEqual([
    ["t", 21.5, AT, { unit: "Cel" }, device],
    ["on", true, AT + 1_000_000, { unit: "Cel" }, device],
    ["d", "AQI", AT, { unit: "Cel" }, device],
  ]);
});

// RFC 8428, 5.1.1 and 5.1.3: the name is in the base name alone, or there is no base name.
test.each([
  [{ n: "urn:dev:ow:10e2073a01080063", v: 23.1 }, undefined, "urn:dev:ow:10e2073a01080063"],
  [{ bn: "urn:dev:ow:10e2:temperature", v: 23.1 }, "urn:dev:ow:10e2", "temperature"],
  [{ bn: "urn:dev:ow:10e2:", v: 23.1 }, "urn:dev:ow:10e2", "value"],
  [{ bn: "dev1", n: "temp", v: 23.1 }, "dev1", "temp"],
])("%j", (record, device, metric) => {
  expect(senml([record]).samples).toEqual([[metric, 23.1, undefined, {}, device]]);
});

test("a record of base values alone has no reading", () => {
  expect(
    senml([
      { bn: "a:", bt: 1e9 },
      { n: "b", v: 1 },
    ]).samples,
  ).toEqual([["b", 1, 1e15, {}, "a"]]);
});

test.each([
  ["two values", { n: "a", v: 1, vs: "x" }, "record 2: it has more than one value"],
  ["no value", { n: "a", t: 1 }, "record 2: it has no value"],
  ["no name", { v: 1 }, "record 2: it has no name"],
  ["a name with a space", { n: "a b", v: 1 }, 'record 2: "a b" is no name of SenML'],
  ["a name that begins with a dash", { n: "-a", v: 1 }, 'record 2: "-a" is no name of SenML'],
  ["text for a number", { n: "a", v: "1" }, 'record 2: "v" is not a number'],
])("%s costs its record alone", (_name, record, detail) => {
  const { samples, problem } = senml([{ n: "first", v: 1 }, record, { n: "last", v: 2 }]);
  expect(samples.map(([metric]) => metric)).toEqual(["first", "last"]);
  expect(problem?.detail).toContain(detail);
});

test.each([
  ["a newer version", { n: "a", bver: 11, v: 1 }, "version 11 of SenML is newer than 10"],
  ["a field that must be understood", { n: "a", v: 1, lock_: 1 }, 'the field "lock_" must be understood'],
  ["a base time that is text", { n: "a", v: 1, bt: "now" }, '"bt" is not a number'],
  ["no object", 5, "a record is no object"],
])("%s ends the pack", (_name, record, detail) => {
  const { samples, problem } = senml([{ n: "first", v: 1 }, record, { n: "last", v: 2 }]);
  expect(samples.map(([metric]) => metric)).toEqual(["first"]);
  expect(problem?.detail).toContain(detail);
});

test("a version that changes ends the pack", () => {
  const { problem } = senml([
    { n: "a", bver: 10, v: 1 },
    { n: "a", bver: 9, v: 1 },
  ]);
  expect(problem?.detail).toContain('"bver" changes within the pack');
});

test.each([
  ["an object", "{}", "a SenML pack is an array"],
  ["no JSON", "[{", "not JSON"],
  ["no CBOR", Buffer.from("8261", "hex"), "not CBOR"],
])("%s", (_name, payload, detail) => {
  expect(samplesOf(SENML_FORMAT, payload).problem?.detail).toContain(detail);
});

test("more records than one message may have", () => {
  const { samples, problem } = senml(Array.from({ length: 11 }, () => ({ n: "a", v: 1 })));
  expect(samples).toHaveLength(10);
  expect(problem).toMatchObject({ reason: "too-large" });
});
