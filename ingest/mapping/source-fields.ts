import { z } from "zod";
import { durationField } from "../../platform/files/schemas.ts";
import { isZone, suggestZone } from "../../rule-language/calendar/time-zone.ts";
import { parsePayloadExpression } from "../../rule-language/conditions/payload-expression.ts";
import { FORMATS_DOC, formatSchema } from "../formats/formats.ts";
import { metricPatternProblem } from "../names/metric-filter.ts";
import { nameFault, shownName } from "../names/names.ts";
import { parseEach } from "./each.ts";
import { templateProblem } from "./template.ts";
import { NAMED_PATTERNS, parseTimePattern } from "./time-pattern.ts";
import { NO_VALUE_WORDS } from "./values.ts";

/** No limit on names may be larger: stores and indexes hold names as keys. */
const NAME_BYTES_LIMIT = 1_024;

function checkedText(problemOf: (text: string) => string | undefined) {
  return z
    .string()
    .min(1)
    .superRefine((text, context) => {
      const problem = problemOf(text);
      if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
    });
}

function nameProblem(name: string): string | undefined {
  const fault = nameFault(name, NAME_BYTES_LIMIT);
  return fault === undefined ? undefined : `${shownName(name)} ${fault}`;
}

function asProblem(parsed: unknown): string | undefined {
  return typeof parsed === "string" ? parsed : undefined;
}

const fixedName = checkedText(nameProblem);
const template = checkedText((text) => nameProblem(text) ?? templateProblem(text));
const metricPattern = checkedText(metricPatternProblem);
const condition = checkedText((text) => asProblem(parsePayloadExpression(text, { isCondition: true })));
const partCondition = checkedText((text) =>
  asProblem(parsePayloadExpression(text, { isCondition: true, isForParts: true })),
);
const computation = checkedText((text) => asProblem(parsePayloadExpression(text, { isCondition: false })));
export const zone = checkedText((name) => {
  if (isZone(name)) return undefined;
  const meant = suggestZone(name);
  return `"${name}" is no time zone${meant === undefined ? "" : `; did you mean ${meant}`}? Write for example Europe/Berlin`;
});

const patterns = z.union([metricPattern, z.array(metricPattern).min(1)]);

const renamePattern = checkedText((text) => {
  if (text.split("*").length > 2) return `"${text}" has more than one *: a pattern to rename has one at most`;
  return /[?{}]/.test(text) ? `"${text}": a pattern to rename has names and one *` : nameProblem(text);
});

const timestampFields = z.strictObject({
  field: template
    .optional()
    .describe(
      "The field that holds the time; join nested names with a dot. `{date} {clock}` joins several fields or captures.",
    ),
  compute: computation
    .optional()
    .describe(
      "The time in CEL, instead of `field`: `payload.start + index * 20.0`. `index` is the position in an array, and `received` the time of receipt in ms: `received - item.age * 1000`.",
    ),
  unit: z
    .enum(["auto", "s", "ms", "us", "ns", "iso8601"])
    .default("auto")
    .describe("Unit of a number. `auto` recognizes seconds, milliseconds, microseconds and nanoseconds by their size."),
  format: checkedText((text) => asProblem(parseTimePattern(text)))
    .optional()
    .describe(
      `How a text writes the time, as \`DD.MM.YYYY HH:mm:ss\` or \`MM/DD/YYYY hh:mm A\`; \`SSS\` is the fraction, \`Z\` the offset, and \`[text]\` stands for itself. Or a name: ${Object.keys(NAMED_PATTERNS).join(", ")}.`,
    ),
  timezone: zone.optional().describe("Zone of times without an offset, as `Europe/Berlin`. Left out: they are in UTC."),
  fallback: z
    .enum(["received", "refuse"])
    .default("received")
    .describe(
      "What happens to readings whose time cannot be read. `received`: they get their time of receipt, and are counted as those of a clock that fell back. `refuse`: the message becomes a dead letter.",
    ),
  max_behind: durationField("1s", "3650d")
    .optional()
    .describe(
      "A reading older than this on arrival gets its time of receipt, and is counted. Left out: any age is right, because buffered readings are old.",
    ),
});

const conversion = z.strictObject({
  as: z
    .enum(["number", "boolean", "text"])
    .optional()
    .describe(
      "`boolean`: on, true, yes and 1 are true; off, false, no and 0 are false. `number`: they are 1 and 0. `text`: the value stays as it is written.",
    ),
  enum: z
    .record(z.string(), z.union([z.number(), z.boolean(), z.string()]))
    .refine((words) => Object.keys(words).length > 0, { error: "write at least one value" })
    .optional()
    .describe("New values by old ones: `{ closed: 0, open: 1 }`. Other values stay as they are."),
  scale: z
    .number()
    .refine((scale) => scale !== 0 && Number.isFinite(scale), { error: "a scale is not 0" })
    .optional()
    .describe("Multiplies numbers."),
  offset: z.number().optional().describe("Added to numbers, after `scale`."),
  unit: fixedName.optional().describe("Becomes the tag `unit` of the series."),
  no_value: z
    .array(z.union([z.string(), z.number()]))
    .optional()
    .describe("Further values that are no reading, as `[-127, 85]` of a sensor that is not connected."),
});

const numbers = z.strictObject({
  decimal: z.enum([".", ","]).default(".").describe("The sign before the fraction."),
  thousands: z
    .enum([".", ",", " ", "'"])
    .optional()
    .describe("The sign between groups of three digits. Left out: there is none."),
  units: z.boolean().default(false).describe("A unit may follow the number, as in `49.98 Hz`. It is left out."),
});

