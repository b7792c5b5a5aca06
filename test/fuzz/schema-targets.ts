import avsc from "avsc";
import protobuf from "protobufjs";
import { Registry } from "../../ingest/schemas/registry/registry.ts";
import { SchemaRecords } from "../../ingest/schemas/registry/schema-records.ts";
import type { Log } from "../../platform/log/port.ts";
import type { Message } from "../devices/family.ts";

/** Every kind of type, so that mutated bytes reach every branch of the decoders. */
const AVRO: avsc.schema.RecordType = {
  type: "record",
  name: "Reading",
  fields: [
    { name: "ts", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "temperature", type: "double" },
    { name: "level", type: ["null", "float", "string"], default: null },
    { name: "count", type: "int" },
    { name: "mode", type: { type: "enum", name: "Mode", symbols: ["auto", "eco", "off"] } },
    { name: "raw", type: { type: "fixed", name: "Raw", size: 4 } },
    { name: "bytes", type: "bytes" },
    { name: "samples", type: { type: "array", items: "double" } },
    { name: "tags", type: { type: "map", values: ["null", "string", "long"] } },
    {
      name: "inner",
      type: ["null", { type: "record", name: "Inner", fields: [{ name: "next", type: ["null", "Inner"] }] }],
    },
    { name: "open", type: "boolean" },
  ],
};

const PROTO = `syntax = "proto3";
message Reading {
  enum Mode { AUTO = 0; ECO = 1; }
  message Part { string name = 1; double value = 2; Part next = 3; }
  int64 ts = 1;
  double temperature = 2;
  optional float level = 3;
  sint32 delta = 4;
  fixed64 serial = 5;
  Mode mode = 6;
  repeated int32 samples = 7;
  repeated Part parts = 8;
  map<string, uint64> counters = 9;
  oneof state { bool open = 10; string word = 11; bytes raw = 12; }
}`;

const JSON_SCHEMA = {
  type: "object",
  properties: { temperature: { type: "number", minimum: -50 }, mode: { enum: ["auto", "eco"] } },
  required: ["temperature"],
};

interface SchemaTarget {
  readonly format: string;
  readonly schemaType: "AVRO" | "PROTOBUF" | "JSON";
  readonly schema: string;
  /** Without the header. For Protobuf, the place of the message comes first. */
  readonly payloads: readonly Uint8Array[];
}

/** The subject of a target's schema. */
function subjectOf({ format }: Pick<SchemaTarget, "format">): string {
  return `fuzz-${format}`;
}

/** Formats that need a schema, and JSON with one. */
function schemaTargets(): SchemaTarget[] {
  const avro = avsc.Type.forSchema(AVRO, { wrapUnions: true });
  const plain = { ts: 1_763_769_600_123, temperature: 21.5, count: -7, mode: "eco", open: true };
  const empty = { raw: Buffer.alloc(4), bytes: Buffer.alloc(0), samples: [], tags: {}, inner: null, level: null };
  const full = {
    ...{ raw: Buffer.from("abcd"), bytes: Buffer.from("bytes"), samples: [1, 2.5, -3], level: { float: 3.5 } },
    ...{ tags: { a: { string: "x" }, b: { long: 9 }, c: null }, inner: { Inner: { next: { Inner: { next: null } } } } },
  };
  const proto = protobuf.parse(PROTO, new protobuf.Root()).root.lookupType("Reading");
  const part = { name: "a", value: 1, next: { name: "b", value: 2 } };
  const messages = [
    { ts: 1_763_769_600_123, temperature: 21.5, level: 2, delta: -5, serial: 7, mode: 1, open: true },
    { temperature: 1, samples: [1, -2, 300], parts: [part, part], counters: { x: 1, y: 2 }, word: "shut" },
    { raw: Buffer.from([0, 255, 1]) },
  ];
  return [
    {
      ...{ format: "avro", schemaType: "AVRO", schema: JSON.stringify(AVRO) },
      payloads: [avro.toBuffer({ ...plain, ...empty }), avro.toBuffer({ ...plain, ...full })],
    },
    {
      ...{ format: "protobuf", schemaType: "PROTOBUF", schema: PROTO },
      payloads: messages.map((message) => Buffer.concat([Buffer.from([0]), proto.encode(message).finish()])),
    },
    {
      ...{ format: "json", schemaType: "JSON", schema: JSON.stringify(JSON_SCHEMA) },
      payloads: ['{"temperature": 21.5, "mode": "eco"}', '{"temperature": -60}'].map((text) => Buffer.from(text)),
    },
  ];
}

interface Prepared {
  readonly name: string;
  readonly sources: unknown;
  readonly messages: readonly Message[];
  /** Registers the schema in the log of the target. */
  readonly prepare: (log: Log) => Promise<void>;
}

/** The first schema of a log. */
const FIRST_ID = 1;

export function targetsWithSchema(): Prepared[] {
  return schemaTargets().map((target): Prepared => {
    const { format, schemaType, schema, payloads } = target;
    const header = Buffer.from([0, 0, 0, 0, FIRST_ID]);
    return {
      name: `format ${format} with a schema`,
      sources: [{ topic: "s/{device}", format, schema: subjectOf(target) }],
      messages: payloads.map((payload) => ({ topic: "s/d", payload: Buffer.concat([header, payload]) })),
      async prepare(log) {
        const registry = new Registry(new SchemaRecords(log.records), () => {});
        const { id } = await registry.register(subjectOf(target), { schema, schemaType, references: [] });
        if (id !== FIRST_ID) throw new RangeError(`the schema has the id ${id}`);
      },
    };
  });
}
