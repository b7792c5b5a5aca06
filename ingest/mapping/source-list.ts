import { z } from "zod";
import { durationField } from "../../platform/files/schemas.ts";
import { covers, parseTopicPattern } from "../names/topic-pattern.ts";
import { PRESET_NAMES, readPreset, withBase } from "../presets/presets.ts";
import { type SourceConfig, sourceFields, zone } from "./source-fields.ts";
import { topicsOf } from "./source-plan.ts";
import { sourceSchema } from "./source-schema.ts";

const { shape } = sourceFields;

/** An entry of `sources` that stands for the sources of a preset. */
const useSchema = z.strictObject({
  use: z
    .enum(PRESET_NAMES)
    .describe("Ready-made sources for a family of devices. `weir sources show NAME` prints them."),
  base: z
    .string()
    .min(1)
    .optional()
    .describe(
      "The first levels of the topics, if the devices have others than usual: `home/zigbee`. It replaces the base of the preset; where the preset has none, it goes before the topics.",
    ),
  timezone: zone.optional().describe("Zone of the preset's times without an offset, as `Europe/Berlin`."),
  max_behind: durationField("1s", "3650d")
    .optional()
    .describe("A reading older than this on arrival gets its time of receipt, and is counted."),
  metrics: shape.metrics.unwrap().optional().describe("Which fields become readings, instead of those of the preset."),
  drop: shape.drop.unwrap().optional().describe("Further fields that do not become readings."),
  rename: shape.rename.unwrap().optional().describe("Further new names of metrics."),
  prefix: shape.prefix.unwrap().optional().describe("Goes before the name of every metric."),
  convert: shape.convert.unwrap().optional().describe("Further conversions of values, by metric or pattern."),
  coerce: shape.coerce.unwrap().optional().describe("Which texts are numbers, instead of those of the preset."),
  no_value: shape.no_value
    .unwrap()
    .optional()
    .describe("Words that mean that there is no value, instead of the usual ones."),
  tags: shape.tags.unwrap().optional().describe("Further tags of every reading."),
});

export type UseConfig = z.output<typeof useSchema>;

/** `sources` of `weir.yaml`, with the presets' sources in the place of each `use`. */
export const sourceListSchema = z
  .array(z.union([sourceSchema, useSchema]))
  .min(1)
  .transform((entries, context): SourceConfig[] => {
    const placed = entries.flatMap((entry, at) =>
      "use" in entry ? presetSources(entry).map((source) => ({ source, at })) : [{ source: entry, at }],
    );
    for (const { at, earlier, topic } of hiddenTopics(placed)) {
      const path = "use" in (entries[at] ?? {}) ? [at, "use"] : [at, "topic"];
      const message = `"${topic}" gets no messages: an earlier source takes "${earlier}". Put the narrower one first`;
      context.addIssue({ code: "custom", path, message, input: entries });
    }
    return placed.map(({ source }) => source);
  });

/** The sources that an entry stands for. */
export function presetSources({ use, base, ...over }: UseConfig): SourceConfig[] {
  const preset = readPreset(use);
  return preset.sources.map((raw) => {
    const source = sourceSchema.parse(raw);
    const topics = topicsOf(source).map((topic) => withBase(topic, preset, base));
    return overridden({ ...source, topic: topics }, over);
  });
}

function overridden(source: SourceConfig, over: Omit<UseConfig, "use" | "base">): SourceConfig {
  if (source.ignore) return source;
  const { timezone, max_behind, drop = [], rename, convert, tags, ...replaced } = over;
  const given = Object.fromEntries(Object.entries(replaced).filter(([, value]) => value !== undefined));
  const time = {
    ...(timezone === undefined ? {} : { timezone }),
    ...(max_behind === undefined ? {} : { max_behind }),
  };
  return {
    ...source,
    ...given,
    timestamp: source.timestamp === "received" ? "received" : { ...source.timestamp, ...time },
    drop: [...source.drop, ...drop],
    rename: { ...source.rename, ...rename },
    convert: { ...source.convert, ...convert },
    tags: { ...source.tags, ...tags },
  };
}

interface Placed {
  readonly source: SourceConfig;
  /** The entry of the list. */
  readonly at: number;
}

/** Topics of sources that an earlier source takes entirely. */
function hiddenTopics(placed: readonly Placed[]) {
  const before: { readonly topic: string; readonly at: number }[] = [];
  const hidden: { readonly at: number; readonly topic: string; readonly earlier: string }[] = [];
  for (const { source, at } of placed) {
    for (const topic of topicsOf(source)) {
      const earlier = before.find((one) => one.at !== at && isCovered(one.topic, topic));
      if (earlier !== undefined) hidden.push({ at, topic, earlier: earlier.topic });
    }
    if (source.when === undefined) before.push(...topicsOf(source).map((topic) => ({ topic, at })));
  }
  return hidden;
}

function isCovered(earlier: string, later: string): boolean {
  const [one, other] = [parseTopicPattern(earlier), parseTopicPattern(later)];
  return typeof one !== "string" && typeof other !== "string" && covers(one, other);
}
