import type { Mismatch } from "../common/mismatch.ts";

type Json = unknown;
type Schema = Readonly<Record<string, Json>>;

/** Words about a schema, which change nothing that it accepts. */
const WORDS: ReadonlySet<string> = new Set([
  ...["title", "description", "default", "examples", "$comment", "$schema", "$id", "id", "deprecated", "readOnly"],
  ...["writeOnly", "format", "contentMediaType", "contentEncoding", "$defs", "definitions"],
]);

/** Keywords that this comparison understands. */
const KNOWN: ReadonlySet<string> = new Set([
  ...["type", "enum", "const", "properties", "required", "additionalProperties", "items"],
  ...["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"],
  ...["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"],
]);

const LEAST = ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"] as const;
const MOST = ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"] as const;
const DEPTH_MAX = 64;

/**
 * Why a document that the writer's schema accepts may break the reader's. Where a keyword differs that this comparison
 * does not understand, it says so: two schemas count as compatible only if every difference is known to be harmless.
 */
export function jsonMismatches(writer: Json, reader: Json): Mismatch[] {
  return new Comparison(writer, reader).compare(writer, reader, { path: "", depth: 0 });
}

interface Place {
  readonly path: string;
  readonly depth: number;
}

class Comparison {
  readonly #writerRoot: Json;
  readonly #readerRoot: Json;

  constructor(writerRoot: Json, readerRoot: Json) {
    this.#writerRoot = writerRoot;
    this.#readerRoot = readerRoot;
  }

