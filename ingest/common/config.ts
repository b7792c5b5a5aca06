import { z } from "zod";
import { durationField, sizeField } from "../../platform/files/schemas.ts";
import { FORMATS_DOC, type FormatConfig, formatSchema, needsMetric } from "../formats/formats.ts";
import { metricPatternProblem } from "../names/metric-filter.ts";
import { nameFault, shownName } from "../names/names.ts";

/** No limit on names may be larger: stores and indexes hold names as keys. */
const NAME_BYTES_LIMIT = 1_024;

const fixedName = z
  .string()
  .min(1)
  .superRefine((name, context) => {
    const fault = nameFault(name, NAME_BYTES_LIMIT);
    if (fault !== undefined) context.addIssue({ code: "custom", message: `${shownName(name)} ${fault}` });
  });

const metricPattern = z
  .string()
  .min(1)
  .superRefine((pattern, context) => {
    const problem = metricPatternProblem(pattern);
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  });

const timestampSchema = z.strictObject({
  field: z.string().min(1).optional().describe("The field that holds the time; join nested names with a dot."),
  unit: z
    .enum(["auto", "s", "ms", "us", "ns", "iso8601"])
    .default("auto")
    .describe("Unit of a number. `auto` recognizes seconds, milliseconds, microseconds and nanoseconds by their size."),
});

export const sourceSchema = z
  .strictObject({
    topic: z
      .string()
      .min(1)
      .describe(
        "Which topics: `{name}` captures a level as a tag, `+` skips a level, `#` skips the rest. `{device}` is required.",
      ),
    format: formatSchema.default("json").describe(`Format of the payload. ${FORMATS_DOC}`),
    timestamp: timestampSchema
      .prefault({})
      .describe(
        "The time of the observation. Default: the field `ts`, `timestamp` or `time`, else the time of receipt.",
      ),
    metrics: z
      .union([metricPattern, z.array(metricPattern).min(1)])
      .default("*")
      .describe(
        "Which fields become readings: names or patterns. `*` is any text, `?` one character, `{a,b}` either, `!` in front inverts.",
      ),
    tags: z.record(fixedName, fixedName).default({}).describe("Tags added to every reading of this source."),
  })
  .superRefine((source, context) => {
    const problem = topicProblem(source.topic, source.format);
    if (problem) context.addIssue({ code: "custom", path: ["topic"], message: problem });
    for (const name of ["device", "metric"].filter((name) => Object.hasOwn(source.tags, name))) {
      const message = `a tag cannot have the name ${name}, which every series has; choose another name`;
      context.addIssue({ code: "custom", path: ["tags", name], message });
    }
  });

export type SourceConfig = z.output<typeof sourceSchema>;

export const DEFAULT_SOURCES = [
  { topic: "sensors/{site}/{device}/telemetry", format: "json" },
  { topic: "sensors/{site}/{device}/{metric}", format: "value" },
] as const;

function names(fallback: number, description: string) {
  return z.int().min(1).max(100_000_000).default(fallback).describe(description);
}

export const ingestConfigSchema = z.strictObject({
  sources: z
    .array(sourceSchema)
    .min(1)
    .prefault(() => DEFAULT_SOURCES.map((source) => ({ ...source })))
    .describe("How topics and payloads become readings. The first source whose topic matches applies."),
  frame: z
    .strictObject({
      readings_max: z
        .int()
        .min(1)
        .max(10_000)
        .default(500)
        .describe("The most readings in one entry of the log. A full entry is written at once."),
      linger: durationField("0s", "100ms")
        .prefault("2ms")
        .describe("How long a reading may wait for others before its entry is written."),
    })
    .prefault({})
    .describe(
      "How readings are batched into entries of the log. Devices wait for their acknowledgement until the entry is written.",
    ),
  clock: z
    .strictObject({
      max_ahead: durationField("0s", "365d")
        .prefault("1m")
        .describe("A reading further in the future than this gets its time of receipt instead."),
    })
    .prefault({})
    .describe("How to handle device clocks that are wrong."),
  limits: z
    .strictObject({
      readings_per_message_max: z
        .int()
        .min(1)
        .max(100_000)
        .default(5_000)
        .describe("The most readings in one message. A message with more becomes a dead letter."),
      nesting_max: z.int().min(1).max(64).default(8).describe("Depth of nested JSON objects."),
      text_size_max: sizeField("1B", "64KiB").prefault("4KiB").describe("The longest string value."),
      name_size_max: sizeField("16B", "1KiB")
        .prefault("256B")
        .describe("The longest name of a device or a metric, and the longest value of a tag."),
      topics_max: z
        .int()
        .min(100)
        .max(10_000_000)
        .default(200_000)
        .describe("Number of topics whose source Weir caches. Above it, Weir clears the cache."),
      series_max: names(
        200_000,
        "Series (a metric of a device with its tags) that may send. The page shows as many: see `feed.history.series_max`. One user, or one address of clients without a user, gets at most half of them. A message with a series above the limit becomes a dead letter; its other readings are stored.",
      ),
      series_per_device_max: names(10_000, "The same for the metrics of one device with its tags."),
      devices_max: names(
        50_000,
        "Devices (with their tags) that may send. The page shows as many: see `feed.history.devices_max`. One user, or one address, gets at most half of them. A message of a device above the limit becomes a dead letter.",
      ),
      devices_per_user_max: names(
        25_000,
        "The same for the devices of one user, or of one address of clients without a user. A bridge counts as one user.",
      ),
      forget_after: durationField("1m", "3650d")
        .prefault("30d")
        .describe("A device or series that sends nothing for this long no longer counts toward these limits."),
    })
    .prefault({})
    .describe("Limits on messages, devices and series. A message that exceeds one becomes a dead letter."),
});

export type IngestConfig = z.output<typeof ingestConfigSchema>;

function topicProblem(topic: string, format: FormatConfig): string | undefined {
  const names: string[] = [];
  const levels = topic.split("/");
  for (const [i, level] of levels.entries()) {
    const name = /^\{([a-z][a-z0-9_]*)\}$/.exec(level)?.[1];
    if (name) names.push(name);
    else if (level === "#" && i < levels.length - 1) return "# may only be the last level";
    else if (level !== "+" && level !== "#" && /[{}+#]/.test(level)) {
      return `"${level}" is neither a plain level nor {name} (small letters, digits and _), + or #`;
    }
  }
  if (new Set(names).size < names.length) return "a name is captured twice";
  if (!names.includes("device")) return "{device} is missing: it says which sensor a reading is from";
  if (needsMetric(format) && !names.includes("metric")) return "{metric} is missing: a bare value has no other name";
  return undefined;
}
