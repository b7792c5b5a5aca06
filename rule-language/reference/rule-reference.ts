import { ERROR_KINDS } from "../files/problem.ts";
import { WARNING_KINDS } from "../lint/warning-kinds.ts";
import { type FieldSchema, kindOf, plainFileSchema } from "../spec/rule-fields.ts";
import { FIELD_EXAMPLES, RECIPES } from "./rule-examples.ts";

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
    "### Active time\n",
    table(
      ["`active:`", "Takes", "Default", "What it says"],
      Object.entries(fields.active?.anyOf?.[0]?.properties ?? {}).map(([name, field]) => row(name, field)),
    ),
    "### Flapping\n",
    table(
      ["`flapping:`", "Takes", "Default", "What it says"],
      Object.entries(fields.flapping?.properties ?? {}).map(([name, field]) => row(name, field)),
    ),
    "### Examples\n",
    examples(Object.keys(FIELD_EXAMPLES)),
    DEFAULTS,
    LANGUAGE,
    TEXTS,
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
  const inner = Object.keys(field.items?.properties ?? {});
  if (inner.length > 0) return `list of { ${inner.join(", ")} }`;
  if (["days", "hours", "except"].includes(name)) return "list of texts";
  if (field.type === "array") return "list of names";
  if (field.type === "integer") return "whole number";
  if (name === "where") return "label: value, list or glob";
  if (name === "window") return "one of those below";
  if (name === "flapping") return "both of those below";
  if (name === "active") return "what stands below, or a list of it";
  if (name === "zone") return "name of a time zone";
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

const INTRODUCTION = `<!-- Made by \`weir rules docs\`. Change the definitions in rule-language/, then run it again. -->
# Rules

Rules stand in YAML files of a folder (\`rules/\`, or \`--rules-dir\`). A file holds a list; all files together are the rule set. They are
read again when they change, however they are written or replaced. What is computed, to the microsecond, stands in
[windows.md](windows.md); how to test rules before they are live, in [testing-rules.md](testing-rules.md).

An edit takes effect once the files have held still for a quarter of a second, or for a second when a rule is gone. Files with
errors change nothing: the rules before stay in force, also over a restart; the log says what is wrong, and later that the files are
in order again. So it is with a folder that is away or has lost all its files; to go on without any rule, leave a file with
\`rules: []\`. Only where no rules were in force before does a gateway not start. Hidden files and those with other endings are passed
over.

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

const DEFAULTS = `### Defaults

\`defaults:\` at the top of a file holds fields for all rules of that file: any but \`id\`.

\`\`\`yaml
defaults:
  where: { site: plant-1 }
  window: { tumbling: 1m }
  severity: critical
  labels: { team: facilities }
rules:
  - id: cold-room-warm
    where: { metric: temperature, device: "cold-*" }
    when: "> 8"
  - id: gate-open
    where: { metric: gate }
    window: { tumbling: 10s }
    aggregate: last
    when: "== open"
    labels: { team: yard }
\`\`\`

A rule has each field that it does not say from there. What it says itself stands in place of the default; \`where\`, \`labels\` and
\`annotations\` are put together name by name, and the rule's wins. A rule takes no default that means nothing to it: with
\`absent\` none of \`window\`, \`let\`, \`aggregate\`, \`fill\`, \`when\`, \`clear\`, \`for\`, \`keep_firing_for\`, \`lateness\` and \`late\`; with a \`window\`, neither \`absent\` nor
\`let\`; with \`let\`, none of \`absent\`, \`aggregate\` and \`fill\`; and without \`when\`, no \`clear\`. A rule that says neither \`window\`, \`absent\` nor \`let\`
is about what the defaults say. There is no way to take a default away: such a rule belongs into another file.
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

### Several series

With \`let\` a condition looks at several series of one group, each under a name: \`"current > 12 && flow < 0.5"\`. It is written in
[CEL](https://cel.dev): \`&&\`, \`||\`, \`!\`, \`( )\`, \`+ - * /\`, \`? :\`, \`in\`, \`abs\`, \`floor\`, \`ceil\`, \`round\`, \`sqrt\`, \`min\`, \`max\`; texts stand in quotes. A
name has \`metric\` or \`where\`, and may have its own \`window\` (tumbling or hopping), \`aggregate\` and \`fill\`; they are compared where windows end
([exactly](windows.md#several-series-in-one-condition)). The alert's value is that of the first name; annotations know all names.

### Aggregates

\`count\`, \`sum\`, \`avg\`, \`min\`, \`max\`, \`range\`, \`first\`, \`last\`, \`delta\`, \`delta_percent\`, \`rate\` (per second), \`rate(1m)\` (per minute), \`stddev\`, \`variance\`, \`median\`, quantiles
(\`p95\`, \`p99.9\`), \`distinct\`, \`count_if(> 5)\`, \`duration(open)\` (seconds). Each is defined in [windows.md](windows.md#aggregates).

### Labels

\`device\`, \`metric\`, and the tags that the topic gives (\`site\`, with the default topics). In \`where\`, \`*\` stands for any text and \`?\`
for any character. What begins with \`!\` is excluded (\`"!cold-9"\`, in quotes: a bare \`!\` means something else in YAML): a label must fit one of
those without \`!\`, if there are any, and none of those with it. A series without the label fits where there are only such with \`!\`, so
\`"!*"\` takes what has no such label. Nothing else is special.
`;

const TEXTS = `### Texts

In \`annotations\`, \`{{ name }}\` is filled in, and \`{{ name | helper }}\` after a helper has formed it; several helpers follow one another.

| Name | What it is |
| --- | --- |
| \`value\` | the value that the condition looks at; for \`absent\`, the silence in seconds |
| \`device\`, \`site\`... | labels of the group (\`group_by\`) and of the rule (\`labels\`); one of the same name comes before all that follows |
| \`max\`, \`flow\`... | the rule's other aggregates; with \`let\`, its names |
| \`rule\`, \`severity\`, \`state\` | the rule's id; how bad; \`pending\`, \`firing\`, \`resolved\` or \`inactive\` |
| \`condition\` | what was looked at: \`> 8\` |
| \`at\`, \`active_at\` | the instant of the change, and the one at which the condition began to hold |
| \`for\` | the seconds between these two |

| Helper | Makes |
| --- | --- |
| \`fixed 1\` | 21.349 to \`21.3\`; always so many decimals, 15 at most |
| \`round 2\` | 21.349 to \`21.35\`, 21.5 to \`21.5\`; no number: none |
| \`percent 1\` | 0.123 to \`12.3 %\`; no number: none |
| \`si\` | 12300 to \`12.3k\`, 0.002 to \`2m\` |
| \`duration\` | 3900 (seconds) to \`1h 5m\` |
| \`time "Europe/Berlin"\`, \`date "Europe/Berlin"\` | an instant to \`11:51:03\`, to \`2026-11-22\`, there; no zone: UTC |
| \`upper\`, \`lower\` | large, small letters |
| \`default "none"\` | that text where there is no such label, or no value |

Without a helper a number has four significant digits at most (seven from 1000 on), an instant is written as ISO 8601 in UTC. Helpers for numbers leave
texts as they are. Texts and zones stand in quotes of either kind; inside of YAML's double quotes use single ones. A name that is not known
stays as it is written.
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
