import { encode as msgpackOf } from "@msgpack/msgpack";
import avsc from "avsc";
import { Encoder } from "cbor-x";
import fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { ReadingValue } from "../../domain/reading.ts";
import { msOf, WORST_MS_MAX, WORST_TEXTS } from "../../test/worst-texts.ts";
import { ingestConfigSchema } from "../common/config.ts";
import { hasControlCharacter } from "../names/names.ts";
import { decoder, decodeWith, STRICT_RULES, type TestRules } from "../testing/decode-with.ts";
import { schemasWith } from "../testing/schemas-with.ts";
import { sparkplugHost } from "../testing/sparkplug-host.ts";
import { peerMetric, sparkplugPayload } from "../testing/sparkplug-peer.ts";
import type { Format, ReadSamples } from "./format.ts";
import { FORMATS, FORMATS_DOC, type FormatName, formatOf, schemaOf } from "./formats.ts";

/** Writes the suite's test data in one format. */
interface Samples {
  /** A payload with one reading of `metric`, with a time in microseconds if one is given. */
  payloadOf(value: ReadingValue, atUs?: number | string): string | Uint8Array;
  /** The name that the reading gets; `metric` by default. */
  readonly metric?: string;
  /** The reading's value, in formats that do not tell numbers from texts. */
  readonly read?: (value: ReadingValue) => ReadingValue;
  /** A payload with many readings; undefined if the format holds only one. */
  readonly many?: (readings: number) => string | Uint8Array;
  /** Settings that the payloads need. */
  readonly source?: TestRules["source"];
  /** Payloads that are not in this format. */
  readonly bad: readonly (string | Uint8Array)[];
}

const cborEncoder = new Encoder({ useRecords: false, mapsAsObjects: true });

function timed(value: ReadingValue, atUs: number | string | undefined) {
  return { metric: value, ...(atUs === undefined ? {} : { ts: atUs }) };
}

function rowsOf(readings: number) {
  return Array.from({ length: readings }, () => ({ metric: 1 }));
}

function quoted(value: ReadingValue, quote: string): string {
  if (typeof value !== "string") return String(value);
  return `"${value.replace(/["\\]/g, (character) => (quote === "\\" || character === '"' ? quote : "") + character)}"`;
}

function senmlField(value: ReadingValue): string {
  if (typeof value === "number") return "v";
  return typeof value === "boolean" ? "vb" : "vs";
}

const AVRO_SCHEMA = {
  type: "array",
  items: {
    type: "record",
    name: "Suite",
    fields: [
      { name: "metric", type: ["null", "double", "boolean", "string"] },
      { name: "ts", type: ["null", "long", "string"] },
    ],
  },
} as const;
const avroType = avsc.Type.forSchema(AVRO_SCHEMA as unknown as avsc.Schema);

function avroOf(rows: readonly object[]): Buffer {
  const withAll = rows.map((row) => ({ ts: null, ...row }));
  return Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), avroType.toBuffer(withAll)]);
}

const PROTO_SCHEMA = `syntax = "proto3"; import "google/protobuf/struct.proto";
message Suite { google.protobuf.Value metric = 1; google.protobuf.Value ts = 2; }`;
const protoRoot = protobuf.parse(PROTO_SCHEMA, new protobuf.Root()).root;
protoRoot.addJSON(protobuf.common.get("google/protobuf/struct.proto")?.nested ?? {});
const protoType = protoRoot.lookupType("Suite");

function protoValue(value: ReadingValue): object {
  if (typeof value === "number") return { numberValue: value };
  return typeof value === "boolean" ? { boolValue: value } : { stringValue: value };
}

const sparkplug = sparkplugHost();
sparkplug.read({ topic: "spBv1.0/g/NBIRTH/n", payload: sparkplugPayload({ seq: 0 }), receivedAtUs: 0 }, () => {});
const ofNode: ReadSamples = (message, onSample) => sparkplug.read({ ...message, topic: "spBv1.0/g/NDATA/n" }, onSample);

const { schemas } = await schemasWith([
  { subject: "suite-avro", schemaType: "AVRO", schema: JSON.stringify(AVRO_SCHEMA) },
  { subject: "suite-protobuf", schemaType: "PROTOBUF", schema: PROTO_SCHEMA },
]);
const SHARED = { schemas, sparkplug: ofNode };