const schemaSetting = z.union([
  fixedName,
  z.strictObject({
    subject: fixedName.describe("The schema's subject in the registry."),
    version: z
      .int()
      .min(1)
      .optional()
      .describe("The version that readings are of; devices may send others. Left out: the newest."),
    message: fixedName
      .optional()
      .describe("The message of a .proto file. Left out: its first, or the one that the payload names."),
    header: z
      .enum(["auto", "none"])
      .default("auto")
      .describe(
        "`auto`: a zero byte and the id of the device's own schema may come first, as serializers write it; Avro needs it. `none`: payloads never have it.",
      ),
  }),
]);

/** The settings of a source. */
export const sourceFields = z.strictObject({
  topic: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .describe(
      "Which topics. `{name}` captures a level, `{model}-{id}` parts of one, `{name...}` one or more; captures become tags, except `device`, `metric` and those that templates use. `+` skips a level, `#` skips the rest.",
    ),
  ignore: z
    .boolean()
    .default(false)
    .describe("The messages of these topics carry no readings: they are counted as dropped, and are no dead letters."),
  when: condition
    .optional()
    .describe(
      'A condition in CEL: the source takes a message only if it holds, and else the next source may. `payload`, `topic`, `captured` and `received` (ms) are its names: `payload._type == "location"`.',
    ),
  format: formatSchema.default("json").describe(`Format of the payload. ${FORMATS_DOC}`),
  schema: schemaSetting
    .optional()
    .describe(
      "The schema of the payload, by its subject in the registry. A payload that breaks it becomes a dead letter. Formats `avro` and `protobuf` need it, `json` can have it.",
    ),
  each: checkedText((text) => asProblem(parseEach(text)))
    .optional()
    .describe(
      "Which parts of the payload are read one by one: `data.*` is each element or member of `data`, `data.{name}` also captures its key, and `data` alone is the object inside. `data.[*]` is each position of the arrays in `data`, and a text that is JSON is opened.",
    ),
  names: z
    .union([template, z.array(fixedName).min(1)])
    .optional()
    .describe(
      "The names of what an array holds, for parts that are arrays, as `[ts, temp, hum]` of `[1757145600, 21.5, 48]`; or the field that has the names.",
    ),
  skip: partCondition
    .optional()
    .describe(
      "A condition in CEL: the parts for which it holds are no readings, as `item.quality != 192`. `item` is the part.",
    ),
  device: template
    .optional()
    .describe(
      "The device: a template over captures and fields, as `{model}-{id}`. Default: `{device}` of the topic. `{id|serial}` takes the first that there is.",
    ),
  metric: template
    .optional()
    .describe(
      "The metric: a template, as `{name}`. Where fields become readings, `{field}` is the field's name; without it, the template goes before the name. Default: the field's name, or `{metric}` of the topic for a bare value.",
    ),
  value: template
    .optional()
    .describe("The field that holds the value, or a template. Left out: every field is a reading."),
  timestamp: z
    .union([z.literal("received"), timestampFields])
    .prefault({})
    .describe(
      "The time of the observation. Default: the field `ts`, `timestamp` or `time`, else the time of receipt. `received`: always the time of receipt.",
    ),
  interval: durationField("1us", "1d")
    .optional()
    .describe(
      "Time between the samples of an array that have no time of their own. They start at the time of the object around them, or else end at the time of receipt.",
    ),
  metrics: patterns
    .default("*")
    .describe(
      "Which fields become readings: names or patterns. `*` is any text, `?` one character, `{a,b}` either, `!` in front inverts.",
    ),
  drop: z
    .array(metricPattern)
    .default([])
    .describe("Which fields do not become readings, of those that `metrics` selects."),
  rename: z
    .record(renamePattern, fixedName)
    .default({})
    .describe(
      'New names of metrics by old ones. One `*` may stand for any text, on both sides: `{ "SI7021.*": "*" }`.',
    ),
  prefix: z.string().max(NAME_BYTES_LIMIT).default("").describe("Goes before the name of every metric."),
  convert: z
    .record(metricPattern, conversion)
    .default({})
    .describe("What happens to values, by metric or pattern. All that match apply; a later one wins."),
  coerce: z
    .union([z.enum(["auto", "off"]), numbers])
    .default("auto")
    .describe(
      'Which texts are numbers. `auto`: plain numbers in quotes. `off`: none. Or how they are written: `{ decimal: ",", units: true }`.',
    ),
  no_value: z
    .array(z.union([z.string(), z.number()]))
    .default([...NO_VALUE_WORDS])
    .describe("Words that mean that there is no value. They are no readings, and no sign of life."),
  compute: z
    .record(fixedName, computation)
    .default({})
    .describe(
      'Further readings in CEL, by metric: `{ power: "item.voltage * item.current" }`. `item` is the part that is read, `payload` the whole. It replaces a field of its name.',
    ),
  tags_from: checkedText((text) =>
    /[{}*]/.test(text) ? `"${text}" is a field's name, nested names joined with a dot` : undefined,
  )
    .optional()
    .describe('A field whose members become tags, as `tags` of `{"tags": {"host": "pump-pc"}}`.'),
  tags: z
    .record(fixedName, template)
    .default({})
    .describe("Tags of every reading of this source: texts, or templates over captures and fields."),
});

export type SourceConfig = z.output<typeof sourceFields>;
