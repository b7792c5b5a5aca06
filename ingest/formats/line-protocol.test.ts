import { Point } from "@influxdata/influxdb-client";
import fc from "fast-check";
import { expect, test } from "vitest";
import { msOf, WORST_MS_MAX, WORST_TEXTS } from "../../test/worst-texts.ts";
import { samplesOf } from "../testing/parse-with.ts";
import { LINE_PROTOCOL_FORMAT } from "./line-protocol.ts";

function lines(payload: string, options?: unknown) {
  return samplesOf(LINE_PROTOCOL_FORMAT, payload, { options });
}

const AT = 1_758_375_000_123_456;

test("tags, fields of all kinds, and a time in nanoseconds", () => {
  const line =
    'climate,site=north\\ yard,r\\=x=a\\,b temp=14.25,fan=3i,n=-2u,mode="eco, \\"night\\" \\\\",on=T,off=false,x=-1e-3 1758375000123456789';
  const tags = { site: "north yard", "r=x": "a,b" };
  const { samples, problem } = lines(line.replace(",n=-2u", ",n=2u"));
  expect(problem).toBeUndefined();
  expect(samples).toEqual([
    ["climate.temp", 14.25, AT, tags, undefined],
    ["climate.fan", 3, AT, tags, undefined],
    ["climate.n", 2, AT, tags, undefined],
    ["climate.mode", 'eco, "night" \\', AT, tags, undefined],
    ["climate.on", true, AT, tags, undefined],
    ["climate.off", false, AT, tags, undefined],
    ["climate.x", -0.001, AT, tags, undefined],
  ]);
});

test.each([
  ["ns", "1758375000123456999", AT],
  ["ns", "-1", -1],
  ["us", "1758375000123456", AT],
  ["ms", "1758375000123", AT - 456],
  ["s", "1758375000", 1_758_375_000_000_000],
])("a time in %s", (precision, digits, expected) => {
  expect(lines(`a b=1 ${digits}`, { precision }).samples).toEqual([["a.b", 1, expected, {}, undefined]]);
});

test("comments, empty lines, spaces at a line's ends, and the line ends of Windows", () => {
  const { samples, problem } = lines('# a comment\n\n a b=1 \r\n\r\nc d=2 1000\r\n  \ne\\ f,g=h i="a\nb"\n');
  expect(problem).toBeUndefined();
  expect(samples).toEqual([
    ["a.b", 1, undefined, {}, undefined],
    ["c.d", 2, 1, {}, undefined],
    ["e f.i", "a\nb", undefined, { g: "h" }, undefined],
  ]);
});

test("a whole number that a double cannot hold is kept exactly", () => {
  expect(lines("a b=9007199254740993i,c=18446744073709551615u").samples.map(([, value]) => value)).toEqual([
    9_007_199_254_740_993n,
    18_446_744_073_709_551_615n,
  ]);
});

test.each([
  ["a word for a value", "a b=1,c=warm", "a.b", 'line 1: "warm" is no value of "c"', 8],
  ["no fields", "a,b=c 5", undefined, 'line 1: the field "5" has no value', 7],
  ["no value of a tag", "a,b c=1", undefined, 'line 1: the tag "b" has no value', 3],
  ["a tag twice", "a,b=c,b=d e=1", undefined, 'line 1: the tag "b" occurs twice', 9],
  ["no measurement", ",b=c e=1", undefined, "line 1: the line begins without a measurement", 0],
  ["a word for a time", "a b=1 now", undefined, 'line 1: "now" is no time', 6],
  ["more after the time", "a b=1 5 6", undefined, "line 1: the line goes on after its time", 8],
  ["an open quote", 'é b="x', undefined, "line 1: a quote is not closed", 5],
  ["a negative unsigned number", "a b=-2u", undefined, 'line 1: "-2u" is no value', 4],
  ["hexadecimal", "a b=0x10", undefined, 'line 1: "0x10" is no value', 4],
])("%s", (_name, text, _metric, detail, position) => {
  const { samples, problem } = lines(text);
  expect(samples).toEqual([]);
  expect(problem).toMatchObject({ reason: "bad-payload", position });
  expect(problem?.detail).toContain(detail);
});

test("a bad line costs itself, and the first one is named", () => {
  const { samples, problem } = lines("a b=1\nc d=oops\ne f=x\ng h=2\n");
  expect(samples.map(([metric]) => metric)).toEqual(["a.b", "g.h"]);
  expect(problem).toMatchObject({ detail: expect.stringContaining("line 2:"), position: 10 });
});

test("more readings than one message may have", () => {
  const { samples, problem } = lines("a b=1\n".repeat(11));
  expect(samples).toHaveLength(10);
  expect(problem).toMatchObject({ reason: "too-large" });
});

test("what InfluxDB's client writes", () => {
  const name = fc.string({ unit: fc.constantFrom(...'aé, =\\"x1'), minLength: 1, maxLength: 8 });
  // A backslash at the end of a name or a tag has no escape in line protocol, and the client drops what begins with #.
  const safe = name.filter((text) => !/\\$|^#|^\s|\\[,= ]/.test(text));
  const text = fc.string({ unit: fc.constantFrom(...'aé, =\\"x1\n'), maxLength: 8 });
  fc.assert(
    fc.property(safe, safe, safe, safe, text, fc.maxSafeInteger(), (measurement, tag, tagValue, field, value, n) => {
      const point = new Point(measurement).tag(tag, tagValue).stringField(field, value).intField(`${field}2`, n);
      const line = point.timestamp(1_000).toLineProtocol() ?? "";
      const { samples, problem } = lines(line);
      expect(problem).toBeUndefined();
      expect(samples).toEqual([
        [`${measurement}.${field}`, value, 1, { [tag]: tagValue }, undefined],
        [`${measurement}.${field}2`, n, 1, { [tag]: tagValue }, undefined],
      ]);
    }),
  );
});

test.each(WORST_TEXTS)("reads %s in linear time", (_name, text) => {
  for (const payload of [
    text,
    `a b=${text}`,
    `a b="${text}`,
    `a,${text}=1 b=1`,
    `a b=1 ${text}`,
    `${text}\n`.repeat(3),
  ]) {
    expect(msOf(() => lines(payload))).toBeLessThan(WORST_MS_MAX);
  }
});
