import { CONFIGURATION_EXAMPLES } from "./configuration-examples.ts";
import { pipelineJsonSchema } from "./pipeline-config.ts";
import { SETTINGS } from "./settings.ts";

/** The part of a field's JSON Schema that the page shows. */
interface Field {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Field>>;
  readonly additionalProperties?: Field | boolean;
  readonly items?: Field;
  readonly anyOf?: readonly Field[];
  /** A duration or a size: schemas.ts. */
  readonly "x-weir"?: { readonly kind: string; readonly min: string; readonly max: string };
}

const INTRODUCTION = `# Configuration

<!-- Written by \`weir config docs\`. Change the schemas, not this page. -->

This page is for everyone who runs Weir. It lists every setting of \`weir.yaml\` with its default, its bounds and an
example, and then the flags and environment variables.

Weir needs no configuration: every setting has a default. \`weir init\` writes a small \`weir.yaml\` to start from.
Weir reads \`weir.yaml\` in the folder in which it starts, or the file that \`--config\` names. When the file changes,
\`sources\`, \`clock\`, \`ingest.limits\` and \`ingest.frame\` take effect at once,
all other settings with the next start ([sources](sources.md#changes-take-effect-at-once)).
\`weir doctor\` checks the file and everything that it names.

Editors complete and check the file once they have its schema: \`weir config schema > weir.schema.json\`, and as the
first line of \`weir.yaml\`:

\`\`\`yaml
# yaml-language-server: $schema=weir.schema.json
\`\`\`

## How values are written

- A **duration** is a number with its unit: \`250ms\`, \`10s\`, \`5m\`, \`1h30m\`, \`7d\`, \`2w\`. Units are \`us\`, \`ms\`,
  \`s\`, \`m\`, \`h\`, \`d\` and \`w\`.
- A **size** is a number with a binary unit: \`256B\`, \`64KiB\`, \`64MiB\`, \`2GiB\`, \`1TiB\`.
- A **count** is a plain number. Settings that end in \`_max\` are bounds.
- A **secret** is never in the file. A key that ends in \`_env\` names an environment variable that holds it, a key that
  ends in \`_file\` names a file. Names of variables must not begin with \`WEIR_\`: those are Weir's own settings.
- An address must not hold a user name or a password.

Weir refuses a file with unknown keys or wrong values. It reports every problem at once, with its line and a fix.
`;

const FLAGS = `## Flags and environment variables

What differs from process to process is a flag of \`weir up\`, \`weir run\`, \`weir log\` and \`weir doctor\`, or an
environment variable. A flag wins over a variable, and both win over \`weir.yaml\`.
`;

/** docs/configuration.md. */
export function configurationPage(): string {
  const schema: Field = JSON.parse(JSON.stringify(pipelineJsonSchema()));
  const shown = new Map<string, string>();
  const sections = Object.entries(schema.properties ?? {}).map(([key, field]) => sectionOf(key, field, shown));
  return [INTRODUCTION, ...sections.map((section) => `${section}\n`), `${FLAGS}\n${flagsTable()}`].join("\n");
}

function sectionOf(key: string, field: Field, shown: Map<string, string>): string {
  const example = Object.entries(CONFIGURATION_EXAMPLES).find(([name]) => name === key)?.[1] ?? "";
  const examples = example.split("---\n").map((text) => `\`\`\`yaml\n${text}\`\`\``);
  const top = field.properties === undefined ? table([[key, field, false]]) : "";
  const heading = [`## ${key}`, wrap(field.description ?? ""), ...examples, top];
  return [...heading, ...groupsOf(key, field, shown)].filter((text) => text !== "").join("\n\n");
}

/** The keys of a map, and of the maps in it, each under its own heading. `shown`: the tables so far, with their paths. */
function groupsOf(path: string, field: Field, shown: Map<string, string>): string[] {
  if (field.items !== undefined) return groupsOf(`${path}[]`, field.items, shown);
  if (typeof field.additionalProperties === "object") {
    return groupsOf(`${path}.<name>`, field.additionalProperties, shown);
  }
  if (field.anyOf !== undefined)
    return field.anyOf.flatMap((one, _, { length }) => groupsOf(alternative(path, one, length), one, shown));
  const entries = Object.entries(field.properties ?? {});
  const rows = entries.filter(([, inner]) => inner.properties === undefined);
  const isSection = !/[.[]/.test(path);
  const heading = isSection ? [] : [`### ${path}`, wrap(field.description ?? "")];
  const keys = rows.length === 0 ? "" : table(rows.map(([key, inner]) => [key, inner, isRequired(field, key)]));
  const same = shown.get(keys);
  if (keys !== "" && same === undefined) shown.set(keys, path);
  const own = keys === "" ? [] : [...heading, same === undefined ? keys : `The same keys as \`${same}\`.`];
  return [...own, ...entries.flatMap(([key, inner]) => groupsOf(`${path}.${key}`, inner, shown))];
}

/** The path of one of several kinds of map: which key it has that others do not need. */
function alternative(path: string, { required = [] }: Field, count: number): string {
  const [key] = required;
  return count === 1 || key === undefined ? path : `${path} with ${key}`;
}

function isRequired({ required = [] }: Field, key: string): boolean {
  return required.includes(key);
}

function table(rows: readonly (readonly [key: string, field: Field, required: boolean])[]): string {
  const lines = rows.map(([key, field, required]) => {
    const fallback = required ? "required" : field.default === undefined ? "" : code(field.default);
    return `| \`${key}\` | ${fallback} | ${cell(valuesOf(field))} | ${cell(field.description ?? "")} |`;
  });
  return ["| Key | Default | Values | Meaning |", "|---|---|---|---|", ...lines].join("\n");
}

/** The allowed values of a field, in words. */
function valuesOf(field: Field): string {
  const { anyOf, type, items, additionalProperties, "x-weir": quantity } = field;
  if (quantity !== undefined) return `${quantity.kind}, ${quantity.min} to ${quantity.max}`;
  if (field.const !== undefined) return code(field.const);
  if (field.enum !== undefined) return field.enum.map(code).join(", ");
  if (anyOf !== undefined) return anyOf.map(valuesOf).join(anyOf.every(isConstant) ? ", " : " or ");
  switch (type) {
    case "boolean":
      return "`true` or `false`";
    case "integer":
    case "number":
      return numbersOf(field);
    case "array":
      return items === undefined || items.properties !== undefined ? "list" : `list of ${valuesOf(items)}`;
    case "object":
      return typeof additionalProperties === "object" && additionalProperties.type === "string"
        ? "texts by name"
        : "map";
    default:
      return "text";
  }
}

function isConstant(field: Field): boolean {
  return field.const !== undefined;
}

function numbersOf({ minimum, maximum }: Field): string {
  const max = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (minimum === undefined) return "number";
  return max === undefined ? `number, ${minimum} or more` : `number, ${minimum} to ${max}`;
}

function flagsTable(): string {
  const rows = Object.values(SETTINGS).map(
    ({ flag, variable, argument, description }) =>
      `| \`${flag} <${argument}>\` | \`${variable}\` | ${cell(description)} |`,
  );
  return ["| Flag | Variable | Meaning |", "|---|---|---|", ...rows, ""].join("\n");
}

function code(value: unknown): string {
  return `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

/** Lines that fit a window. */
function wrap(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && `${last} ${word}`.length <= 120) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}
