import { z } from "zod";
import { COMPATIBILITY_LEVELS } from "../common/compatibility.ts";

/** How many versions there may be of all subjects: the index is one record of the log. */
export const VERSIONS_MAX = 6_000;
export const SUBJECT_CHARACTERS_MAX = 200;

const versionSchema = z.object({
  version: z.int().min(1),
  id: z.int().min(1),
  /** Devices may still use it; it no longer counts for new versions. */
  deleted: z.literal(true).optional(),
  /** The versions that it refers to. */
  uses: z.array(z.object({ subject: z.string(), version: z.int() })).optional(),
});

const settingsSchema = z.object({
  compatibility: z.enum(COMPATIBILITY_LEVELS).optional(),
  mode: z.enum(["READWRITE", "READONLY"]).optional(),
});

/** What the record `schemas.index` holds. The schemas themselves are records of their own, by their id. */
export const indexSchema = z.object({
  nextId: z.int().min(1),
  settings: settingsSchema,
  /** Of subjects that differ from all others. */
  subjectSettings: z.record(z.string(), settingsSchema),
  /** By subject, oldest first. */
  versions: z.record(z.string(), z.array(versionSchema)),
  /** The id of each schema, by the digest of its type, text and references. */
  ids: z.record(z.string(), z.int()),
});

export type RegistryIndex = z.infer<typeof indexSchema>;
export type IndexedVersion = z.infer<typeof versionSchema>;
export type RegistryMode = NonNullable<z.infer<typeof settingsSchema>["mode"]>;

export const EMPTY_INDEX: RegistryIndex = { nextId: 1, settings: {}, subjectSettings: {}, versions: {}, ids: {} };

/** What the record of one schema holds. */
export const storedSchema = z.object({
  type: z.string(),
  text: z.string(),
  references: z.array(z.object({ name: z.string(), subject: z.string(), version: z.int() })).default([]),
});

export type StoredSchema = z.infer<typeof storedSchema>;
export type StoredReference = StoredSchema["references"][number];

export function liveVersions(index: RegistryIndex, subject: string): readonly IndexedVersion[] {
  return (index.versions[subject] ?? []).filter(({ deleted }) => !deleted);
}

/** A copy that may be changed. */
export function copyOf(index: RegistryIndex): RegistryIndex {
  return structuredClone(index);
}
