import { BadSchemaError } from "../common/bad-schema-error.ts";

/** A schema of Avro 1.12, with its names resolved. */
export type AvroNode = AvroPrimitive | AvroRecord | AvroEnum | AvroFixed | AvroArray | AvroMap | AvroUnion;

export interface AvroPrimitive {
  readonly kind: "null" | "boolean" | "int" | "long" | "float" | "double" | "bytes" | "string";
  readonly logical?: Logical | undefined;
}

export interface AvroRecord {
  readonly kind: "record";
  readonly name: string;
  readonly aliases: readonly string[];
  readonly fields: AvroField[];
}

export interface AvroField {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly type: AvroNode;
  /** As in the schema's JSON. */
  readonly fallback: { readonly json: unknown } | undefined;
}

export interface AvroEnum {
  readonly kind: "enum";
  readonly name: string;
  readonly aliases: readonly string[];
  readonly symbols: readonly string[];
  readonly fallback: string | undefined;
}

export interface AvroFixed {
  readonly kind: "fixed";
  readonly name: string;
  readonly aliases: readonly string[];
  readonly size: number;
  readonly logical?: Logical | undefined;
}

export interface AvroArray {
  readonly kind: "array";
  readonly items: AvroNode;
}

export interface AvroMap {
  readonly kind: "map";
  readonly values: AvroNode;
}

export interface AvroUnion {
  readonly kind: "union";
  readonly branches: readonly AvroNode[];
}

/** Types with a meaning of their own; the others are read as their plain type. */
export interface Logical {
  readonly name: string;
  readonly scale: number;
}

const PRIMITIVES: ReadonlySet<string> = new Set([
  ...["null", "boolean", "int", "long", "float", "double", "bytes", "string"],
]);
const NAME = /^[A-Za-z_]\w*$/;
const FULL_NAME = /^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*$/;
const DEPTH_MAX = 64;
const NODES_MAX = 50_000;

type Json = Readonly<Record<string, unknown>>;

/** Names that other schemas define, for references. */
export type AvroNames = Map<string, AvroNode>;

/** Parses a schema. Throws `BadSchemaError`. `names` gets what the schema defines. */
export function parseAvro(text: string, names: AvroNames = new Map()): AvroNode {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    // A name of a type alone may come without quotes.
    if (!PRIMITIVES.has(text.trim())) {
      throw new BadSchemaError(`not JSON: ${error instanceof Error ? error.message : ""}`, { cause: error });
    }
    json = text.trim();
  }
  return new AvroParser(names).node(json, { at: "the schema", namespace: "", depth: 0 });
}

interface Place {
  readonly at: string;
  readonly namespace: string;
  readonly depth: number;
}

class AvroParser {
  readonly #names: AvroNames;
  #nodes = 0;

  constructor(names: AvroNames) {
    this.#names = names;
  }

  node(json: unknown, place: Place): AvroNode {
    if (place.depth > DEPTH_MAX) throw new BadSchemaError(`${place.at} is nested deeper than ${DEPTH_MAX}`);
    if (this.#nodes++ > NODES_MAX) throw new BadSchemaError(`there are more than ${NODES_MAX} types`);
    if (typeof json === "string") return this.#named(json, place);
    if (Array.isArray(json)) return this.#union(json, place);
    if (!isObject(json)) throw new BadSchemaError(`${place.at} is no type: a name, an object or a list is expected`);
    const { type } = json;
    if (typeof type !== "string") return this.node(type, { ...place, at: `the type of ${place.at}` });
    switch (type) {
      case "record":
      case "error":
        return this.#record(json, place);
      case "enum":
        return this.#enum(json, place);
      case "fixed":
        return this.#fixed(json, place);
      case "array":
        return { kind: "array", items: this.node(json.items, inside(place, `the items of ${place.at}`)) };
      case "map":
        return { kind: "map", values: this.node(json.values, inside(place, `the values of ${place.at}`)) };
      default: {
        const node = this.#named(type, place);
        const logical = logicalOf(json);
        return logical === undefined || !PRIMITIVES.has(type) ? node : { ...(node as AvroPrimitive), logical };
      }
    }
  }

  #named(name: string, { at, namespace }: Place): AvroNode {
    if (PRIMITIVES.has(name)) return { kind: name as AvroPrimitive["kind"] };
    const found = this.#names.get(fullName(name, namespace)) ?? this.#names.get(name);
    if (found === undefined) throw new BadSchemaError(`${at} has the type ${shown(name)}, which is not defined`);
    return found;
  }

