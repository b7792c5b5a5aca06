import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { z } from "zod";

/** The files beside this one, from source and as built. */
const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const ENDING = ".yaml";

const presetSchema = z.strictObject({
  /** The topics of the sources begin with it. */
  base: z.string().min(1).optional(),
  sources: z.array(z.record(z.string(), z.unknown())).min(1),
});

/** Ready-made sources for a family of devices, as they are written in `weir.yaml`. */
export interface Preset {
  readonly name: string;
  /** What the file says about itself, in its first lines. */
  readonly about: string;
  readonly base: string | undefined;
  readonly sources: readonly Readonly<Record<string, unknown>>[];
  /** The file. */
  readonly text: string;
}

export const PRESET_NAMES: readonly string[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith(ENDING))
  .map((file) => basename(file, ENDING))
  .sort();

/** The preset of one of `PRESET_NAMES`. */
export function readPreset(name: string): Preset {
  const text = readFileSync(join(FOLDER, name + ENDING), "utf8");
  const { base, sources } = presetSchema.parse(parse(text));
  const lines = text.split("\n");
  const about = lines
    .slice(
      0,
      lines.findIndex((line) => !line.startsWith("#")),
    )
    .map((line) => line.slice(2));
  return { name, about: about.join(" "), base, sources, text };
}

/** The topic with another base. Topics of a preset without a base of its own get it in front. */
export function withBase(topic: string, preset: Pick<Preset, "base">, base: string | undefined): string {
  if (base === undefined) return topic;
  if (preset.base === undefined) return `${base}/${topic}`;
  if (topic === preset.base) return base;
  return topic.startsWith(`${preset.base}/`) ? base + topic.slice(preset.base.length) : topic;
}
