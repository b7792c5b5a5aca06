import { expect, test } from "vitest";
import { tryMessage } from "../trials/trial.ts";
import { sourceSchema } from "./source-schema.ts";

const RECEIVED_US = Date.parse("2025-11-22T00:00:00Z") * 1_000;
const AT = Date.parse("2025-11-21T12:00:00Z") * 1_000;

type Value = number | boolean | string;

/** Each reading as `metric = value`, with its time if it has one; then the problem, if any. */
function read(payload: string | Uint8Array, source: Record<string, unknown> = {}): string[] {
  const config = sourceSchema.parse({ topic: "a/{device}", ...source });
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  const trial = tryMessage(config, { topic: "a/d", payload: bytes, receivedAtUs: RECEIVED_US });
  if (trial.kind !== "read") return [trial.kind];
  const readings = trial.readings.map(({ metric, value, atUs }) => {
    const time = atUs === undefined ? "" : Number.isNaN(atUs) ? " wrong" : ` ${new Date(atUs / 1_000).toISOString()}`;
    return `${metric} = ${JSON.stringify(value satisfies Value)}${time}`;
  });
  return trial.problem === undefined ? readings : [...readings, `${trial.problem.reason}: ${trial.problem.detail}`];
}

const value = { topic: "a/{device}", format: "value", metric: "v" };
const utf16 = (text: string, mark: string) => Buffer.from(mark + text, "utf16le");

