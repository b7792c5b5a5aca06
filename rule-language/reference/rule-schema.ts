import { NUMBER_PATTERN } from "../../domain/number-text.ts";
import { PLAIN_AGGREGATES } from "../aggregates/aggregate.ts";
import { type FieldSchema, kindOf, plainFileSchema } from "../spec/rule-fields.ts";
import { FIELD_EXAMPLES } from "./rule-examples.ts";

const DURATION_PATTERN = "^(\\d+(\\.\\d+)?(us|ms|s|m|h|d|w))+$";
const CONDITION_PATTERN =
  `^\\s*((>=|<=|==|!=|>|<)\\s*${NUMBER_PATTERN}` +
  `|([bB]etween|BETWEEN|[oO]utside|OUTSIDE)\\s+${NUMBER_PATTERN}\\s+[aA][nN][dD]\\s+${NUMBER_PATTERN}` +
  `|(==|!=)\\s*("[^"]*"|'[^']*'|[A-Za-z_]([\\w .-]*[\\w.-])?))\\s*$`;
const AGGREGATE = {
  anyOf: [
    { enum: [...PLAIN_AGGREGATES, "p50", "p90", "p95", "p99"] },
    {
      type: "string",
      pattern:
        "^(p\\d{1,2}(\\.\\d{1,3})?|count_if\\(.+\\)|duration\\(.+\\)|rate\\(\\s*(\\d+(\\.\\d+)?(us|ms|s|m|h|d|w))+\\s*\\))$",
    },
  ],
};

/** Behind a `!` stands what is not wanted. */
const PATTERN_PATTERN = "^(?!!($|[\\s=~!]))";

const DAY = "(mon|tue|wed|thu|fri|sat|sun)";
const DAYS_PATTERN = `^${DAY}(-${DAY})?$`;
const HOURS_PATTERN = "^([01]\\d|2[0-3]):[0-5]\\d-(([01]\\d|2[0-3]):[0-5]\\d|24:00)$";
const DATE_PATTERN = "^(\\d{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$";

/** What a rule is about. */
const SUBJECTS = ["window", "absent", "let"].map((field) => ({ required: [field] }));
const NOT_BOTH = {
  anyOf: [{ required: ["absent", "window"] }, { required: ["absent", "let"] }],
};

type Json = Readonly<Record<string, unknown>>;

/** What an editor needs to complete rule files, explain their fields and check them: a JSON Schema of draft 7. */
export function ruleFileJsonSchema(): Json {
  const plain = plainFileSchema();
  const rule = plain.properties?.rules?.items ?? {};
  const defaults = plain.properties?.defaults ?? {};
  const properties = mapFields(rule.properties ?? {}, []);
  return {
    ...plain,
    title: "Weir rule file",
    properties: {
      defaults: { ...defaults, properties: mapFields(defaults.properties ?? {}, []), not: NOT_BOTH },
      rules: {
        ...plain.properties?.rules,
        items: {
          ...rule,
          description: "One rule: which readings, over which windows, and when it alerts.",
          properties,
          not: NOT_BOTH,
          if: { required: ["let"] },
          // In CEL there: what no pattern can tell, but that it is not a plain one.
          // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
          then: { required: ["when"], properties: conditions({ not: { pattern: CONDITION_PATTERN } }) },
          else: { properties: conditions({ pattern: CONDITION_PATTERN }) },
        },
      },
    },
    if: { required: ["defaults"], properties: { defaults: { anyOf: SUBJECTS } } },
    else: { properties: { rules: { items: { anyOf: SUBJECTS } } } },
  };
}

function conditions(said: Json): Json {
  return { when: said, clear: said };
}

function mapFields(fields: Readonly<Record<string, FieldSchema>>, path: readonly string[]): Json {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, refine(name, field, path)]));
}

function refine(name: string, field: FieldSchema, above: readonly string[]): Json {
  const path = [...above, name];
  const found = FIELD_EXAMPLES[path.join(".")];
  const examples = found === undefined ? {} : { examples: found.map(({ value }) => value) };
  if (name === "aggregate") {
    return { ...field, anyOf: [AGGREGATE, { type: "array", minItems: 1, items: AGGREGATE }], ...examples };
  }
  if (name === "where") {
    const pattern = { type: "string", pattern: PATTERN_PATTERN };
    return {
      ...field,
      additionalProperties: { anyOf: [pattern, { type: "array", minItems: 1, items: pattern }] },
      ...examples,
    };
  }
  if (name === "let" && typeof field.additionalProperties === "object") {
    const series = {
      ...field.additionalProperties,
      properties: mapFields(field.additionalProperties.properties ?? {}, path),
    };
    return {
      ...field,
      minProperties: 1,
      propertyNames: { pattern: "^[A-Za-z_]\\w*$" },
      additionalProperties: series,
      ...examples,
    };
  }
  if (name === "flapping") return { ...field, properties: mapFields(field.properties ?? {}, path), ...examples };
  if (name === "active") {
    const [one = {}, several = {}] = field.anyOf ?? [];
    const { days, hours, except, ...others } = one.properties ?? {};
    const refined = {
      ...one,
      properties: {
        days: { ...days, items: { type: "string", pattern: DAYS_PATTERN } },
        hours: { ...hours, items: { type: "string", pattern: HOURS_PATTERN } },
        ...others,
        except: { ...except, items: { type: "string", pattern: DATE_PATTERN } },
      },
      anyOf: ["days", "hours", "except"].map((key) => ({ required: [key] })),
    };
    return { ...field, anyOf: [refined, { ...several, items: refined }], ...examples };
  }
  if (name === "window") {
    const { hopping, every, ...others } = field.properties ?? {};
    const oneKind = ["tumbling", "sliding", "session", "count"].map((kind) => ({ required: [kind] }));
    const properties = mapFields({ ...others, ...(hopping && { hopping }), ...(every && { every }) }, path);
    return { ...field, properties, oneOf: [...oneKind, { required: ["hopping", "every"] }], ...examples };
  }
  const pattern = {
    duration: DURATION_PATTERN,
    condition: undefined,
    id: undefined,
    aggregate: undefined,
    other: undefined,
  }[kindOf(name)];
  return { ...field, ...(pattern === undefined ? {} : { pattern }), ...examples };
}
