import { AGGREGATE_DEFINITIONS } from "../aggregates/aggregate.ts";
import { type Field, type Fields, fieldIn } from "../fields/field.ts";
import { ERRORS, type ProblemKind } from "../files/errors.ts";
import { WARNINGS } from "../lint/warning-kinds.ts";
import { ALL_RULE_FIELDS } from "../spec/rule-fields.ts";
import { RECIPES } from "./recipes.ts";
import * as texts from "./reference-texts.ts";

/** Generates `docs/rules.md` from the tables of the rule language, so that it cannot become outdated. */
export function ruleReference(): string {
  const parts = [
    texts.INTRODUCTION,
    "## Fields\n",
    fieldTable("Field", ALL_RULE_FIELDS),
    ...[
      { heading: "Windows", path: ["window"] },
      { heading: "Names of `let`", path: ["let"] },
      { heading: "Active time", path: ["active"] },
      { heading: "Flapping", path: ["flapping"] },
    ].flatMap(({ heading, path }) => {
      const { fields = {} } = fieldIn(ALL_RULE_FIELDS, path) ?? {};
      return [`### ${heading}\n`, fieldTable(`\`${path.join(".")}:\``, fields)];
    }),
    "### Examples\n",
    table(["Example", "Meaning"], [...exampleRows(ALL_RULE_FIELDS)]),
    texts.DEFAULTS,
    texts.LANGUAGE,
    "### Aggregates\n\nEach is computed over the window's readings `(t, v)` in event-time order. A condition uses the first.\n",
    table(
      ["Aggregate", "Value", "Takes texts"],
      AGGREGATE_DEFINITIONS.map(({ names, forms = names, doc, takesTexts }) => [
        forms.map((form) => `\`${form}\``).join(", "),
        doc,
        takesTexts === undefined ? "" : takesTexts === true ? "yes" : "if it compares with a text",
      ]),
    ),
    texts.LABELS,
    texts.TEMPLATES,
    "## Recipes\n",
    ...RECIPES.map(({ title, text, yaml }) => `### ${title}\n\n${text}\n\n\`\`\`yaml\n${yaml}\`\`\`\n`),
    texts.CHECKING,
    "### Errors\n",
    ...kinds(ERRORS, "# error"),
    "### Warnings\n",
    ...kinds(WARNINGS, "# warns"),
  ];
  return wrapped(parts.join("\n"));
}

const LINE_MAX = 120;

/** Wraps paragraphs. Leaves code, tables, headings and comments as they are. */
function wrapped(text: string): string {
  let isCode = false;
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("```")) isCode = !isCode;
    const before = lines.at(-1) ?? "";
    if (isCode || isFixed(line) || isFixed(before)) lines.push(line);
    else lines[lines.length - 1] = `${before} ${line}`;
  }
  isCode = false;
  return lines
    .flatMap((line) => {
      if (line.startsWith("```")) isCode = !isCode;
      return isCode || isFixed(line) ? line : filled(line);
    })
    .join("\n");
}

function isFixed(line: string): boolean {
  return line === "" || /^(?:```|\||#|<!--)/.test(line);
}

function filled(paragraph: string): string[] {
  const lines = [""];
  for (const word of paragraph.split(" ")) {
    const last = lines.at(-1) ?? "";
    if (last !== "" && last.length + 1 + word.length > LINE_MAX) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines;
}

function kinds(table: Readonly<Record<string, ProblemKind>>, comment: string): string[] {
  return Object.entries(table).map(
    ([code, { title, text, bad, good }]) =>
      `#### ${code}: ${title}\n\n${text}\n\n\`\`\`yaml\n${comment}\n${bad}\n\n# better\n${good}\n\`\`\`\n`,
  );
}

function fieldTable(heading: string, fields: Fields): string {
  const rows = Object.entries(fields).map(([name, field]) => [
    `\`${name}\``,
    field.takes,
    defaultOf(name, field),
    field.doc,
  ]);
  return table([heading, "Takes", "Default", "Meaning"], rows);
}

function defaultOf(name: string, { schema }: Field): string {
  if (name === "id") return "required";
  const standard = schema.toJSONSchema({ io: "input", unrepresentable: "any" }).default;
  return standard === undefined ? "" : `\`${JSON.stringify(standard)}\``;
}

/** Examples are shown inside their map, together with the fields that they need. */
const TOGETHER: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  hopping: { every: "30s" },
  step: { count: "5" },
};
const BELOW: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  zone: { calendar: "day" },
  offset: { calendar: "day" },
  starts: { calendar: "week" },
};
const SHOWN_ELSEWHERE = new Set(["every"]);

function* exampleRows(fields: Fields, above?: string): Iterable<string[]> {
  for (const [name, field] of Object.entries(fields)) {
    const inner = field.fields === undefined || field.hasNames ? [] : [...exampleRows(field.fields, name)];
    // The examples of the window kinds say more than one example of `window`.
    const own = above === undefined && name === "window" ? [] : (field.examples ?? []);
    for (const { value, meaning } of SHOWN_ELSEWHERE.has(name) ? [] : own) {
      const shown = above === undefined ? value : { ...BELOW[name], [name]: value, ...TOGETHER[name] };
      yield [`\`${above ?? name}: ${flow(shown)}\``, meaning];
    }
    yield* inner;
  }
}

/** A value on one line, as people write it. Uses quotes only where YAML or its readers need them. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const pairs = Object.entries(value).map(([key, inner]) => `${key}: ${flow(inner)}`);
    return pairs.length === 0 ? "{}" : `{ ${pairs.join(", ")} }`;
  }
  return typeof value === "string" && !/^[\w.-]+$/.test(value) ? JSON.stringify(value) : String(value);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows].map(
    (cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`,
  );
  return `${lines.join("\n")}\n`;
}
