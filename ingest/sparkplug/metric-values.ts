import { isoTime, wholeValue } from "../formats/binary/byte-reader.ts";
import type { Tree } from "../formats/format.ts";
import { DataSet, type SparkplugMetric, Template, type WireValue } from "./payload.ts";

const INT8 = 1;
const INT16 = 2;
const INT32 = 3;
const INT64 = 4;
const DATE_TIME = 13;
const DEPTH_MAX = 8;

/** The bytes of one element of an array type, and how it is read. Types 22 to 34. */
const ARRAYS: Readonly<Record<number, { readonly size: number; readonly read: (view: DataView, at: number) => Tree }>> =
  {
    22: { size: 1, read: (view, at) => view.getInt8(at) },
    23: { size: 2, read: (view, at) => view.getInt16(at, true) },
    24: { size: 4, read: (view, at) => view.getInt32(at, true) },
    25: { size: 8, read: (view, at) => wholeValue(view.getBigInt64(at, true)) },
    26: { size: 1, read: (view, at) => view.getUint8(at) },
    27: { size: 2, read: (view, at) => view.getUint16(at, true) },
    28: { size: 4, read: (view, at) => view.getUint32(at, true) },
    29: { size: 8, read: (view, at) => wholeValue(view.getBigUint64(at, true)) },
    30: { size: 4, read: (view, at) => view.getFloat32(at, true) },
    31: { size: 8, read: (view, at) => view.getFloat64(at, true) },
    34: { size: 8, read: (view, at) => dateTime(view.getBigInt64(at, true)) },
  };
const BOOLEAN_ARRAY = 32;
const STRING_ARRAY = 33;

/** Receives a scalar, with the name under which it is a metric. */
export type OnValue = (name: string, value: Tree) => void;

/**
 * The scalars of a metric. A template's members are `name/member`, a data set's cells `name/row/column`, an array's
 * elements `name/index`. Definitions of templates have none.
 */
export function flatten(
  name: string,
  { value, datatype }: Pick<SparkplugMetric, "value" | "datatype">,
  to: OnValue,
): void {
  flattenAt(name, { value, datatype, depth: 0 }, to);
}

interface Typed {
  readonly value: WireValue;
  readonly datatype: number | undefined;
  readonly depth: number;
}

function flattenAt(name: string, { value, datatype, depth }: Typed, to: OnValue): void {
  if (depth > DEPTH_MAX) return;
  if (value instanceof Template) {
    if (value.isDefinition) return;
    for (const parameter of value.parameters) {
      flattenAt(
        `${name}/${parameter.name}`,
        { value: parameter.value, datatype: parameter.type, depth: depth + 1 },
        to,
      );
    }
    for (const member of value.metrics) {
      if (member.name === undefined || member.isNull) continue;
      flattenAt(`${name}/${member.name}`, { value: member.value, datatype: member.datatype, depth: depth + 1 }, to);
    }
  } else if (value instanceof DataSet) {
    for (const [row, cells] of value.rows.entries()) {
      for (const [i, cell] of cells.entries()) {
        to(`${name}/${row}/${value.columns[i] ?? i}`, scalar(cell, value.types[i]));
      }
    }
  } else if (value instanceof Uint8Array && datatype !== undefined && datatype >= 22 && datatype <= 34) {
    for (const [i, element] of elementsOf(value, datatype).entries()) to(`${name}/${i}`, element);
  } else to(name, scalar(value, datatype));
}

/** Signed integers are sent as their two's complement in unsigned fields. */
function scalar(value: WireValue, datatype: number | undefined): Tree {
  if (value instanceof DataSet || value instanceof Template) return undefined;
  if (typeof value !== "number" && typeof value !== "bigint") return value;
  switch (datatype) {
    case INT8:
      return (Number(value) << 24) >> 24;
    case INT16:
      return (Number(value) << 16) >> 16;
    case INT32:
      return Number(BigInt.asIntN(32, BigInt(value)));
    case INT64:
      return wholeValue(BigInt.asIntN(64, BigInt(value)));
    case DATE_TIME:
      return dateTime(BigInt(value));
    default:
      return value;
  }
}

function dateTime(milliseconds: bigint): string | undefined {
  const signed = Number(BigInt.asIntN(64, milliseconds));
  const seconds = Math.floor(signed / 1_000);
  return isoTime(seconds, (signed - seconds * 1_000) * 1_000_000);
}

function elementsOf(bytes: Uint8Array, datatype: number): Tree[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (datatype === BOOLEAN_ARRAY) {
    // The count in 4 bytes, then a bit for each, the highest first.
    const count = bytes.length < 4 ? 0 : Math.min(view.getUint32(0, true), (bytes.length - 4) * 8);
    return Array.from({ length: count }, (_, i) => (((bytes[4 + (i >> 3)] ?? 0) >> (7 - (i & 7))) & 1) === 1);
  }
  if (datatype === STRING_ARRAY) {
    const texts = Buffer.from(bytes).toString("utf8").split("\u0000");
    return texts.at(-1) === "" ? texts.slice(0, -1) : texts;
  }
  const type = ARRAYS[datatype];
  if (type === undefined) return [];
  return Array.from({ length: Math.floor(bytes.length / type.size) }, (_, i) => type.read(view, i * type.size));
}
