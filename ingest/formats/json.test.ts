import { expect, test } from "vitest";
import { msOf, WORST_MS_MAX, WORST_TEXTS } from "../../test/worst-texts.ts";
import { parseTimestampUs } from "../mapping/timestamp.ts";
import { decoder, decodeWith, STRICT_RULES, type TestRules } from "../testing/decode-with.ts";
import { JSON_FORMAT } from "./json.ts";

function json(payload: string, over: Partial<TestRules> = {}) {
  return decodeWith(decoder(JSON_FORMAT, { ...STRICT_RULES, ...over }, undefined), payload);
}

const AT = 1_763_769_600_000_000;

test.each([
  [
    "an object",
    '{"t": 21.5, "on": true, "mode": "eco"}',
    [
      ["t", 21.5, undefined],
      ["on", true, undefined],
      ["mode", "eco", undefined],
    ],
  ],
  ["milliseconds", '{"ts": 1763769600000, "t": 1}', [["t", 1, AT]]],
  ["seconds", '{"timestamp": 1763769600, "t": 1}', [["t", 1, AT]]],
  ["microseconds", '{"time": 1763769600000001, "t": 1}', [["t", 1, AT + 1]]],
  ["nanoseconds as text", '{"ts": "1763769600000001999", "t": 1}', [["t", 1, AT + 1]]],
  ["ISO 8601", '{"ts": "2025-11-22T00:00:00.000001Z", "t": 1}', [["t", 1, AT + 1]]],
  ["ISO 8601 with an offset", '{"ts": "2025-11-22T05:30:00+0530", "t": 1}', [["t", 1, AT]]],
  ["ISO 8601 without an offset is UTC", '{"ts": "2025-11-22 00:00", "t": 1}', [["t", 1, AT]]],
  [
    "nested",
    '{"a": {"b": 1, "c": {"d": 2}}}',
    [
      ["a.b", 1, undefined],
      ["a.c.d", 2, undefined],
    ],
  ],
  [
    "arrays inside",
    '{"acc": [1, 2]}',
    [
      ["acc.0", 1, undefined],
      ["acc.1", 2, undefined],
    ],
  ],
  [
    "a batch",
    '[{"ts": 1763769600, "t": 1}, {"ts": 1763769601, "t": 2}]',
    [
      ["t", 1, AT],
      ["t", 2, AT + 1e6],
    ],
  ],
  ["null is not a reading", '{"t": null, "h": 5}', [["h", 5, undefined]]],
  ["nothing", "{}", []],
])("JSON: %s", (_name, text, expected) => {
  expect(json(text)).toEqual({ readings: expected, problem: undefined });
});

test("a configured time field, even a nested one, is not a metric", () => {
  const { readings } = json('{"meta": {"at": 1763769600}, "t": 1, "ts": 5}', {
    source: { timestamp: { field: "meta.at" } },
  });
  expect(readings).toEqual([
    ["t", 1, AT],
    ["ts", 5, AT],
  ]);
});

test.each(["yesterday", "", "0001-01-01T00:00:00Z", 1e300, -1e300, {}, true])(
  "a time that is %j costs the time, not the values",
  (ts) => {
    expect(json(JSON.stringify({ ts, t: 1 }))).toEqual({ readings: [["t", 1, Number.NaN]], problem: undefined });
  },
);

test("only wanted metrics become readings", () => {
  expect(json('{"t": 1, "h": 2}', { source: { metrics: "h" } }).readings).toEqual([["h", 2, undefined]]);
});

test.each([
  ["cut short", '{"t": 21.', "bad-payload", 9],
  ["with a stray character", '{"é": 1, x}', "bad-payload", 11],
  ["a number", "5", "bad-payload", undefined],
  ["a bad element", '[{"t": 1}, 7]', "bad-payload", undefined],
  ["a number too large", '{"t": 1e999}', "bad-payload", undefined],
  ["nested too deeply", '{"a": {"b": {"c": {"d": 1}}}}', "too-large", undefined],
  ["with too many readings", `[${Array.from({ length: 11 }, () => '{"t": 1}').join()}]`, "too-large", undefined],
  ["with a text that is too long", `{"t": "${"x".repeat(21)}"}`, "too-large", undefined],
])("JSON %s becomes a problem", (_name, text, reason, position) => {
  expect(json(text).problem).toMatchObject({
    reason,
    detail: expect.stringMatching(/./),
    ...(position ? { position } : {}),
  });
});

