import type { Schema } from "./schema.ts";

export const COMPATIBILITY_LEVELS = [
  ...(["NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE"] as const),
  ...(["FULL", "FULL_TRANSITIVE"] as const),
] as const;

export type CompatibilityLevel = (typeof COMPATIBILITY_LEVELS)[number];

export interface EarlierVersion {
  readonly version: number;
  readonly schema: Schema;
}

const REASONS_MAX = 20;

/**
 * Why a new version must not follow the earlier ones (oldest first). Backward: the new schema reads what devices with
 * the newest earlier one send. Forward: the earlier one reads what devices with the new schema send. The transitive
 * levels ask this of all earlier versions. Empty if it may follow.
 */
export function incompatibilities(
  level: CompatibilityLevel,
  schema: Schema,
  earlier: readonly EarlierVersion[],
): string[] {
  if (level === "NONE") return [];
  const compared = level.endsWith("_TRANSITIVE") ? earlier : earlier.slice(-1);
  const found: string[] = [];
  for (const { version, schema: other } of [...compared].reverse()) {
    if (other.type !== schema.type) {
      found.push(`version ${version} is of type ${other.type}, the new schema of type ${schema.type}`);
      continue;
    }
    if (!level.startsWith("FORWARD")) {
      for (const { path, detail } of schema.mismatches(other)) {
        found.push(`the new schema cannot read data of version ${version}: ${at(path)}${detail}`);
      }
    }
    if (!level.startsWith("BACKWARD")) {
      for (const { path, detail } of other.mismatches(schema)) {
        found.push(`version ${version} cannot read data of the new schema: ${at(path)}${detail}`);
      }
    }
    if (found.length >= REASONS_MAX) break;
  }
  return found.slice(0, REASONS_MAX);
}

function at(path: string): string {
  return path === "" ? "" : `${path}: `;
}
