import { reasonOf } from "../../../domain/reason.ts";
import { BadSchemaError } from "../common/bad-schema-error.ts";
import { type CompatibilityLevel, type EarlierVersion, incompatibilities } from "../common/compatibility.ts";
import type { Schema } from "../common/schema.ts";
import { parseSchema } from "../kinds.ts";
import { RegistryError, schemaNotFound, subjectNotFound, versionNotFound } from "./registry-error.ts";
import {
  type IndexedVersion,
  liveVersions,
  type RegistryIndex,
  type RegistryMode,
  type StoredReference,
  SUBJECT_CHARACTERS_MAX,
  VERSIONS_MAX,
} from "./registry-index.ts";
import { digestOf, type KnownSchema, type SchemaRecords } from "./schema-records.ts";

/** A schema as a client sends it. */
export interface GivenSchema {
  readonly schema: string;
  readonly schemaType: string;
  readonly references: readonly StoredReference[];
}

export interface SubjectVersion extends IndexedVersion {
  readonly subject: string;
  readonly known: KnownSchema;
}

export const DEFAULT_LEVEL: CompatibilityLevel = "BACKWARD";
const TEXT_CHARACTERS_MAX = 256 * 1_024;

/**
 * The schema registry: subjects with versions, and the rule that a new version keeps to. A schema has one id, whatever
 * subjects it is in; ids and versions are never used twice. Refusals are `RegistryError`s with the codes of Confluent's
 * registry, which clients know.
 */
export class Registry {
  readonly records: SchemaRecords;
  readonly #onChanged: (subject: string) => void;

  constructor(records: SchemaRecords, onChanged: (subject: string) => void) {
    this.records = records;
    this.#onChanged = onChanged;
  }

  /** Adds a version, unless the subject has the schema already. Resolves to the schema's id. */
  async register(subject: string, given: GivenSchema): Promise<{ readonly id: number; readonly version: number }> {
    checkSubject(subject);
    const result = await this.records.change(async (index) => {
      if (modeOf(index, subject) === "READONLY") {
        throw new RegistryError(42_205, `Subject ${subject} is in read-only mode`);
      }
      const schema = await this.#parse(given);
      const digest = digestOf(schema, given.references);
      const versions = index.versions[subject] ?? [];
      const existing = versions.find(({ id, deleted }) => id === index.ids[digest] && !deleted);
      if (existing !== undefined) return existing;
      await this.#checkCompatible(index, subject, schema);
      if (Object.values(index.versions).reduce((sum, each) => sum + each.length, 0) >= VERSIONS_MAX) {
        throw new RegistryError(42_205, `the registry has ${VERSIONS_MAX} versions; delete some for good first`);
      }
      const { schema: text, schemaType: type, references } = given;
      const id = index.ids[digest] ?? (await this.records.add(index, { type, text, references: [...references] }));
      const version = (versions.at(-1)?.version ?? 0) + 1;
      index.ids[digest] = id;
      const uses = references.map((each) => ({ subject: each.subject, version: each.version }));
      index.versions[subject] = [...versions, { version, id, ...(uses.length === 0 ? {} : { uses }) }];
      return { id, version };
    });
    this.#onChanged(subject);
    return result;
  }