/** A format without samples does not compile. */
const SAMPLES: Readonly<Record<FormatName, Samples>> = {
  json: {
    payloadOf: (value, atUs) => JSON.stringify(timed(value, atUs)),
    many: (readings) => JSON.stringify(rowsOf(readings)),
    bad: ["5", "{", '{"metric": 1', "metric=1", '{"metric": 1e999}'],
  },
  value: {
    payloadOf(value, atUs) {
      if (atUs !== undefined) return JSON.stringify({ value, ts: atUs });
      return typeof value === "string" ? JSON.stringify(value) : String(value);
    },
    bad: ["{", '{"v": 1}', '{"value": 1', '{"value": [1]}', '{"value": 1e999}'],
  },
  auto: {
    payloadOf(value, atUs) {
      if (atUs !== undefined) return JSON.stringify([{ value, ts: atUs }]);
      return typeof value === "string" ? JSON.stringify(value) : String(value);
    },
    source: { value: "value" },
    many: (readings) => JSON.stringify(Array.from({ length: readings }, () => ({ value: 1 }))),
    bad: ["{", "[", '{"value": 1', '{"value": 1e999}', "[1, 2, ,"],
  },
  cbor: {
    payloadOf: (value, atUs) => cborEncoder.encode(timed(value, atUs)),
    many: (readings) => cborEncoder.encode(rowsOf(readings)),
    bad: ["", "5", '{"metric": 1}', Buffer.from("a1666d6574726963", "hex"), Buffer.from("a0a0", "hex")],
  },
  msgpack: {
    payloadOf: (value, atUs) => msgpackOf(timed(value, atUs)),
    many: (readings) => msgpackOf(rowsOf(readings)),
    bad: ["", "5", '{"metric": 1}', Buffer.from("81a66d6574726963", "hex"), Buffer.from("8080", "hex")],
  },
  senml: {
    payloadOf(value, atUs) {
      const bt = typeof atUs === "number" ? atUs / 1e6 : atUs;
      return JSON.stringify([{ ...(bt === undefined ? {} : { bt }), n: "metric", [senmlField(value)]: value }]);
    },
    many: (readings) => JSON.stringify(Array.from({ length: readings }, () => ({ n: "metric", v: 1 }))),
    bad: ["", "5", "{}", "[5]", '[{"n": "metric"}]', Buffer.from("81a10063", "hex")],
  },
  "line-protocol": {
    metric: "metric.value",
    payloadOf: (value, atUs) =>
      `metric value=${quoted(value, "\\")}${atUs === undefined ? "" : ` ${atUs}`}${typeof atUs === "number" ? "000" : ""}`,
    many: (readings) => "metric value=1\n".repeat(readings),
    bad: ["metric", "metric value", "metric value=x", 'metric value="x', "metric value=1 2 3", "=1"],
  },
  csv: {
    read: String,
    payloadOf: (value, atUs) =>
      atUs === undefined ? `metric\n${quoted(value, '"')}\n` : `metric,ts\n${quoted(value, '"')},${atUs}\n`,
    many: (readings) => `metric\n${"1\n".repeat(readings)}`,
    bad: ['metric\n"1', "metric,metric\n1,2\n", "metric,ts\n1,2,3\n"],
  },
  avro: {
    payloadOf: (value, atUs) => avroOf([timed(value, atUs)]),
    many: (readings) => avroOf(rowsOf(readings)),
    source: { schema: "suite-avro" },
    bad: ["", "5", '{"metric": 1}', Buffer.from("00000000010202", "hex"), Buffer.from("00000000010000", "hex")],
  },
  protobuf: {
    payloadOf(value, atUs) {
      const fields = { metric: protoValue(value), ...(atUs === undefined ? {} : { ts: protoValue(atUs) }) };
      return protoType.encode(protoType.fromObject(fields)).finish();
    },
    source: { schema: "suite-protobuf" },
    bad: ["5", '{"metric": 1}', Buffer.from("0a09", "hex"), Buffer.from("0801", "hex")],
  },
  sparkplug: {
    payloadOf(value, atUs) {
      // Times are in milliseconds, so there is none that the suite's microseconds fit, and no text can be one.
      if (typeof atUs === "string") return Buffer.from([0x08]);
      const timestamp = atUs === undefined ? {} : { timestamp: atUs / 1_000 };
      return sparkplugPayload({ metrics: [{ name: "metric", ...timestamp, ...peerMetric(value) }] });
    },
    many: (readings) =>
      sparkplugPayload({ metrics: Array.from({ length: readings }, () => ({ name: "metric", ...peerMetric(1) })) }),
    bad: ["5", '{"metric": 1}', Buffer.from("1205", "hex")],
  },
};