test.each<[what: string, payload: string | Uint8Array, source: Record<string, unknown>, expected: string[]]>([
  ["nan costs its value only", '{"t": nan, "h": 50}', {}, ["h = 50"]],
  ["infinities, with signs", '{"a": -Infinity, "b": +inf, "c": Infinity, "h": 1}', {}, ["h = 1"]],
  [
    "words for no value, in any case and with blanks",
    '{"a": "NaN", "b": " N/A ", "c": "Unavailable", "d": ""}',
    {},
    [],
  ],
  [
    "a word that only begins like one is a text",
    '{"a": "none of them", "b": "unknown-7"}',
    {},
    ['a = "none of them"', 'b = "unknown-7"'],
  ],
  [
    "numbers in quotes",
    '{"a": "21.5", "b": "+2", "c": ".5", "d": "5.", "e": " 7 "}',
    {},
    ["a = 21.5", "b = 2", "c = 0.5", "d = 5", "e = 7"],
  ],
  [
    "codes stay texts",
    '{"a": "007", "b": "12E4", "c": "0x1F", "d": "1_000", "e": "1.2.3"}',
    {},
    ['a = "007"', 'b = "12E4"', 'c = "0x1F"', 'd = "1_000"', 'e = "1.2.3"'],
  ],
  ["the sign that displays write for minus", '{"a": "\u22125", "b": "\u22120.5"}', {}, ["a = -5", "b = -0.5"]],
  ["coerce: off keeps texts", '{"a": "21.5", "b": 2}', { coerce: "off" }, ['a = "21.5"', "b = 2"]],
  [
    "units",
    '{"a": "21.5 \u00b0C", "b": "45%", "c": "\u221240 \u00b0F", "d": "3 m\u00b3/h"}',
    { coerce: { units: true } },
    ["a = 21.5", "b = 45", "c = -40", "d = 3"],
  ],
  ["a number with a unit is a text by default", '{"a": "21.5 C"}', {}, ['a = "21.5 C"']],
  [
    "letters with digits are a code, also with units",
    '{"a": "5E10", "b": "0H3"}',
    { coerce: { units: true } },
    ['a = "5E10"', 'b = "0H3"'],
  ],
  [
    "a decimal comma",
    '{"a": "21,5", "b": "-0,25", "c": "7"}',
    { coerce: { decimal: "," } },
    ["a = 21.5", "b = -0.25", "c = 7"],
  ],
  ["a decimal comma is a text by default", '{"a": "21,5"}', {}, ['a = "21,5"']],
  [
    "thousands with points",
    '{"a": "1.204,5", "b": "1.204", "c": "1.2"}',
    { coerce: { decimal: ",", thousands: "." } },
    ["a = 1204.5", "b = 1204", 'c = "1.2"'],
  ],
  [
    "thousands with blanks, also narrow ones",
    '{"a": "1 204", "b": "1\u202f204.5", "c": "12 34"}',
    { coerce: { thousands: " " } },
    ["a = 1204", "b = 1204.5", 'c = "12 34"'],
  ],
  [
    "thousands with commas",
    '{"a": "1,204,000.5", "b": "1,5"}',
    { coerce: { thousands: "," } },
    ["a = 1204000.5", 'b = "1,5"'],
  ],
  [
    "whole numbers beyond 2^53 keep their digits",
    '{"a": 9007199254740993, "b": -99999999999999999999, "c": 9007199254740991}',
    {},
    ['a = "9007199254740993"', 'b = "-99999999999999999999"', "c = 9007199254740991"],
  ],
  ["and in quotes", '{"a": "9007199254740993"}', {}, ['a = "9007199254740993"']],
  [
    "and become numbers where they are scaled",
    '{"a": 90071992547409930}',
    { convert: { a: { scale: 1e-12 } } },
    ["a = 90071.99254740993"],
  ],
  [
    "large numbers that are no counts stay numbers",
    '{"a": 1e20, "b": 1.5e300}',
    {},
    ["a = 100000000000000000000", "b = 1.5e+300"],
  ],
  [
    "a number too large to hold costs itself",
    '{"a": 1e999, "h": 5}',
    {},
    ["h = 5", 'bad-payload: "a" is a number too large to hold'],
  ],
  [
    "on and off",
    '{"a": "ON", "b": "off", "c": 1, "d": "jammed"}',
    { convert: { "*": { as: "boolean" } } },
    ["a = true", "b = false", "c = true", 'd = "jammed"'],
  ],
  [
    "enums, in any case",
    '{"a": "Open", "b": "closed", "c": 3, "d": true}',
    { convert: { "*": { enum: { open: 1, closed: 0, 3: 30, true: 9 } } } },
    ["a = 1", "b = 0", "c = 30", "d = 9"],
  ],
  [
    "numbers that are no value, however they are written",
    '{"a": 85, "b": "85.00", "c": -127.0, "d": 85.5}',
    { convert: { "*": { no_value: [85, -127] } } },
    ["d = 85.5"],
  ],
  ["and for the whole source", '{"a": -127, "b": "-127.0", "c": 1}', { no_value: [-127] }, ["c = 1"]],
  ["tenths", '{"a": 217, "b": "217"}', { convert: { "*": { scale: 0.1 } } }, ["a = 21.7", "b = 21.7"]],
  ["a byte order mark", '\ufeff{"t": 1}', {}, ["t = 1"]],
  ["UTF-16 with a mark", utf16('{"t": 1, "w": "\u00e9"}', "\ufeff"), {}, ["t = 1", 'w = "\u00e9"']],
  ["UTF-16 of the other byte order, without a mark", utf16('{"t": 1}', "").swap16(), {}, ["t = 1"]],
  ["NULs at the end", '{"t": 1}\0\0\0', {}, ["t = 1"]],
  ["a bare value with a mark and a NUL", "\ufeff21.5\0", value, ["v = 21.5"]],
  ["nothing but blanks, NULs or null is nothing", "\0\0", {}, []],
  ["a bare null", "null", value, []],
  ["an empty object", "{}", {}, []],
  [
    "bytes of another encoding cost their value",
    Buffer.from('{"t": 1, "u": "\u00b0C"}', "latin1"),
    {},
    ["t = 1", 'bad-payload: "u" has bytes that are not UTF-8 text'],
  ],
  ["a name twice: the last one counts", '{"t": 1, "t": 2}', {}, ["t = 2"]],
  [
    "names that objects inherit",
    '{"__proto__": {"t": 1}, "constructor": 2}',
    {},
    ["__proto__.t = 1", "constructor = 2"],
  ],
  ["single quotes, names without quotes, a comma too many", "{t: 1, 'h': 'x',}", {}, ["t = 1", 'h = "x"']],
  [
    "lines of JSON without times would replace one another",
    '{"t": 1}\n{"t": 2}',
    {},
    [expect.stringMatching(/^bad-timestamp: two samples of "t" have no time of their own/)],
  ],
  [
    "the same time twice",
    '[{"t": 1, "ts": 1763726400}, {"t": 2, "ts": "2025-11-21T12:00:00Z"}]',
    {},
    [expect.stringMatching(/^bad-timestamp: two samples of "t" have the same time/)],
  ],
  [
    "an array without times and with an interval",
    '{"t": [1, 2]}',
    { each: "t.*", metric: "t", interval: "1s" },
    ["t = 1 2025-11-21T23:59:59.000Z", "t = 2 2025-11-22T00:00:00.000Z"],
  ],
])("%s", (_what, payload, source, expected) => {
  expect(read(payload, source)).toEqual(expected);
});

const RIGHT = `t = 1 ${new Date(AT / 1_000).toISOString()}`;