test.each([
  ["not json", 0],
  ['{"t":', 5],
  ['{"é": 1, "b" 2}', 14],
  ['{"t": "abc', 10],
  ["[1, 2", 5],
])("the first bad byte of %j is %d", (text, position) => {
  expect(json(text).problem).toMatchObject({ reason: "bad-payload", position });
});

test("a bad element does not affect the readings of the others", () => {
  expect(json('[{"t": 1}, 7, {"t": 3}]').readings).toEqual([
    ["t", 1, undefined],
    ["t", 3, undefined],
  ]);
});

test.each(WORST_TEXTS)("%s: decoding takes linear time", (_name, worst) => {
  const room = { textBytesMax: 1_000_000 };
  for (const text of [worst, `"${worst}"`, ` ${worst} `, `{${worst}`]) {
    expect(
      msOf(() => json(JSON.stringify({ ts: text, t: text, [text]: 1, a: { [text]: { b: 1 } } }), room)),
    ).toBeLessThan(WORST_MS_MAX);
    expect(msOf(() => json(text))).toBeLessThan(WORST_MS_MAX);
    for (const unit of ["auto", "ns", "iso8601"] as const) {
      expect(msOf(() => parseTimestampUs(text, unit))).toBeLessThan(WORST_MS_MAX);
    }
  }
});

test.each([
  ["arrays", "[", "1", "]"],
  ["objects", '{"a":', "1", "}"],
])("60,000 nested %s are a problem anywhere", (_name, open, inner, close) => {
  const deep = open.repeat(60_000) + inner + close.repeat(60_000);
  expect(json(deep).problem).toMatchObject({ reason: expect.stringMatching(/^(bad-payload|too-large)$/) });
  const refusing = { source: { timestamp: { fallback: "refuse" } } } as const;
  expect(json(`{"ts": ${deep}, "t": 1}`, refusing).problem).toMatchObject({
    reason: "bad-timestamp",
    detail: expect.stringMatching(/^"ts": an (array|object) is not a time/),
  });
  expect(json(`{"t": 1, "x": ${deep}}`)).toMatchObject({
    readings: [["t", 1, undefined]],
    problem: { reason: "too-large" },
  });
  // Cut off in the middle.
  expect(json(open.repeat(60_000)).problem).toMatchObject({ reason: "bad-payload" });
});

test("the message about a long or nested time shows its beginning", () => {
  const refusing = { source: { timestamp: { fallback: "refuse" } } } as const;
  const detail = json(`{"ts": "${"x".repeat(5_000)}"}`, refusing).problem?.detail ?? "";
  expect(detail).toMatch(/^"ts": "x{60}"\.\.\. is not a time/);
  expect(json('{"ts": {"a": 1}}', refusing).problem?.detail).toMatch(/^"ts": an object is not a time/);
});

test("a name that is too long loses only its own reading", () => {
  const { readings, problem } = json(`{"a": 1, "${"n".repeat(13)}": 2, "b": {"${"m".repeat(11)}": 3}, "c": 4}`);
  expect(readings).toEqual([
    ["a", 1, undefined],
    ["c", 4, undefined],
  ]);
  const detail = `the name of metric "${"n".repeat(13)}" has 13 bytes, at most 12`;
  expect(problem).toEqual({ reason: "bad-name", detail });
  expect(json(`{"${"n".repeat(12)}": 2}`).readings).toHaveLength(1);
  // Ignored when no source wants it.
  expect(json(`{"${"n".repeat(13)}": 2}`, { source: { metrics: "none" } }).problem).toBeUndefined();
});

test("a name that `onReading` refuses is a bad name", () => {
  const detail = 'the name of metric "a\\u0001" has a control character';
  const decode = decoder(JSON_FORMAT, STRICT_RULES, undefined);
  expect(decodeWith(decode, '{"a\\u0001": 1}', "", () => false).problem).toEqual({ reason: "bad-name", detail });
});

test("a name of 200,000 bytes around thousands of names decodes fast", () => {
  const leaves = Array.from({ length: 4_900 }, (_, i) => `"${i}": 1`).join();
  const payload = `{"${"p".repeat(200_000)}": {${leaves}}, "t": 1}`;
  let result: ReturnType<typeof json> | undefined;
  const limits = { readingsMax: 5_000, nameBytesMax: 256 };
  expect(
    msOf(() => {
      result = json(payload, limits);
    }),
  ).toBeLessThan(WORST_MS_MAX);
  expect(result?.readings).toEqual([["t", 1, undefined]]);
  expect(result?.problem).toMatchObject({ reason: "bad-name", detail: expect.stringContaining("200000 bytes") });
  expect(result?.problem?.detail.length).toBeLessThan(200);
});