  compare(writerGiven: Json, readerGiven: Json, place: Place): Mismatch[] {
    const { path, depth } = place;
    if (depth > DEPTH_MAX) return [];
    const [writer, reader] = [resolved(writerGiven, this.#writerRoot), resolved(readerGiven, this.#readerRoot)];
    if (writer === undefined || reader === undefined) return [{ path, detail: "a $ref leads outside of the schema" }];
    if (reader === true || acceptsAll(reader) || writer === false || this.#same(writer, reader)) return [];
    if (reader === false) return [{ path, detail: "the reader's schema accepts nothing here" }];
    const [from, to] = [writer === true ? {} : writer, reader];
    const note = (detail: string): Mismatch => ({ path, detail });
    return [
      ...typeMismatches(from, to).map(note),
      ...valueMismatches(from, to).map(note),
      ...boundMismatches(from, to).map(note),
      ...this.#objects(from, to, place),
      ...this.#items(from, to, place),
      ...this.#unknown(from, to).map(note),
    ];
  }

  /** Two references are the same only if what they lead to is. */
  #same(writer: Json, reader: Json): boolean {
    if (!same(writer, reader)) return false;
    return same(this.#writerRoot, this.#readerRoot) || !(JSON.stringify(writer) ?? "").includes('"$ref"');
  }

  #unknown(writer: Schema, reader: Schema): string[] {
    const names = Object.keys(reader).filter((name) => !KNOWN.has(name) && !WORDS.has(name));
    return names
      .filter((name) => !this.#same(writer[name], reader[name]))
      .map((name) => `"${name}" differs, and this keyword cannot be compared`);
  }

  #objects(writer: Schema, reader: Schema, { path, depth }: Place): Mismatch[] {
    const [written, read] = [objectOf(writer.properties), objectOf(reader.properties)];
    const found: Mismatch[] = [];
    const mustBe = listOf(reader.required).filter((name) => !listOf(writer.required).includes(name));
    for (const name of mustBe) {
      found.push({ path: joined(path, String(name)), detail: "it is required by the reader's schema only" });
    }
    for (const [name, schema] of Object.entries(read)) {
      // A field that the writer does not name may still be there, with any value that it allows.
      const source = Object.hasOwn(written, name) ? written[name] : (writer.additionalProperties ?? true);
      if (source === true && !Object.hasOwn(written, name)) {
        const other = resolved(schema, this.#readerRoot);
        if (other !== undefined && acceptsAll(other)) continue;
        const detail = "the writer's schema allows any value here; with additionalProperties: false it would not";
        found.push({ path: joined(path, name), detail });
      } else found.push(...this.compare(source, schema, { path: joined(path, name), depth: depth + 1 }));
    }
    const rest = reader.additionalProperties ?? true;
    for (const [name, schema] of Object.entries(written)) {
      if (Object.hasOwn(read, name)) continue;
      const at = { path: joined(path, name), depth: depth + 1 };
      if (rest === false) found.push({ path: at.path, detail: "the reader's schema does not allow this field" });
      else found.push(...this.compare(schema, rest, at));
    }
    const others = this.compare(writer.additionalProperties ?? true, rest, {
      path: joined(path, "*"),
      depth: depth + 1,
    });
    return [...found, ...others];
  }

  #items(writer: Schema, reader: Schema, { path, depth }: Place): Mismatch[] {
    if (Array.isArray(writer.items) || Array.isArray(reader.items)) {
      return same(writer.items, reader.items) ? [] : [{ path, detail: "lists of items cannot be compared" }];
    }
    return this.compare(writer.items ?? true, reader.items ?? true, { path: `${path}[]`, depth: depth + 1 });
  }
}

function typeMismatches(writer: Schema, reader: Schema): string[] {
  const wanted = typesOf(reader);
  if (wanted === undefined) return [];
  const written = typesOf(writer);
  if (written === undefined) return [`it may be of any type, where the reader's schema wants ${wanted.join(" or ")}`];
  const missing = written.filter(
    (type) => !wanted.includes(type) && !(type === "integer" && wanted.includes("number")),
  );
  if (missing.length === 0) return [];
  return [`it may be ${missing.join(" or ")}, where the reader's schema wants ${wanted.join(" or ")}`];
}

function valueMismatches(writer: Schema, reader: Schema): string[] {
  const wanted = valuesOf(reader);
  if (wanted === undefined) return [];
  const written = valuesOf(writer);
  if (written === undefined) return ["it may have values that the reader's schema does not list"];
  const missing = written.filter((value) => !wanted.some((each) => same(each, value)));
  return missing.length === 0 ? [] : [`the reader's schema does not list ${missing.slice(0, 5).map(shown).join(", ")}`];
}

function boundMismatches(writer: Schema, reader: Schema): string[] {
  const found: string[] = [];
  for (const [names, isTighter] of [
    [LEAST, (from: number, to: number) => to > from],
    [MOST, (from: number, to: number) => to < from],
  ] as const) {
    for (const name of names) {
      const [from, to] = [writer[name], reader[name]];
      if (typeof to !== "number" || (typeof from === "number" && !isTighter(from, to))) continue;
      found.push(
        `${name} is ${to} in the reader's schema, ${typeof from === "number" ? from : "free"} in the writer's`,
      );
    }
  }
  return found;
}

/** Follows `$ref` within the schema; undefined if it leads nowhere. */
function resolved(given: Json, root: Json): Schema | boolean | undefined {
  let schema = given;
  for (let i = 0; i < DEPTH_MAX; i++) {
    if (typeof schema === "boolean") return schema;
    if (!isObject(schema)) return undefined;
    const { $ref } = schema;
    if (typeof $ref !== "string") return schema;
    if (!$ref.startsWith("#")) return undefined;
    schema = $ref
      .slice(1)
      .split("/")
      .slice(1)
      .reduce<Json>(
        (at, name) => (isObject(at) ? at[name.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined),
        root,
      );
  }
  return undefined;
}

function acceptsAll(schema: Schema | boolean): boolean {
  return schema === true || (schema !== false && Object.keys(schema).every((name) => WORDS.has(name)));
}

function typesOf({ type }: Schema): readonly string[] | undefined {
  if (typeof type === "string") return [type];
  return Array.isArray(type) ? type.map(String) : undefined;
}

function valuesOf(schema: Schema): readonly Json[] | undefined {
  if ("const" in schema) return [schema.const];
  return Array.isArray(schema.enum) ? schema.enum : undefined;
}

function objectOf(value: Json): Schema {
  return isObject(value) ? value : {};
}

function listOf(value: Json): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

function isObject(value: Json): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether two JSON values are equal, whatever the order of their fields. */
function same(one: Json, other: Json): boolean {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((name) => [name, sorted(value[name])]),
  );
}

function shown(value: Json): string {
  return String(JSON.stringify(value)).slice(0, 60);
}

function joined(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
