import { z } from "zod";
import { US_PER_DAY } from "../../domain/time.ts";
import { durationUsBetween } from "../../platform/files/schemas.ts";

const timestampSchema = z.strictObject({
  field: z.string().min(1).optional().describe("Where the time stands; nested names joined with a dot."),
  unit: z
    .enum(["auto", "s", "ms", "us", "ns", "iso8601"])
    .default("auto")
    .describe("What a number means. `auto` tells seconds, milliseconds, microseconds and nanoseconds by size."),
});

export const sourceSchema = z
  .strictObject({
    topic: z
      .string()
      .min(1)
      .describe(
        "Which topics: `{name}` captures a level as a tag, `+` skips one, `#` the rest. `{device}` is required.",
      ),
    format: z
      .enum(["json", "value"])
      .default("json")
      .describe("`json`: an object or an array of them. `value`: one bare value."),
    timestamp: timestampSchema
      .prefault({})
      .describe("Where the observation time is. Without one: `ts`, `timestamp` or `time`, else the receive time."),
    metrics: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
      .default("*")
      .describe("Which fields become readings: names or globs."),
    tags: z
      .record(z.string().min(1), z.string().min(1))
      .default({})
      .describe("Tags that every reading of this source gets."),
  })
  .superRefine((source, context) => {
    const problem = topicProblem(source.topic, source.format);
    if (problem) context.addIssue({ code: "custom", path: ["topic"], message: problem });
  });

export type SourceConfig = z.output<typeof sourceSchema>;

export const DEFAULT_SOURCES = [
  { topic: "sensors/{site}/{device}/telemetry", format: "json" },
  { topic: "sensors/{site}/{device}/{metric}", format: "value" },
] as const;

const bridgeSchema = z.strictObject({
  url: z
    .string()
    .regex(/^(mqtts?|wss?):\/\//, "must begin with mqtt://, mqtts://, ws:// or wss://")
    .describe("The outside broker."),
  topics: z.array(z.string().min(1)).min(1).describe("What to subscribe to."),
  share: z
    .string()
    .min(1)
    .optional()
    .describe("A shared subscription's group (MQTT 5): several gateways split the load."),
  clientId: z
    .string()
    .min(1)
    .default("weir")
    .describe("Must stay the same over restarts, or the broker forgets what was not acknowledged."),
  username: z.string().optional(),
  password: z.string().optional(),
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(1),
});

export type BridgeConfig = z.output<typeof bridgeSchema>;

export const ingestConfigSchema = z.strictObject({
  sources: z
    .array(sourceSchema)
    .min(1)
    .prefault(() => DEFAULT_SOURCES.map((source) => ({ ...source })))
    .describe("How topics and payloads become readings. The first source that matches a topic is taken."),
  frame: z
    .strictObject({
      readingsMax: z
        .int()
        .min(1)
        .max(10_000)
        .default(500)
        .describe("A frame is sent when it holds this many readings."),
      lingerMs: z.int().min(0).max(100).default(2).describe("Or when its first reading has waited this long."),
    })
    .prefault({}),
  clock: z
    .strictObject({
      max_ahead: durationUsBetween({ minUs: 0, maxUs: 365 * US_PER_DAY })
        .prefault("1m")
        .describe("A reading from further in the future takes its receive time instead."),
    })
    .prefault({}),
  limits: z
    .strictObject({
      readingsPerMessageMax: z.int().min(1).max(100_000).default(5_000),
      nestingMax: z.int().min(1).max(64).default(8),
      textBytesMax: z.int().min(1).max(65_536).default(4_096).describe("The longest string value."),
      topicsMax: z.int().min(100).max(10_000_000).default(200_000).describe("Topics whose meaning is remembered."),
    })
    .prefault({}),
  bridge: bridgeSchema.optional().describe("Subscribe to an outside MQTT broker as well."),
});

export type IngestConfig = z.output<typeof ingestConfigSchema>;

function topicProblem(topic: string, format: string): string | undefined {
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
  if (format === "value" && !names.includes("metric")) return "{metric} is missing: a bare value has no other name";
  return undefined;
}