  /** The version of a subject that has the schema. */
  async find(subject: string, given: GivenSchema): Promise<SubjectVersion> {
    const index = await this.records.refresh();
    const versions = liveVersions(index, subject);
    if (versions.length === 0) throw subjectNotFound(subject);
    const id = index.ids[digestOf(await this.#parse(given), given.references)];
    const found = versions.find((each) => each.id === id);
    if (found === undefined) throw schemaNotFound();
    return await this.#known(subject, found);
  }

  /** Why a schema must not follow a version, or all that its level asks for. Empty if it may. */
  async check(subject: string, given: GivenSchema, version: string | undefined): Promise<readonly string[]> {
    const index = await this.records.refresh();
    const schema = await this.#parse(given);
    const level = levelOf(index, subject);
    if (version === undefined) return incompatibilities(level, schema, await this.#earlier(index, subject));
    const { version: number, known } = await this.#known(subject, this.#version(index, subject, version));
    return incompatibilities(level, schema, [{ version: number, schema: known.schema }]);
  }

  async version(subject: string, version: string): Promise<SubjectVersion> {
    const index = await this.records.refresh();
    return await this.#known(subject, this.#version(index, subject, version));
  }

  async byId(id: number): Promise<KnownSchema> {
    const known = await this.records.load(id);
    if (known === undefined) throw schemaNotFound(String(id));
    return known;
  }

  /** All versions of a subject; soft ones first, those for good only after. Resolves to the versions. */
  async remove(subject: string, version: string | undefined, isPermanent: boolean): Promise<readonly number[]> {
    const removed = await this.records.change((index) => {
      const all = index.versions[subject] ?? [];
      if (all.length === 0) throw subjectNotFound(subject);
      const chosen = version === undefined ? all : [this.#anyVersion(all, version)];
      for (const each of chosen) this.#checkUnused(index, subject, each);
      if (!isPermanent) {
        const live = chosen.filter(({ deleted }) => !deleted);
        if (live.length === 0) throw version === undefined ? softDeleted(subject) : versionNotFound(version);
        for (const each of live) each.deleted = true;
        return live.map((each) => each.version);
      }
      if (chosen.some(({ deleted }) => !deleted)) {
        const what = version === undefined ? `Subject '${subject}'` : `Subject '${subject}' Version ${version}`;
        throw new RegistryError(
          version === undefined ? 40_405 : 40_407,
          `${what} was not deleted first before being permanently deleted`,
        );
      }
      const rest = all.filter((each) => !chosen.includes(each));
      if (rest.length === 0) delete index.versions[subject];
      else index.versions[subject] = rest;
      return chosen.map((each) => each.version);
    });
    this.#onChanged(subject);
    return removed;
  }

  async #parse({ schema: text, schemaType, references }: GivenSchema): Promise<Schema> {
    if (text.length > TEXT_CHARACTERS_MAX) {
      throw new RegistryError(42_201, `Invalid schema: it has more than ${TEXT_CHARACTERS_MAX} characters`);
    }
    try {
      return parseSchema(schemaType, text, await this.records.references(references));
    } catch (cause) {
      if (!(cause instanceof BadSchemaError)) throw cause;
      throw new RegistryError(42_201, `Invalid schema: ${reasonOf(cause)}`, { cause });
    }
  }

  async #checkCompatible(index: RegistryIndex, subject: string, schema: Schema): Promise<void> {
    const earlier = await this.#earlier(index, subject);
    const level = levelOf(index, subject);
    const reasons = incompatibilities(level, schema, earlier);
    if (reasons.length === 0) return;
    const message =
      `Schema being registered is incompatible with an earlier schema for subject "${subject}" ` +
      `(compatibility ${level}), details: ${reasons.join("; ")}`;
    throw new RegistryError(409, message);
  }

  async #earlier(index: RegistryIndex, subject: string): Promise<EarlierVersion[]> {
    const found: EarlierVersion[] = [];
    for (const each of liveVersions(index, subject)) {
      const { version, known } = await this.#known(subject, each);
      found.push({ version, schema: known.schema });
    }
    return found;
  }

  async #known(subject: string, version: IndexedVersion): Promise<SubjectVersion> {
    const known = await this.records.load(version.id);
    if (known === undefined) throw schemaNotFound(String(version.id));
    return { ...version, subject, known };
  }

  #version(index: RegistryIndex, subject: string, text: string): IndexedVersion {
    const versions = liveVersions(index, subject);
    if (versions.length === 0) throw subjectNotFound(subject);
    return this.#anyVersion(versions, text);
  }

  #anyVersion(versions: readonly IndexedVersion[], text: string): IndexedVersion {
    if (text !== "latest" && text !== "-1" && !/^[1-9]\d{0,8}$/.test(text)) {
      const message = `The specified version '${text}' is not a valid version id. Allowed values are between [1, 2^31-1] and the string "latest"`;
      throw new RegistryError(42_202, message);
    }
    const found = /^[1-9]/.test(text)
      ? versions.find(({ version }) => version === Number(text))
      : versions.filter(({ deleted }) => !deleted).at(-1);
    if (found === undefined) throw versionNotFound(text);
    return found;
  }

  #checkUnused(index: RegistryIndex, subject: string, { version }: IndexedVersion): void {
    for (const [other, versions] of Object.entries(index.versions)) {
      const user = versions.find(({ uses = [] }) =>
        uses.some((at) => at.subject === subject && at.version === version),
      );
      if (user === undefined) continue;
      throw new RegistryError(
        42_206,
        `One or more references exist to the schema: version ${user.version} of ${other}`,
      );
    }
  }
}

function softDeleted(subject: string): RegistryError {
  return new RegistryError(40_404, `Subject '${subject}' was soft deleted. Set permanent=true to delete permanently`);
}

function checkSubject(subject: string): void {
  if (subject.length > 0 && subject.length <= SUBJECT_CHARACTERS_MAX && !/\p{Cc}/u.test(subject)) return;
  throw new RegistryError(42_208, `The specified subject is not valid: 1 to ${SUBJECT_CHARACTERS_MAX} characters`);
}

export function levelOf(index: RegistryIndex, subject: string): CompatibilityLevel {
  return index.subjectSettings[subject]?.compatibility ?? index.settings.compatibility ?? DEFAULT_LEVEL;
}

export function modeOf(index: RegistryIndex, subject: string): RegistryMode {
  return index.subjectSettings[subject]?.mode ?? index.settings.mode ?? "READWRITE";
}