const LIMITS: TestRules = { ...STRICT_RULES, textBytesMax: 4_096, nameBytesMax: 256 };
// In whole milliseconds, as Sparkplug counts.
const AT = 1_763_769_600_001_000;

describe.each(Object.entries<Format>(FORMATS))("the format %s", (name, format) => {
  const samples = SAMPLES[name as FormatName];
  const { metric = "metric", read = (value) => value } = samples;
  const source = { ...LIMITS.source, ...samples.source };
  const decode = decoder(format, { ...LIMITS, source }, format.options?.parse({}), SHARED);

  function expectHarmless(payload: string | Uint8Array): void {
    const { readings, problem } = decodeWith(decode, payload);
    expect(readings.length).toBeLessThanOrEqual(LIMITS.readingsMax);
    for (const [name, value, atUs] of readings) {
      expect(name).not.toBe("");
      if (typeof value === "number") expect(Number.isFinite(value)).toBe(true);
      if (typeof value === "string") expect(Buffer.byteLength(value)).toBeLessThanOrEqual(LIMITS.textBytesMax);
      if (atUs !== undefined) expect(Number.isSafeInteger(atUs) || Number.isNaN(atUs)).toBe(true);
    }
    if (problem !== undefined) expect(problem.detail.length).toBeLessThan(1_000);
  }

  test("decodes the example of its reference", () => {
    const schema = samples.source?.schema;
    const plain = decoder(
      format,
      schema === undefined ? LIMITS : { ...LIMITS, source },
      format.options?.parse({}),
      SHARED,
    );
    const { readings, problem } = decodeWith(plain, format.example.payload);
    expect(problem).toBeUndefined();
    expect(readings.map(([metric, value]) => [metric, value])).toEqual(format.example.readings);
  });

  test.each([
    0,
    -0.5,
    21.5,
    1e21,
    5e-324,
    Number.MAX_VALUE,
    true,
    false,
    "eco",
    "21.5",
    "true",
    "",
    "é 😀",
    'a "b", c',
  ])("decodes %j", (value) => {
    const { readings, problem } = decodeWith(decode, samples.payloadOf(value));
    expect(problem).toBeUndefined();
    expect(readings).toEqual([[metric, read(value), undefined]]);
  });

  test("decodes times; anything else is a time that cannot be right", () => {
    expect(decodeWith(decode, samples.payloadOf(1, AT)).readings).toEqual([[metric, read(1), AT]]);
    // A format whose times are not fields refuses them itself.
    const refused = { readings: [], problem: { reason: "bad-payload" } };
    const wrong = { readings: [[metric, read(1), Number.NaN]], problem: undefined };
    const decoded = decodeWith(decode, samples.payloadOf(1, "yesterday"));
    expect(decoded).toMatchObject(format.kind === "tree" ? wrong : refused);
  });

  test("reads only wanted metrics", () => {
    const unwanted = { ...LIMITS, source: { ...source, metrics: `!${metric}` } };
    const other = decoder(format, unwanted, format.options?.parse({}), SHARED);
    expect(decodeWith(other, samples.payloadOf(1))).toEqual({ readings: [], problem: undefined });
  });

  test.each(samples.bad)("refuses %j", (payload) => {
    expect(decodeWith(decode, payload)).toMatchObject({ readings: [], problem: { reason: "bad-payload" } });
  });

  test("refuses bytes that are not UTF-8", () => {
    for (const bytes of [[0xff, 0x41], [0x7b, 0xff], [0xc3], [0xed, 0xa0, 0x80]]) {
      const decoded = decodeWith(decode, new Uint8Array(bytes));
      expect(decoded).toMatchObject({ readings: [], problem: { reason: "bad-payload" } });
    }
  });

  test("refuses a text that is too long", () => {
    const { textBytesMax } = LIMITS;
    for (const text of ["x".repeat(textBytesMax + 1), "é".repeat(textBytesMax / 2 + 1)]) {
      const decoded = decodeWith(decode, samples.payloadOf(text));
      expect(decoded).toMatchObject({ readings: [], problem: { reason: "too-large" } });
    }
  });

  test("stops at the limit of readings", () => {
    const { readingsMax } = LIMITS;
    if (samples.many === undefined) return;
    expect(decodeWith(decode, samples.many(readingsMax)).problem).toBeUndefined();
    const { readings, problem } = decodeWith(decode, samples.many(readingsMax + 1));
    expect(readings).toHaveLength(readingsMax);
    expect(problem).toMatchObject({ reason: "too-large" });
  });

  test("reports a metric name that `onReading` refuses", () => {
    expect(decodeWith(decode, samples.payloadOf(1), "metric", () => false).problem).toMatchObject({
      reason: "bad-name",
    });
  });

  test("refuses control characters in names, and in texts either keeps or refuses them", () => {
    for (const text of ["a\u0000b", "\u0007", "a\u0085"]) {
      const { readings, problem } = decodeWith(decode, samples.payloadOf(text));
      if (problem === undefined) expect(readings).toEqual([[metric, text, undefined]]);
      else expect(problem.reason).toBe("bad-payload");
      expect(readings.every(([name]) => !hasControlCharacter(name))).toBe(true);
    }
  });

  test.each([
    ["arrays", "[", "]"],
    ["objects", '{"a":', "}"],
    ["objects with a value", '{"value":', "}"],
  ])("survives 60,000 nested %s", (_name, open, close) => {
    const [begin, end] = [open.repeat(60_000), close.repeat(60_000)];
    for (const payload of [`${begin}1${end}`, begin, `{"ts": ${begin}1${end}, "value": 1}`]) expectHarmless(payload);
  });

  test.each(WORST_TEXTS)("reads %s in linear time", (_name, text) => {
    for (const payload of [text, `"${text}"`, ` ${text} `, `{${text}`, samples.payloadOf(text), `{"ts": "${text}"}`]) {
      expect(msOf(() => decodeWith(decode, payload))).toBeLessThan(WORST_MS_MAX);
      expectHarmless(payload);
    }
  });

  test("survives any bytes and any text", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), expectHarmless));
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 60 }), expectHarmless));
    fc.assert(fc.property(fc.json(), expectHarmless));
  });

  test("is in the reference of weir.yaml, which accepts it", () => {
    expect(FORMATS_DOC).toContain(`\`${name}\`: ${format.doc}`);
    const topic = format.needsMetric ? "a/{device}/{metric}" : "a/{device}/+";
    const schema = samples.source?.schema;
    const source = { format: name, ...(schema === undefined ? {} : { schema }) };
    expect(ingestConfigSchema.parse({ sources: [{ topic, ...source }] }).sources).toMatchObject([{ format: name }]);
    const withoutMetric = ingestConfigSchema.safeParse({ sources: [{ topic: "a/{device}", ...source }] });
    expect(withoutMetric.success).toBe(!format.needsMetric);
  });
});

test("a format with options is written as an object", () => {
  const options = z.strictObject({ separator: z.string().default(",") });
  const list: Format = { ...FORMATS.value, options };
  const schema = schemaOf({ json: FORMATS.json, list });
  expect(schema.parse("json")).toBe("json");
  expect(schema.parse("list")).toBe("list");
  expect(schema.parse({ list: {} })).toEqual({ list: { separator: "," } });
  expect(schema.safeParse({ list: { other: 1 } }).success).toBe(false);
  expect(schema.safeParse({ json: {} }).success).toBe(false);
});

test("an unknown format is refused", () => {
  expect(() => formatOf({ xml: {} })).toThrow("no format xml");
});
