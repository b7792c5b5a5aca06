import { createHash } from "node:crypto";
import { ConflictError, type Records } from "../../../platform/log/port.ts";
import { BadSchemaError } from "../common/bad-schema-error.ts";
import type { Reference, Schema } from "../common/schema.ts";
import { parseSchema } from "../kinds.ts";
import {
  copyOf,
  EMPTY_INDEX,
  indexSchema,
  type RegistryIndex,
  type StoredReference,
  type StoredSchema,
  storedSchema,
} from "./registry-index.ts";

const INDEX = "schemas.index";
const TRIES_MAX = 20;
const PARSED_MAX = 2_000;
const REFERENCES_MAX = 50;
const REFERENCE_DEPTH_MAX = 16;

/** A schema that the registry holds. */
export interface KnownSchema extends StoredSchema {
  readonly id: number;
  readonly schema: Schema;
}

/** The registry's index cannot be used: a newer Weir wrote it. */
export class UnreadableIndexError extends Error {
  override readonly name = "UnreadableIndexError";
}

/**
 * Schemas in the records of the log: an index, and a record for each schema. All gateways share them. A change
 * replaces the index by compare-and-set, so two gateways never give one id to two schemas.
 */
export class SchemaRecords {
  readonly #records: Records;
  /** By id; a schema never changes. */
  readonly #parsed = new Map<number, KnownSchema>();
  #index: RegistryIndex = EMPTY_INDEX;

  constructor(records: Records) {
    this.#records = records;
  }

  /** As of the last `refresh` or `change`. */
  get index(): RegistryIndex {
    return this.#index;
  }

  async refresh(): Promise<RegistryIndex> {
    const { index } = await this.#read();
    return index;
  }

  /** Calls `change` with a copy of the index until it is written. What it returns is returned. */
  async change<Result>(change: (index: RegistryIndex) => Result | Promise<Result>): Promise<Result> {
    for (let i = 1; ; i++) {
      const { index, revision } = await this.#read();
      const changed = copyOf(index);
      const result = await change(changed);
      const value = encoded(changed);
      // A client registers its schema at each start: mostly, nothing changes.
      if (revision > 0 && Buffer.compare(value, encoded(index)) === 0) return result;
      try {
        await this.#records.set(INDEX, value, revision);
        this.#index = changed;
        return result;
      } catch (error) {
        if (!(error instanceof ConflictError) || i === TRIES_MAX) throw error;
      }
    }
  }

  /** Stores a schema under the next free id. Nothing names it before the index does. */
  async add(index: RegistryIndex, stored: StoredSchema): Promise<number> {
    for (;;) {
      const id = index.nextId++;
      const record = await this.#records.get(nameOf(id));
      // A registration that ended before its index leaves its record: the id is not used again.
      if (record !== undefined) continue;
      try {
        await this.#records.set(nameOf(id), encoded(stored), 0);
        return id;
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
      }
    }
  }

  /** The schema if it was loaded before. */
  loaded(id: number): KnownSchema | undefined {
    return this.#parsed.get(id);
  }

  /** Undefined if there is none. Throws `BadSchemaError` if this version of Weir cannot parse it. */
  async load(id: number): Promise<KnownSchema | undefined> {
    const known = this.#parsed.get(id);
    if (known !== undefined) return known;
    const record = await this.#records.get(nameOf(id));
    if (record === undefined) return undefined;
    const stored = storedSchema.parse(JSON.parse(new TextDecoder().decode(record.value)));
    const schema = parseSchema(stored.type, stored.text, await this.references(stored.references));
    if (this.#parsed.size >= PARSED_MAX) this.#parsed.clear();
    const loaded = { ...stored, id, schema };
    this.#parsed.set(id, loaded);
    return loaded;
  }

  /** The texts of references and of theirs, those that others need first. Throws `BadSchemaError`. */
  async references(references: readonly StoredReference[], depth = 1): Promise<Reference[]> {
    if (depth > REFERENCE_DEPTH_MAX) throw new BadSchemaError("its references refer to one another in a circle");
    const found: Reference[] = [];
    for (const { name, subject, version } of references) {
      const id = this.#index.versions[subject]?.find((each) => each.version === version)?.id;
      const record = id === undefined ? undefined : await this.#records.get(nameOf(id));
      if (record === undefined) {
        throw new BadSchemaError(`the reference ${name} is version ${version} of ${subject}, which does not exist`);
      }
      const stored = storedSchema.parse(JSON.parse(new TextDecoder().decode(record.value)));
      for (const each of [...(await this.references(stored.references, depth + 1)), { name, text: stored.text }]) {
        if (!found.some((other) => other.name === each.name)) found.push(each);
      }
      if (found.length > REFERENCES_MAX) throw new BadSchemaError(`it has more than ${REFERENCES_MAX} references`);
    }
    return found;
  }

  async #read(): Promise<{ readonly index: RegistryIndex; readonly revision: number }> {
    const record = await this.#records.get(INDEX);
    if (record === undefined) return { index: EMPTY_INDEX, revision: 0 };
    const index = indexSchema.safeParse(JSON.parse(new TextDecoder().decode(record.value)));
    if (!index.success) {
      throw new UnreadableIndexError("the record schemas.index is not one of this version; is a newer Weir running?");
    }
    this.#index = index.data;
    return { index: index.data, revision: record.revision };
  }
}

/** The same for the same schema, in any subject. */
export function digestOf(schema: Schema, references: readonly StoredReference[]): string {
  const text = [schema.type, schema.canonical, JSON.stringify(references)].join("\u0000");
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

function nameOf(id: number): string {
  return `schemas.id.${id}`;
}

function encoded(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
