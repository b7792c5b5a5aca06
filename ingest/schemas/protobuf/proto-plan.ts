import protobuf from "protobufjs";
import { isoTime, setField } from "../../formats/binary/byte-reader.ts";
import type { Tree } from "../../formats/format.ts";
import { nameOf } from "./proto-file.ts";
import { DELIMITED, FIXED_32, FIXED_64, GROUP_END, GROUP_START, ProtoReader, VARINT } from "./proto-reader.ts";

/** Reads a message up to the reader's limit, or to the end of its group. */
export type ProtoPlan = (from: ProtoReader) => Tree;

interface FieldPlan {
  readonly name: string;
  readonly wire: number;
  readonly isRepeated: boolean;
  readonly isMap: boolean;
  readonly read: ProtoPlan;
}

interface Scalar {
  readonly wire: number;
  readonly read: ProtoPlan;
  readonly zero: Tree;
}

const SCALARS: Readonly<Record<string, Scalar>> = {
  double: { wire: FIXED_64, read: (from) => from.double(), zero: 0 },
  float: { wire: FIXED_32, read: (from) => from.float(), zero: 0 },
  int32: { wire: VARINT, read: (from) => from.varint32() | 0, zero: 0 },
  uint32: { wire: VARINT, read: (from) => from.varint32(), zero: 0 },
  sint32: { wire: VARINT, read: (from) => unzigzag(from.varint32()), zero: 0 },
  fixed32: { wire: FIXED_32, read: (from) => from.fixed32(), zero: 0 },
  sfixed32: { wire: FIXED_32, read: (from) => from.fixed32() | 0, zero: 0 },
  int64: { wire: VARINT, read: (from) => from.int64(), zero: 0 },
  uint64: { wire: VARINT, read: (from) => from.varint(), zero: 0 },
  sint64: { wire: VARINT, read: (from) => from.sint64(), zero: 0 },
  fixed64: { wire: FIXED_64, read: (from) => from.fixed64(), zero: 0 },
  sfixed64: { wire: FIXED_64, read: (from) => from.sfixed64(), zero: 0 },
  bool: { wire: VARINT, read: (from) => Number(from.varint()) !== 0, zero: false },
  string: { wire: DELIMITED, read: (from) => from.text(from.length()), zero: "" },
  bytes: { wire: DELIMITED, read: (from) => from.take(from.length()), zero: undefined },
};

function unzigzag(value: number): number {
  return (value >>> 1) ^ -(value & 1);
}

/** Messages that mean one value, by the rules of Protobuf's JSON. Others are objects of their fields. */
const VALUES: Readonly<Record<string, (fields: Readonly<Record<string, Tree>>) => Tree>> = {
  "google.protobuf.Timestamp": ({ seconds = 0, nanos = 0 }) => isoTime(Number(seconds), Math.max(Number(nanos), 0)),
  "google.protobuf.Duration": ({ seconds = 0, nanos = 0 }) => Number(seconds) + Number(nanos) / 1e9,
  "google.protobuf.Struct": ({ fields = {} }) => fields,
  "google.protobuf.ListValue": ({ values = [] }) => values,
  "google.protobuf.Value": ({ nullValue: _, null_value: __, ...fields }) => Object.values(fields)[0] ?? null,
  ...Object.fromEntries(
    ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"].map((kind) => [
      `google.protobuf.${kind}Value`,
      ({ value }: Readonly<Record<string, Tree>>) => value,
    ]),
  ),
};

/** The plans of a file's messages; each is made once. */
export class ProtoPlans {
  readonly #plans = new Map<protobuf.Type, { plan: ProtoPlan }>();

  /**
   * How to read a message. A field without presence that is absent has its default: that is how its sender writes 0,
   * false and the first value of an enum.
   */
  of(type: protobuf.Type): ProtoPlan {
    const known = this.#plans.get(type);
    // Messages may contain themselves.
    if (known !== undefined) return (from) => known.plan(from);
    const entry = { plan: notYet };
    this.#plans.set(type, entry);
    const fields = this.#fields(type);
    const value = VALUES[nameOf(type)];
    entry.plan = value === undefined ? fields : (from) => value(fields(from) as Readonly<Record<string, Tree>>);
    return entry.plan;
  }

