import { setField } from "../../formats/binary/byte-reader.ts";
import type { Tree } from "../../formats/format.ts";
import type { Mismatch } from "../common/mismatch.ts";
import { defaultTree } from "./avro-default.ts";
import { type AvroReader, logicalValue } from "./avro-reader.ts";
import {
  type AvroEnum,
  type AvroField,
  type AvroFixed,
  type AvroNode,
  type AvroPrimitive,
  type AvroRecord,
  bareName,
} from "./avro-schema.ts";

/** Reads one value. */
export type AvroPlan = (from: AvroReader) => Tree;

export interface AvroResolution {
  readonly plan: AvroPlan;
  /** Empty if every value of the writer can be read. A plan exists anyway: it fails on the others. */
  readonly mismatches: readonly Mismatch[];
}

/** What the data itself shows cannot be resolved: the branch of a union, a symbol of an enum. */
export class UnresolvedError extends Error {
  override readonly name = "UnresolvedError";
}

/**
 * How to read data that was written with one schema as data of another (Avro's schema resolution): fields by name or
 * alias, defaults for those that the writer lacks, promotions of numbers, texts and bytes.
 */
export function resolveAvro(writer: AvroNode, reader: AvroNode): AvroResolution {
  const resolver = new Resolver();
  const plan = resolver.resolve(writer, reader, "");
  return { plan, mismatches: resolver.mismatches };
}

const PROMOTIONS: Readonly<Record<string, readonly string[]>> = {
  int: ["long", "float", "double"],
  long: ["float", "double"],
  float: ["double"],
  string: ["bytes"],
  bytes: ["string"],
};

class Resolver {
  mismatches: Mismatch[] = [];
  /** Records may contain themselves. */
  readonly #records = new Map<AvroRecord, Map<AvroRecord, { plan: AvroPlan }>>();

  resolve(writer: AvroNode, reader: AvroNode, path: string): AvroPlan {
    if (writer.kind === "union") return this.#writerUnion(writer.branches, reader, path);
    if (reader.kind === "union") return this.#readerUnion(writer, reader.branches, path);
    switch (writer.kind) {
      case "record":
        return reader.kind === "record" && sameName(writer, reader)
          ? this.#record(writer, reader, path)
          : this.#mismatch(writer, reader, path);
      case "enum":
        return reader.kind === "enum" && sameName(writer, reader)
          ? this.#enum(writer, reader, path)
          : this.#mismatch(writer, reader, path);
      case "fixed":
        return this.#fixed(writer, reader, path);
      case "array":
        return reader.kind === "array"
          ? arrayPlan(this.resolve(writer.items, reader.items, `${path}[]`))
          : this.#mismatch(writer, reader, path);
      case "map":
        return reader.kind === "map"
          ? mapPlan(this.resolve(writer.values, reader.values, joined(path, "*")))
          : this.#mismatch(writer, reader, path);
      default:
        return this.#primitive(writer, reader, path);
    }
  }

