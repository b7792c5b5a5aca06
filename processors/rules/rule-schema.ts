import { FIELD_EXAMPLES } from "./rule-examples.ts";
import { type FieldSchema, kindOf, plainFileSchema } from "./rule-fields.ts";

const DURATION_PATTERN = "^(\\d+(\\.\\d+)?(us|ms|s|m|h|d|w))+$";
const NUMBER = "[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?";
const CONDITION_PATTERN =
  `^\\s*((>=|<=|==|!=|>|<)\\s*${NUMBER}|([bB]etween|BETWEEN|[oO]utside|OUTSIDE)\\s+${NUMBER}\\s+[aA][nN][dD]\\s+${NUMBER}` +
  `|(==|!=)\\s*("[^"]*"|'[^']*'|[A-Za-z_][\\w .-]*))\\s*$`;
export const PLAIN_AGGREGATES = [
  ...["count", "sum", "avg", "min", "max", "range", "first", "last", "delta", "rate", "stddev", "variance", "median"],
  "distinct",
];
const AGGREGATE = {
  anyOf: [
    { enum: [...PLAIN_AGGREGATES, "p50", "p90", "p95", "p99"] },
    { type: "string", pattern: "^(p\\d{1,2}(\\.\\d{1,3})?|count_if\\(.+\\)|duration\\(.+\\))$" },
  ],
};

type Json = Readonly<Record<string, unknown>>;

/** What an editor needs to complete rule files, explain their fields and check them: a JSON Schema of draft 7. */
export function ruleFileJsonSchema(): Json {
  const plain = plainFileSchema();
  const rule = plain.properties?.rules?.items ?? {};
  const properties = mapFields(rule.properties ?? {}, []);
  return {
    ...plain,
    title: "Weir rule file",
    properties: {
      rules: {
        ...plain.properties?.rules,
        items: {
          ...rule,
          description: "One rule: which readings, over which windows, and when it alerts.",
          properties,
          oneOf: [
            { required: ["window"], not: { required: ["absent"] } },
            { required: ["absent"], not: { required: ["window"] } },
          ],
        },
      },
    },
  };
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
  if (name === "window") {
    const { hopping, every, ...others } = field.properties ?? {};
    const oneKind = ["tumbling", "sliding", "session", "count"].map((kind) => ({ required: [kind] }));
    const properties = mapFields({ ...others, ...(hopping && { hopping }), ...(every && { every }) }, path);
    return { ...field, properties, oneOf: [...oneKind, { required: ["hopping", "every"] }], ...examples };
  }
  const pattern = {
    duration: DURATION_PATTERN,
    condition: CONDITION_PATTERN,
    id: undefined,
    aggregate: undefined,
    other: undefined,
  }[kindOf(name)];
  return { ...field, ...(pattern === undefined ? {} : { pattern }), ...examples };
}