  #fields(type: protobuf.Type): ProtoPlan {
    const plans = new Map<number, FieldPlan>();
    const defaults: (readonly [string, Tree])[] = [];
    for (const field of type.fieldsArray) {
      plans.set(field.id, this.#field(field));
      const fallback = defaultOf(field);
      if (fallback !== undefined) defaults.push([field.name, fallback]);
    }
    return (from) => {
      from.enter();
      const message: Record<string, Tree> = {};
      for (const [name, value] of defaults) message[name] = value;
      while (from.at < from.limit) {
        const tag = from.varint32();
        const wire = tag & 7;
        if (wire === GROUP_END) break;
        if (tag < 8) from.fail("a field has no valid number");
        const plan = plans.get(tag >>> 3);
        if (plan === undefined) from.skip(wire, tag >>> 3);
        else readField(from, { message, plan, wire });
      }
      from.leave();
      return message;
    };
  }

  #field(field: protobuf.Field): FieldPlan {
    const { name, repeated, map, resolvedType } = field;
    const plain = { name, isRepeated: repeated, isMap: map };
    if (field instanceof protobuf.MapField) {
      return { ...plain, wire: DELIMITED, read: this.#entry(field) };
    }
    const { wire, read } = this.#valueOf(field.type, resolvedType, field.delimited);
    return { ...plain, wire, read };
  }

  #valueOf(
    type: string,
    resolved: protobuf.Type | protobuf.Enum | null,
    isGroup: boolean,
  ): Pick<FieldPlan, "wire" | "read"> {
    if (resolved instanceof protobuf.Enum) {
      const names = resolved.valuesById;
      return {
        wire: VARINT,
        read: (from) => {
          const number = from.varint32() | 0;
          return names[number] ?? number;
        },
      };
    }
    if (resolved instanceof protobuf.Type) {
      const plan = this.of(resolved);
      if (isGroup) return { wire: GROUP_START, read: plan };
      return { wire: DELIMITED, read: (from) => within(from, plan) };
    }
    const scalar = SCALARS[type];
    if (scalar === undefined) throw new RangeError(`no type ${type}`);
    return scalar;
  }

  /** `[key, value]` of a map's entry. */
  #entry(field: protobuf.MapField): ProtoPlan {
    const key = SCALARS[field.keyType];
    const value = this.#valueOf(field.type, field.resolvedType, false);
    const zero = SCALARS[field.type]?.zero;
    return (from) =>
      within(from, (inside) => {
        const entry: [Tree, Tree] = [key?.zero, zero];
        while (inside.at < inside.limit) {
          const { wire, id } = inside.tag();
          if (id === 1 && wire === key?.wire) entry[0] = key.read(inside);
          else if (id === 2 && wire === value.wire) entry[1] = value.read(inside);
          else inside.skip(wire, id);
        }
        return entry;
      });
  }
}

const notYet: ProtoPlan = () => {
  throw new Error("a message is read before its schema is resolved");
};

function defaultOf(field: protobuf.Field): Tree {
  if (field.repeated || field.map || field.hasPresence) return undefined;
  if (field.resolvedType instanceof protobuf.Enum) return field.resolvedType.valuesById[0];
  return field.resolvedType === null ? SCALARS[field.type]?.zero : undefined;
}

function readField(
  from: ProtoReader,
  { message, plan, wire }: { readonly message: Record<string, Tree>; readonly plan: FieldPlan; readonly wire: number },
): void {
  const { name, isRepeated, isMap, read } = plan;
  if (wire !== plan.wire) {
    if (isRepeated && wire === DELIMITED) readPacked(from, listOf(message, name), read);
    else from.fail(`field "${name}" has wire type ${wire}, where its schema has ${plan.wire}`);
    return;
  }
  const value = read(from);
  if (isRepeated) listOf(message, name).push(value);
  else if (isMap) {
    const [key, item] = value as readonly [Tree, Tree];
    const entries = (message[name] ?? {}) as Record<string, Tree>;
    setField(entries, String(key), item);
    message[name] = entries;
  } else message[name] = value;
}

function readPacked(from: ProtoReader, list: Tree[], read: ProtoPlan): void {
  const end = from.length() + from.at;
  while (from.at < end) list.push(read(from));
  if (from.at > end) from.fail("packed values go beyond their length");
}

function listOf(message: Record<string, Tree>, name: string): Tree[] {
  const known = message[name];
  if (Array.isArray(known)) return known;
  const list: Tree[] = [];
  message[name] = list;
  return list;
}

function within(from: ProtoReader, plan: ProtoPlan): Tree {
  const outer = from.limit;
  from.limit = from.length() + from.at;
  const value = plan(from);
  if (from.at !== from.limit) from.fail("a message does not end where its length says");
  from.limit = outer;
  return value;
}

/** The tree of one message. Throws `MalformedError` and `TooDeepError`. */
export function protoTree(payload: Uint8Array, plan: ProtoPlan, nestingMax: number): Tree {
  const from = new ProtoReader(payload, nestingMax);
  const value = plan(from);
  if (from.left > 0) from.fail("the end of a group is outside of it");
  return value;
}