test.each<[time: unknown, expected: string, timestamp?: Record<string, unknown>]>([
  [1763726400, RIGHT],
  ["1763726400000", RIGHT],
  [1763726400000000, RIGHT],
  ["1763726400000000000", RIGHT],
  ["2025-11-21T12:00:00,000Z", RIGHT],
  ["2025-11-21 13:00 +01", RIGHT],
  ["2025-11-21T17:30:00+0530", RIGHT],
  ["2025-11-21T13:00:00", RIGHT, { timezone: "Europe/Berlin" }],
  ["21.11.2025 13:00:00", RIGHT, { timezone: "Europe/Berlin", format: "DD.MM.YYYY HH:mm:ss" }],
  [null, "t = 1"],
  ["", "t = 1 wrong"],
  [0, "t = 1 wrong"],
  [-5, "t = 1 wrong"],
  [true, "t = 1 wrong"],
  [{ s: 5 }, "t = 1 wrong"],
  ["soon", "t = 1 wrong"],
  ["0001-01-01T00:00:00Z", "t = 1 wrong"],
  ["2000-01-01T00:00:00Z", "t = 1 wrong"],
  ["2025-11-22T00:02:00Z", "t = 1 wrong"],
  ["2025-02-30T00:00:00Z", "t = 1 wrong"],
  ["2025-13-01T00:00:00Z", "t = 1 wrong"],
  ["31.04.2025 13:00:00", "t = 1 wrong", { format: "DD.MM.YYYY HH:mm:ss" }],
  ["2025-11-21T12:00:00Z", "t = 1 wrong", { max_behind: "1h" }],
  [
    "soon",
    'bad-timestamp: "ts": "soon" is not a time (expected a count of s, ms, us or ns, or ISO 8601)',
    { fallback: "refuse" },
  ],
])("the time %j is read as %s (%j)", (time, expected, timestamp = {}) => {
  expect(read(JSON.stringify({ ts: time, t: 1 }), { timestamp: { field: "ts", ...timestamp } })).toEqual([expected]);
});

test.each<[source: Record<string, unknown>, path: string, message: string]>([
  [{ topic: "$SYS/{device}" }, "topic", "topics that begin with $ belong to the broker"],
  [{ topic: "a/{device}/{metric}" }, "topic", "the topic captures {metric}, but the payload names its metrics"],
  [{ topic: "a/{device}/{metric}", format: "senml" }, "topic", "the topic captures {metric}"],
  [{ topic: "a/b" }, "topic", "{device} is missing"],
  [{ topic: "a/{device}", format: "value" }, "topic", "{metric} is missing"],
  [{ topic: "a/{device}", format: "senml", value: "v" }, "value", "so value has no effect"],
  [{ topic: "a/{device}", format: "line-protocol", each: "x.*" }, "each", "so each has no effect"],
  [{ topic: "a/{device}", format: "senml", compute: { x: "1" } }, "compute", "so compute has no effect"],
  [{ topic: "a/{device}", format: "senml", timestamp: { field: "t" } }, "timestamp.field", "so field has no effect"],
  [{ topic: "a/{device}", format: "senml", timestamp: { unit: "ms" } }, "timestamp.unit", "so unit has no effect"],
  [
    { topic: "a/{device}", format: "senml", when: "payload.x == 1" },
    "when",
    "`when` can use topic, captured and received",
  ],
  [
    { topic: "a/{device}", timestamp: { format: "DD.MM.YYYY", unit: "ms" } },
    "timestamp.unit",
    "so `unit` has no effect",
  ],
  [{ topic: "a/{device}", convert: { x: { as: "text", scale: 2 } } }, "convert.x.as", "a text has no scale or offset"],
  [
    { topic: "a/{device}", convert: { x: { as: "boolean", offset: 2 } } },
    "convert.x.as",
    "a boolean has no scale or offset",
  ],
  [{ topic: "a/{device}", format: "avro" }, "format", "this format needs `schema`"],
  [{ topic: "a/{device}", format: "csv", schema: "x" }, "schema", "has no schema"],
  [{ topic: "a/{device}", ignore: true, each: "x.*" }, "each", "each has no effect"],
  [{ topic: "a/{device}", tags: { metric: "x" } }, "tags.metric", "a tag cannot have the name metric"],
])("%j cannot work", (source, path, message) => {
  const parsed = sourceSchema.safeParse(source);
  const issues = parsed.error?.issues.map((issue) => [issue.path.join("."), issue.message]) ?? [];
  expect(issues).toEqual([[path, expect.stringContaining(message)]]);
});
