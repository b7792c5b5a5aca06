import { ERROR_KINDS } from "./problem.ts";
import { FIELD_EXAMPLES, RECIPES } from "./rule-examples.ts";
import { type FieldSchema, kindOf, plainFileSchema } from "./rule-fields.ts";
import { WARNING_KINDS } from "./warning-kinds.ts";

/** `docs/rules.md`: all of it comes from the definition of rules, so it cannot lag behind. */
export function ruleReference(): string {
  const rule = plainFileSchema().properties?.rules?.items ?? {};
  const fields = rule.properties ?? {};
  return [
    INTRODUCTION,
    "## Fields\n",
    table(
      ["Field", "Takes", "Default", "What it says"],
      Object.entries(fields).map(([name, field]) => row(name, field)),
    ),
    "### Windows\n",
    table(
      ["`window:`", "Takes", "Default", "What it says"],
      Object.entries(fields.window?.properties ?? {}).map(([name, field]) => row(name, field)),
    ),
    "### Examples\n",
    examples(Object.keys(FIELD_EXAMPLES)),
    LANGUAGE,
    "## Recipes\n",
    ...RECIPES.map(({ title, text, yaml }) => `### ${title}\n\n${text}\n\n\`\`\`yaml\n${yaml}\`\`\`\n`),
    CHECKING,
    "### Errors\n",
    table(
      ["Code", "What", "Meaning"],
      ERROR_KINDS.map(({ code, title, text }) => [code, title, text]),
    ),
    "### Warnings\n",
    ...WARNING_KINDS.map(
      ({ code, title, text, bad, good }) =>
        `#### ${code}: ${title}\n\n${text}\n\n\`\`\`yaml\n# warns\n${bad}\n\n# better\n${good}\n\`\`\`\n`,
    ),
  ].join("\n");
}

function row(name: string, field: FieldSchema): string[] {
  const standard = field.default === undefined ? "" : `\`${JSON.stringify(field.default)}\``;
  return [`\`${name}\``, typeName(name, field), name === "id" ? "must be given" : standard, field.description ?? ""];
}

function typeName(name: string, field: FieldSchema): string {
  const kind = kindOf(name);
  if (kind === "aggregate") return "aggregate, or a list of them";
  if (kind !== "other") return kind;
  if (field.enum) return field.enum.map((word) => `\`${word}\``).join(", ");
  if (field.type === "array") return "list of names";
  if (field.type === "integer") return "whole number";
  if (name === "where") return "label: value, list or glob";
  if (name === "window") return "one of those below";
  return "name: text";
}

/** Shown with another field, as they mean nothing without it. */
const TOGETHER: Readonly<Record<string, Readonly<Record<string, string>>>> = { "window.hopping": { every: "30s" } };
const SHOWN_ELSEWHERE = new Set(["window", "window.every"]);

function examples(paths: readonly string[]): string {
  const rows = paths
    .filter((path) => !SHOWN_ELSEWHERE.has(path))
    .flatMap((path) =>
      (FIELD_EXAMPLES[path] ?? []).map(({ value, meaning }) => {
        const [field = path, inner] = path.split(".");
        const shown = inner === undefined ? value : { [inner]: value, ...TOGETHER[path] };
        return [`\`${field}: ${flow(shown)}\``, meaning];
      }),
    );
  return table(["Example", "What it says"], rows);
}

/** A value on one line, as people write it: quotes only where YAML, or its readers, would stumble. */
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

const INTRODUCTION = `<!-- Made by \`weir rules docs\`. Change the definitions in processors/rules/, then run it again. -->
# Rules

Rules stand in YAML files of a folder (\`rules/\`, or \`--rules-dir\`). A file holds a list; all files together are the rule set. They are
read again when they change. What is computed, to the microsecond, stands in [windows.md](windows.md); how to
test rules before they are live, in [testing-rules.md](testing-rules.md).

\`\`\`yaml
# yaml-language-server: $schema=../docs/weir-rules.schema.json
rules:
  - id: cold-room-warm
    where: { metric: temperature, device: "cold-*" }
    window: { tumbling: 1m }
    aggregate: avg
    when: "> 8"
    clear: "< 7.5"
    for: 10m
    severity: critical
    annotations: { summary: "{{ device }} at {{ value }} °C" }
\`\`\`

The first line gives editors with a YAML language server (VS Code, IntelliJ, Neovim, Helix...) completion, help on each field, and red
lines under mistakes. \`weir rules schema\` prints that JSON Schema.
`;

const LANGUAGE = `### Durations

A number and a unit, several in a row if need be: \`us\`, \`ms\`, \`s\`, \`m\`, \`h\`, \`d\`, \`w\`. \`90s\`, \`1h30m\`, \`1.5d\`.

### Conditions

| Condition | Holds |
| --- | --- |
| \`> 8\`, \`>= 8\`, \`< 8\`, \`<= 8\`, \`== 8\`, \`!= 8\` | as it says |
| \`between 2 and 8\` | from 2 to 8, both included |
| \`outside 2 and 8\` | below 2 and above 8 |
| \`== open\`, \`!= "not open"\` | for texts (\`aggregate: last\`), and for \`true\` and \`false\` |

Write them in quotes: a bare \`>\` means something else in YAML.

### Aggregates

\`count\`, \`sum\`, \`avg\`, \`min\`, \`max\`, \`range\`, \`first\`, \`last\`, \`delta\`, \`rate\` (per second), \`stddev\`, \`variance\`, \`median\`, quantiles
(\`p95\`, \`p99.9\`), \`distinct\`, \`count_if(> 5)\`, \`duration(open)\` (seconds). Each is defined in [windows.md](windows.md#aggregates).

### Labels

\`device\`, \`metric\`, and the tags that the topic gives (\`site\`, with the default topics). In \`where\`, \`*\` stands for any text and \`?\`
for any character; nothing else is special.
`;

const CHECKING = `## Checking

\`weir rules check [file or folder...]\` tells every error at once, with the place, the line and how to mend it, and warns of what is
legal and surely not meant. It exits with 0 when all is well, 1 when there are errors (with \`--strict\`, warnings too), and 2 when it was called
wrongly. \`--format json\` and \`--format sarif\` are for editors and code hosts.

A comment silences a warning for its rule, from within the rule or right above it; above \`rules:\`, for the whole file:

\`\`\`yaml
# weir-ignore: W003  a minute more does no harm here
\`\`\`

With \`--devices <file or address>\`, labels are compared with the sensors there are, and rules for none of them are told. A gateway that
runs in this folder is asked in any case; then only names are told that are nearly those of sensors it has.
`;