  #union(json: readonly unknown[], place: Place): AvroUnion {
    if (json.length === 0) throw new BadSchemaError(`${place.at} is an empty union`);
    const branches = json.map((branch, i) => this.node(branch, inside(place, `branch ${i + 1} of ${place.at}`)));
    const seen = new Set<string>();
    for (const branch of branches) {
      if (branch.kind === "union") throw new BadSchemaError(`${place.at} is a union inside a union`);
      const name = "name" in branch ? branch.name : branch.kind;
      if (seen.has(name)) throw new BadSchemaError(`${place.at} has the branch ${name} twice`);
      seen.add(name);
    }
    return { kind: "union", branches };
  }

  #record(json: Json, place: Place): AvroRecord {
    const { name, aliases, namespace } = this.#identity(json, place);
    const fields: AvroField[] = [];
    const record: AvroRecord = { kind: "record", name, aliases, fields };
    // Before its fields, which may use it.
    this.#define(name, record, place);
    if (!Array.isArray(json.fields)) throw new BadSchemaError(`record ${name} has no list of fields`);
    const seen = new Set<string>();
    for (const [i, field] of json.fields.entries()) {
      if (!isObject(field)) throw new BadSchemaError(`field ${i + 1} of record ${name} is no object`);
      const { name: fieldName } = field;
      if (typeof fieldName !== "string" || !NAME.test(fieldName)) {
        throw new BadSchemaError(`field ${i + 1} of record ${name} has no valid name: letters, digits and _`);
      }
      const at = `field ${shown(fieldName)} of record ${name}`;
      if (seen.has(fieldName)) throw new BadSchemaError(`${at} stands twice`);
      seen.add(fieldName);
      const type = this.node(field.type, { at, namespace, depth: place.depth + 1 });
      const fallback = "default" in field ? { json: field.default } : undefined;
      fields.push({ name: fieldName, aliases: textsOf(field.aliases, `the aliases of ${at}`), type, fallback });
    }
    return record;
  }

  #enum(json: Json, place: Place): AvroEnum {
    const { name, aliases } = this.#identity(json, place);
    const symbols = textsOf(json.symbols, `the symbols of enum ${name}`);
    if (symbols.length === 0) throw new BadSchemaError(`enum ${name} has no symbols`);
    if (new Set(symbols).size < symbols.length) throw new BadSchemaError(`enum ${name} has a symbol twice`);
    const { default: fallback } = json;
    if (fallback !== undefined && (typeof fallback !== "string" || !symbols.includes(fallback))) {
      throw new BadSchemaError(`the default of enum ${name} is none of its symbols`);
    }
    return this.#define(
      name,
      { kind: "enum", name, aliases, symbols, fallback: fallback as string | undefined },
      place,
    );
  }

  #fixed(json: Json, place: Place): AvroFixed {
    const { name, aliases } = this.#identity(json, place);
    const { size } = json;
    if (typeof size !== "number" || !Number.isInteger(size) || size < 0) {
      throw new BadSchemaError(`fixed ${name} has no size in bytes`);
    }
    return this.#define(name, { kind: "fixed", name, aliases, size, logical: logicalOf(json) }, place);
  }

  #identity(json: Json, place: Place) {
    const { name, namespace: given } = json;
    const own = typeof given === "string" ? given : place.namespace;
    if (typeof name !== "string" || !FULL_NAME.test(name)) {
      throw new BadSchemaError(`${place.at} has no valid name: letters, digits and _`);
    }
    const full = fullName(name, own);
    const namespace = full.includes(".") ? full.slice(0, full.lastIndexOf(".")) : "";
    const aliases = textsOf(json.aliases, `the aliases of ${full}`).map((alias) => fullName(alias, namespace));
    return { name: full, aliases, namespace };
  }

  #define<Node extends AvroNode>(name: string, node: Node, { at }: Place): Node {
    if (PRIMITIVES.has(name)) throw new BadSchemaError(`${at} has the name ${name}, which is a type of Avro`);
    if (this.#names.has(name)) throw new BadSchemaError(`${name} is defined twice`);
    this.#names.set(name, node);
    return node;
  }
}

function inside(place: Place, at: string): Place {
  return { ...place, at, depth: place.depth + 1 };
}

function fullName(name: string, namespace: string): string {
  return name.includes(".") || namespace === "" ? name : `${namespace}.${name}`;
}

function textsOf(value: unknown, at: string): readonly string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((each) => typeof each === "string" && FULL_NAME.test(each))) return value;
  throw new BadSchemaError(`${at} are no list of names`);
}

function logicalOf({ logicalType, scale, precision }: Json): Logical | undefined {
  if (typeof logicalType !== "string") return undefined;
  const isDecimal = logicalType === "decimal";
  // An invalid logical type is ignored, as the specification says.
  if (isDecimal && !(typeof precision === "number" && precision > 0)) return undefined;
  return { name: logicalType, scale: typeof scale === "number" && scale > 0 ? scale : 0 };
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}

/** The name without its namespace. */
export function bareName(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}