  #primitive(writer: AvroPrimitive, reader: AvroNode, path: string): AvroPlan {
    const isRead = writer.kind === reader.kind || PROMOTIONS[writer.kind]?.includes(reader.kind);
    if (!isRead) return this.#mismatch(writer, reader, path);
    const plan = PRIMITIVE_PLANS[writer.kind];
    const logical = (reader as AvroPrimitive).logical ?? writer.logical;
    if (writer.kind === "string" && reader.kind === "bytes") return (from) => Buffer.from(from.string());
    if (writer.kind === "bytes" && reader.kind === "string") return PRIMITIVE_PLANS.string;
    return logical === undefined ? plan : (from) => logicalValue(plan(from), logical);
  }

  #fixed(writer: AvroFixed, reader: AvroNode, path: string): AvroPlan {
    if (reader.kind !== "fixed" || !sameName(writer, reader)) return this.#mismatch(writer, reader, path);
    const { size } = writer;
    if (size !== reader.size) {
      return this.#fail(
        path,
        `${reader.name} has ${reader.size} bytes in the reader's schema, ${size} in the writer's`,
      );
    }
    const logical = reader.logical ?? writer.logical;
    if (logical === undefined) return (from) => from.take(size);
    return (from) => logicalValue(from.take(size), logical);
  }

  #enum(writer: AvroEnum, reader: AvroEnum, path: string): AvroPlan {
    const missing = writer.symbols.filter((symbol) => !reader.symbols.includes(symbol));
    const { fallback } = reader;
    if (missing.length > 0 && fallback === undefined) {
      this.#note(path, `the reader's enum ${reader.name} lacks ${missing.slice(0, 5).join(", ")}, and has no default`);
    }
    const symbols = writer.symbols.map((symbol) => (reader.symbols.includes(symbol) ? symbol : fallback));
    return (from) => {
      const index = from.int();
      const symbol = symbols[index];
      if (symbol !== undefined) return symbol;
      if (index < 0 || index >= symbols.length) return from.fail(`enum ${writer.name} has no symbol ${index}`);
      throw new UnresolvedError(`${shownPath(path)}: the reader's enum lacks ${writer.symbols[index]}`);
    };
  }

  #record(writer: AvroRecord, reader: AvroRecord, path: string): AvroPlan {
    const ofWriter = this.#records.get(writer) ?? new Map<AvroRecord, { plan: AvroPlan }>();
    this.#records.set(writer, ofWriter);
    const known = ofWriter.get(reader);
    if (known !== undefined) return (from) => known.plan(from);
    const entry = { plan: notYet as AvroPlan };
    ofWriter.set(reader, entry);
    entry.plan = this.#recordPlan(writer, reader, path);
    return entry.plan;
  }

  #recordPlan(writer: AvroRecord, reader: AvroRecord, path: string): AvroPlan {
    const taken = new Map<string, AvroField>();
    for (const field of reader.fields) {
      const source = writerField(writer, field);
      if (source !== undefined) taken.set(source.name, field);
    }
    const steps = writer.fields.map((field) => {
      const wanted = taken.get(field.name);
      const plan = this.resolve(field.type, wanted?.type ?? field.type, joined(path, wanted?.name ?? field.name));
      return { name: wanted?.name, plan };
    });
    const defaults: (readonly [string, Tree])[] = [];
    for (const field of reader.fields) {
      if (writerField(writer, field) !== undefined) continue;
      if (field.fallback !== undefined) defaults.push([field.name, defaultTree(field)]);
      else
        this.#note(joined(path, field.name), "the writer's schema lacks this field, and the reader's has no default");
    }
    const missing = reader.fields.find((field) => !field.fallback && writerField(writer, field) === undefined);
    return (from) => {
      if (missing !== undefined) {
        throw new UnresolvedError(`${shownPath(joined(path, missing.name))}: the writer's schema lacks it`);
      }
      from.enter();
      const record: Record<string, Tree> = {};
      for (const { name, plan } of steps) {
        const value = plan(from);
        if (name !== undefined) record[name] = value;
      }
      for (const [name, value] of defaults) record[name] = value;
      from.leave();
      return record;
    };
  }

  #writerUnion(branches: readonly AvroNode[], reader: AvroNode, path: string): AvroPlan {
    const plans = branches.map((branch) => this.resolve(branch, reader, path));
    return (from) => {
      const index = from.int();
      const plan = plans[index];
      return plan === undefined ? from.fail(`a union has no branch ${index}`) : plan(from);
    };
  }

  /** The branch of the writer's own type and name, else the first that the writer's type can be promoted to. */
  #readerUnion(writer: AvroNode, branches: readonly AvroNode[], path: string): AvroPlan {
    const branch =
      branches.find((each) => "name" in each && "name" in writer && each.name === writer.name) ??
      branches.find((each) => isSameType(writer, each)) ??
      branches.find((each) => PROMOTIONS[writer.kind]?.includes(each.kind));
    if (branch !== undefined) return this.resolve(writer, branch, path);
    return this.#fail(path, `the writer's ${nameOf(writer)} is none of ${branches.map(nameOf).join(", ")}`);
  }

  #mismatch(writer: AvroNode, reader: AvroNode, path: string): AvroPlan {
    return this.#fail(path, `the writer's ${nameOf(writer)} cannot be read as ${nameOf(reader)}`);
  }

  #fail(path: string, detail: string): AvroPlan {
    this.#note(path, detail);
    return () => {
      throw new UnresolvedError(`${shownPath(path)}: ${detail}`);
    };
  }

  #note(path: string, detail: string): void {
    this.mismatches.push({ path, detail });
  }
}

const notYet: AvroPlan = () => {
  throw new Error("a record is read before its schema is resolved");
};

const PRIMITIVE_PLANS: Readonly<Record<AvroPrimitive["kind"], AvroPlan>> = {
  null: () => null,
  boolean: (from) => from.boolean(),
  int: (from) => from.int(),
  long: (from) => from.long(),
  float: (from) => from.float(),
  double: (from) => from.double(),
  bytes: (from) => from.blob(),
  string: (from) => from.string(),
};

function arrayPlan(item: AvroPlan): AvroPlan {
  return (from) => {
    from.enter();
    const array: Tree[] = [];
    from.blocks(() => array.push(item(from)));
    from.leave();
    return array;
  };
}

function mapPlan(value: AvroPlan): AvroPlan {
  return (from) => {
    from.enter();
    const map: Record<string, Tree> = {};
    from.blocks(() => setField(map, from.string(), value(from)));
    from.leave();
    return map;
  };
}

function writerField(writer: AvroRecord, field: AvroField): AvroField | undefined {
  return (
    writer.fields.find(({ name }) => name === field.name) ??
    writer.fields.find(({ name }) => field.aliases.includes(name))
  );
}

function isSameType(writer: AvroNode, reader: AvroNode): boolean {
  if (writer.kind !== reader.kind) return false;
  return !("name" in writer && "name" in reader) || sameName(writer, reader);
}

type Named = AvroRecord | AvroEnum | AvroFixed;

/** Without namespaces, as the specification says. */
function sameName(writer: Named, reader: Named): boolean {
  const name = bareName(writer.name);
  return name === bareName(reader.name) || reader.aliases.some((alias) => bareName(alias) === name);
}

function nameOf(node: AvroNode): string {
  return "name" in node ? `${node.kind} ${node.name}` : node.kind;
}

function joined(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function shownPath(path: string): string {
  return path === "" ? "the value" : `field ${path}`;
}
