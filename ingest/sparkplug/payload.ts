import { PbfWriter } from "pbf";
import { ProtoReader, VARINT } from "../schemas/protobuf/proto-reader.ts";

/** A payload of Sparkplug B. Times are in milliseconds. */
export interface SparkplugPayload {
  timestamp: number | undefined;
  seq: number | undefined;
  metrics: SparkplugMetric[];
  /** Its body is a compressed payload, as some libraries send it. */
  isCompressed: boolean;
}

/** A metric as it is sent; values are as on the wire, and their type is elsewhere. */
export interface SparkplugMetric {
  name: string | undefined;
  alias: number | bigint | undefined;
  timestamp: number | undefined;
  datatype: number | undefined;
  isHistorical: boolean;
  isNull: boolean;
  properties: Record<string, PropertyValue> | undefined;
  value: WireValue;
}

export type WireValue = number | bigint | boolean | string | Uint8Array | DataSet | Template | undefined;

export type PropertyValue = number | bigint | boolean | string | undefined;

export class DataSet {
  readonly columns: string[] = [];
  readonly types: number[] = [];
  readonly rows: WireValue[][] = [];
}

export class Template {
  readonly metrics: SparkplugMetric[] = [];
  readonly parameters: { name: string; type: number; value: WireValue }[] = [];
  isDefinition = false;
}

const NESTING_MAX = 16;
const COMPRESSED = "SPBV1.0_COMPRESSED";

/** Throws `MalformedError` and `TooDeepError`. The fields are those of Sparkplug 3.0, 6.4. */
export function readPayload(bytes: Uint8Array): SparkplugPayload {
  const from = new ProtoReader(bytes, NESTING_MAX);
  const payload: SparkplugPayload = { timestamp: undefined, seq: undefined, metrics: [], isCompressed: false };
  eachField(from, (id) => {
    switch (id) {
      case 1:
        payload.timestamp = Number(from.varint());
        return true;
      case 2:
        payload.metrics.push(inside(from, readMetric));
        return true;
      case 3:
        payload.seq = Number(from.varint());
        return true;
      case 4:
        payload.isCompressed = from.text(from.length()) === COMPRESSED;
        return true;
      default:
        return false;
    }
  });
  return payload;
}

function readMetric(from: ProtoReader): SparkplugMetric {
  const metric: SparkplugMetric = {
    ...{ name: undefined, alias: undefined, timestamp: undefined, datatype: undefined, properties: undefined },
    ...{ isHistorical: false, isNull: false, value: undefined },
  };
  eachField(from, (id) => {
    switch (id) {
      case 1:
        metric.name = from.text(from.length());
        return true;
      case 2:
        metric.alias = from.varint();
        return true;
      case 3:
        metric.timestamp = Number(from.varint());
        return true;
      case 4:
        metric.datatype = from.varint32();
        return true;
      case 5:
        metric.isHistorical = Number(from.varint()) !== 0;
        return true;
      case 7:
        metric.isNull = Number(from.varint()) !== 0;
        return true;
      case 9:
        metric.properties = inside(from, readProperties);
        return true;
      default: {
        if (id < 10 || id > 18) return false;
        metric.value = readValue(from, id - 10);
        return true;
      }
    }
  });
  return metric;
}

/** The values of a metric, a cell, a parameter and a property have the same order everywhere. */
function readValue(from: ProtoReader, kind: number): WireValue {
  switch (kind) {
    case 0:
      return from.varint32();
    case 1:
      return from.varint();
    case 2:
      return from.float();
    case 3:
      return from.double();
    case 4:
      return Number(from.varint()) !== 0;
    case 5:
      return from.text(from.length());
    case 6:
      return from.take(from.length());
    case 7:
      return inside(from, readDataSet);
    default:
      return inside(from, readTemplate);
  }
}

function readDataSet(from: ProtoReader): DataSet {
  const set = new DataSet();
  eachField(from, (id, wire) => {
    if (id === 2) set.columns.push(from.text(from.length()));
    else if (id === 3) readNumbers(from, wire, set.types);
    else if (id === 4) set.rows.push(inside(from, readRow));
    else return false;
    return true;
  });
  return set;
}

function readRow(from: ProtoReader): WireValue[] {
  const cells: WireValue[] = [];
  eachField(from, (id) => {
    if (id !== 1) return false;
    cells.push(
      inside(from, () => {
        let cell: WireValue;
        eachField(from, (kind) => {
          if (kind > 6) return false;
          cell = readValue(from, kind - 1);
          return true;
        });
        return cell;
      }),
    );
    return true;
  });
  return cells;
}

function readTemplate(from: ProtoReader): Template {
  const template = new Template();
  eachField(from, (id) => {
    if (id === 2) template.metrics.push(inside(from, readMetric));
    else if (id === 3) template.parameters.push(inside(from, readParameter));
    else if (id === 5) template.isDefinition = Number(from.varint()) !== 0;
    else return false;
    return true;
  });
  return template;
}

function readParameter(from: ProtoReader): Template["parameters"][number] {
  const parameter = { name: "", type: 0, value: undefined as WireValue };
  eachField(from, (id) => {
    if (id === 1) parameter.name = from.text(from.length());
    else if (id === 2) parameter.type = from.varint32();
    else if (id >= 3 && id <= 8) parameter.value = readValue(from, id - 3);
    else return false;
    return true;
  });
  return parameter;
}

function readProperties(from: ProtoReader): Record<string, PropertyValue> {
  const keys: string[] = [];
  const values: PropertyValue[] = [];
  eachField(from, (id) => {
    if (id === 1) keys.push(from.text(from.length()));
    else if (id === 2) values.push(inside(from, readProperty));
    else return false;
    return true;
  });
  const properties: Record<string, PropertyValue> = Object.create(null);
  for (const [i, key] of keys.entries()) properties[key] = values[i];
  return properties;
}

function readProperty(from: ProtoReader): PropertyValue {
  let value: PropertyValue;
  eachField(from, (id) => {
    if (id < 3 || id > 8) return false;
    value = readValue(from, id - 3) as PropertyValue;
    return true;
  });
  return value;
}

/** Numbers of a repeated field: one, or packed. */
function readNumbers(from: ProtoReader, wire: number, to: number[]): void {
  if (wire === VARINT) {
    to.push(from.varint32());
    return;
  }
  const end = from.length() + from.at;
  while (from.at < end) to.push(from.varint32());
}

/** What each field of Sparkplug is on the wire follows from its number; another wire type is skipped as unknown. */
function eachField(from: ProtoReader, read: (id: number, wire: number) => boolean): void {
  from.enter();
  while (from.at < from.limit) {
    const { id, wire } = from.tag();
    if (!read(id, wire)) from.skip(wire, id);
  }
  from.leave();
}

function inside<Value>(from: ProtoReader, read: (from: ProtoReader) => Value): Value {
  const outer = from.limit;
  from.limit = from.length() + from.at;
  const value = read(from);
  if (from.at !== from.limit) from.fail("a message does not end where its length says");
  from.limit = outer;
  return value;
}

const BOOLEAN = 11;

/** The command that asks a node for its births. */
export function rebirthCommand(atMs: number): Uint8Array {
  const out = new PbfWriter();
  out.writeVarintField(1, atMs);
  out.writeMessage(2, writeRebirth, atMs);
  return out.finish();
}

function writeRebirth(atMs: number, out: PbfWriter): void {
  out.writeStringField(1, "Node Control/Rebirth");
  out.writeVarintField(3, atMs);
  out.writeVarintField(4, BOOLEAN);
  out.writeBooleanField(14, true);
}
