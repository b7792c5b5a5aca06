import type { SourceConfig } from "../mapping/source-fields.ts";
import { presetSources } from "../mapping/source-list.ts";

const known = new Map<string, readonly SourceConfig[]>();

/** The sources of a preset without settings of its own. Presets are files of the product, so they are read once. */
export function presetAsWritten(name: string): readonly SourceConfig[] {
  const before = known.get(name);
  if (before !== undefined) return before;
  const sources = presetSources({ use: name });
  known.set(name, sources);
  return sources;
}
