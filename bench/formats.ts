import { encode as msgpackOf } from "@msgpack/msgpack";
import avsc from "avsc";
import { Encoder } from "cbor-x";
import protobuf from "protobufjs";
import { type FormatName, formatOf } from "../ingest/formats/formats.ts";
import { decoderOf, type SharedState } from "../ingest/mapping/decoder.ts";
import type { MappedMessage, Readings } from "../ingest/mapping/rules.ts";
import { sourceFields } from "../ingest/mapping/source-fields.ts";
import { compileSource } from "../ingest/mapping/source-plan.ts";
import { Registry } from "../ingest/schemas/registry/registry.ts";
import { SchemaRecords } from "../ingest/schemas/registry/schema-records.ts";
import { SchemaReader } from "../ingest/schemas/use/schema-reader.ts";
import { SparkplugHost } from "../ingest/sparkplug/host.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import { median, printTable } from "./figures.ts";

const ROUNDS = 7;
const MESSAGES = 60_000;
const LIMITS = { readingsMax: 5_000, nestingMax: 8, textBytesMax: 4_096, nameBytesMax: 256 };
/** Of JSON's speed. */
const SHARE_MIN = 0.8;
const TARGETS: readonly string[] = ["cbor", "protobuf"];

const READING = { ts: 1_763_769_600_123, temperature: 21.5, humidity: 63.25, pressure: 1013.4, door: false };
const METRICS = ["temperature", "humidity", "pressure", "door"] as const;
const VALUES_PER_MESSAGE = METRICS.length;

const AVRO = {
  type: "record",
  name: "Reading",
  fields: [
    { name: "ts", type: "long" },
    { name: "temperature", type: "double" },
    { name: "humidity", type: "double" },
    { name: "pressure", type: "double" },
    { name: "door", type: "boolean" },
  ],
} as const;
const PROTO = `syntax = "proto3";
message Reading { int64 ts = 1; double temperature = 2; double humidity = 3; double pressure = 4; optional bool door = 5; }`;

interface Load {
  readonly payload: Uint8Array;
  readonly source?: Readonly<Record<string, unknown>>;
  readonly topic?: string;
}

/** The same reading in each format that can say it. */
function loads(): Partial<Record<FormatName, Load>> {
  const text = (value: string): Uint8Array => Buffer.from(value);
  const proto = protobuf.parse(PROTO, new protobuf.Root()).root.lookupType("Reading");
  const cbor = new Encoder({ useRecords: false, mapsAsObjects: true, variableMapSize: true });
  const avro = avsc.Type.forSchema(AVRO as unknown as avsc.Schema).toBuffer(READING);
  const { ts, ...values } = READING;
  const senml = METRICS.map((name) => ({ n: name, [name === "door" ? "vb" : "v"]: values[name] }));
  return {
    json: { payload: text(JSON.stringify(READING)) },
    cbor: { payload: Buffer.from(cbor.encode(READING)) },
    msgpack: { payload: Buffer.from(msgpackOf(READING)) },
    protobuf: { payload: Buffer.from(proto.encode(READING).finish()), source: { schema: "protobuf" } },
    avro: { payload: Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), avro]), source: { schema: "avro" } },
    senml: { payload: text(JSON.stringify([{ bt: ts / 1_000, ...senml[0] }, ...senml.slice(1)])) },
    "line-protocol": {
      payload: text(`m ${METRICS.map((name) => `${name}=${values[name]}`).join(",")} ${ts}000000`),
    },
    csv: { payload: text(`${Object.keys(READING).join(",")}\n${Object.values(READING).join(",")}\n`) },
  };
}

async function sharedState(): Promise<SharedState> {
  const { records } = createMemoryLog({ nowUs: () => 0 });
  const own = new SchemaRecords(records);
  const registry = new Registry(own, () => {});
  for (const [subject, schemaType, schema] of [
    ["avro", "AVRO", JSON.stringify(AVRO)],
    ["protobuf", "PROTOBUF", PROTO],
  ] as const) {
    const { id } = await registry.register(subject, { schema, schemaType, references: [] });
    await own.load(id);
  }
  const events = { rebirthAsked() {}, nodeDied() {}, nodesNotKept() {} };
  const host = new SparkplugHost({ records, events, nowMs: () => performance.now(), hostId: undefined });
  return { schemas: new SchemaReader(own), sparkplug: host.read };
}

/** Messages per second of decoding alone, from the bytes to the readings of the mapping, on one core. */
export async function benchFormats(): Promise<boolean> {
  const shared = await sharedState();
  const runs = Object.entries(loads()).map(([name, load]) => ({
    name,
    run: runOf(name, load, shared),
    rates: [] as number[],
  }));
  // All formats in turn, so that what else the machine does slows them alike.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { run, rates } of runs) {
      const rate = run();
      if (round > 0) rates.push(rate);
    }
  }
  const json = median(runs[0]?.rates ?? []);
  const rows: (string | number)[][] = [["format", "bytes", "messages/s", "of JSON", "target"]];
  let reached = true;
  for (const { name, rates } of runs) {
    const rate = median(rates);
    const share = rate / json;
    const hasTarget = TARGETS.includes(name);
    if (hasTarget && share < SHARE_MIN) reached = false;
    const bytes = loads()[name as FormatName]?.payload.length ?? 0;
    rows.push([name, bytes, Math.round(rate), share.toFixed(2), hasTarget ? SHARE_MIN : ""]);
  }
  process.stdout.write(`\nFormats: one message with ${VALUES_PER_MESSAGE} readings and a time, decoded and mapped\n`);
  printTable(rows);
  return reached;
}

function runOf(name: string, { payload, source, topic = "a/d" }: Load, shared: SharedState): () => number {
  const fields = sourceFields.parse({ topic: "a/{device}", format: name, ...source });
  const decode = decoderOf(compileSource(fields, LIMITS, formatOf(fields.format)), LIMITS, shared);
  let readings = 0;
  const sink: Readings = {
    device: () => undefined,
    add() {
      readings++;
      return true;
    },
  };
  const message: MappedMessage = {
    ...{ payload, topic, receivedAtUs: 1_763_769_600_500_000, captured: { device: "d" } },
    ...{ number: 1, attempt: 1, isExact: false },
  };
  return () => {
    readings = 0;
    const startedMs = performance.now();
    for (let i = 0; i < MESSAGES; i++) decode(message, sink);
    const seconds = (performance.now() - startedMs) / 1_000;
    if (readings !== MESSAGES * VALUES_PER_MESSAGE) throw new Error(`${name} gave ${readings} readings`);
    return MESSAGES / seconds;
  };
}
