/** The parts of `docs/rules.md` that do not come from a table. Lines have at most 120 characters. */

export const INTRODUCTION = `<!-- Made by \`weir rules docs\`. Change the definitions in rule-language/, then run it again. -->
# Rules

A rule says which readings to combine, over which windows, and when to alert. This page is the reference of the rule files;
\`weir rules check\` explains mistakes in them.

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

The first line gives editors with a YAML language server (VS Code, IntelliJ, Neovim, Helix...) completion, help on each
field, and marks under mistakes. \`weir rules schema\` prints that JSON Schema.

The YAML files of a folder (\`rules/\`, or \`--rules-dir\`) together are the rule set. Hidden files and files with other
extensions are ignored. [windows.md](windows.md) defines the results, to the microsecond;
[testing-rules.md](testing-rules.md) describes tests for rules.

Weir reads the files again when they change. An edit takes effect once the files have not changed for a quarter of a
second, or for a full second if a rule was removed. If a file has errors, the previous rules stay in force, even after a
restart. The log reports the errors, and later that they are fixed. The same applies if the folder is missing or has lost
all its files. To run without rules, keep a file with \`rules: []\`. A gateway refuses to start only if no rules were
in force before.
`;

export const DEFAULTS = `### Defaults

\`defaults:\` at the top of a file sets fields for all rules of that file: any field except \`id\`.

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

A rule takes each field that it does not set from the defaults. Its own value replaces the default; \`where\`, \`labels\` and
\`annotations\` are merged name by name, and the rule's value wins. A rule ignores defaults that do not apply to it: one with
\`absent\` ignores \`window\`, \`let\`, \`aggregate\`, \`fill\`, \`when\`, \`clear\`, \`for\`, \`keep_firing_for\`, \`lateness\` and \`late\`;
one with a \`window\` ignores \`absent\` and \`let\`; one with \`let\` ignores \`absent\`, \`aggregate\` and \`fill\`; and one without
\`when\` ignores \`clear\`. A rule without \`window\`, \`absent\` and \`let\` takes them from the defaults. A rule cannot remove a
default: put such a rule into another file.
`;

export const LANGUAGE = `### Durations

A number and a unit, or several in a row: \`us\`, \`ms\`, \`s\`, \`m\`, \`h\`, \`d\`, \`w\`. \`90s\`, \`1h30m\`, \`1.5d\`.

### Conditions

| Condition | Holds |
| --- | --- |
| \`> 8\`, \`>= 8\`, \`< 8\`, \`<= 8\`, \`== 8\`, \`!= 8\` | as written |
| \`between 2 and 8\` | from 2 to 8, both included |
| \`outside 2 and 8\` | below 2 and above 8 |
| \`== open\`, \`!= "not open"\` | for texts (\`aggregate: last\`), and for \`true\` and \`false\` |

Put conditions in quotes, because a bare \`>\` has a different meaning in YAML.

### Several series

With \`let\`, a condition combines several series of one group by name: \`"current > 12 && flow < 0.5"\`. It is written in
[CEL](https://cel.dev): \`&&\`, \`||\`, \`!\`, \`( )\`, \`+ - * /\`, \`? :\`, \`in\`, \`abs\`, \`floor\`, \`ceil\`, \`round\`, \`sqrt\`, \`min\`,
\`max\`; texts need quotes. A name has \`metric\` or \`where\`, and may have its own \`window\` (tumbling or hopping), \`aggregate\`
and \`fill\`. The series are compared where windows end ([exactly](windows.md#several-series-in-one-condition)). The alert's
value is that of the first name; annotations can use all names.
`;

export const LABELS = `### Labels

\`device\`, \`metric\`, and the tags from the topic (with the default topics, \`site\`). In \`where\`, \`*\` matches any text and \`?\`
any character. A pattern that begins with \`!\` excludes (\`"!cold-9"\`, in quotes: a bare \`!\` has another meaning in YAML). A
label must match one of the patterns without \`!\`, if there are any, and none of those with it. A series without the label
matches only where all patterns have a \`!\`; so \`"!*"\` matches series without the label. No other character is special.
`;

export const TEMPLATES = `### Texts

In \`annotations\`, \`{{ name }}\` is filled in; \`{{ name | helper }}\` formats the value first. Several helpers can follow.

| Name | Value |
| --- | --- |
| \`value\` | the value that the condition compares; for \`absent\`, the silence in seconds |
| \`device\`, \`site\`... | labels of the group (\`group_by\`) and of the rule (\`labels\`); they come before all names below |
| \`max\`, \`flow\`... | the rule's other aggregates; with \`let\`, its names |
| \`rule\`, \`severity\`, \`state\` | the rule's id; its severity; \`pending\`, \`firing\`, \`resolved\` or \`inactive\` |
| \`condition\` | the condition: \`> 8\` |
| \`at\`, \`active_at\` | the instant of the change, and the instant at which the condition began to hold |
| \`for\` | the seconds between these two |

| Helper | Result |
| --- | --- |
| \`fixed 1\` | 21.349 as \`21.3\`; exactly this many decimals, 15 at most |
| \`round 2\` | 21.349 as \`21.35\`, 21.5 as \`21.5\`; without a number, no decimals |
| \`percent 1\` | 0.123 as \`12.3 %\`; without a number, no decimals |
| \`si\` | 12300 as \`12.3k\`, 0.002 as \`2m\` |
| \`duration\` | 3900 (seconds) as \`1h 5m\` |
| \`time "Europe/Berlin"\`, \`date "Europe/Berlin"\` | the local time of an instant as \`11:51:03\`, or its date as \`2026-11-22\`; in UTC by default |
| \`upper\`, \`lower\` | upper-case, lower-case letters |
| \`default "none"\` | this text if the label or the value is missing |

Without a helper, a number has at most four significant digits (seven from 1000 on), and an instant is ISO 8601 in UTC.
Helpers for numbers leave texts unchanged. Texts and zones need quotes of either kind; inside YAML's double quotes, use
single ones. An unknown name stays as written.
`;

export const CHECKING = `## Checking

\`weir rules check [file or folder...]\` reports every error at once, with its place, its line and how to fix it. It also
warns about rules that are legal but surely mistakes. It exits with 0 if there are no errors, with 1 on errors (with
\`--strict\`, also on warnings), and with 2 on a usage error. \`--format json\` and \`--format sarif\` are for editors and code hosts.

A comment silences a warning for its rule, inside the rule or right above it; above \`rules:\`, for the whole file:

\`\`\`yaml
# weir-ignore: W003  one more minute does no harm here
\`\`\`

With \`--devices <file or address>\`, the check compares labels with the known sensors and reports rules that match none. If
a gateway runs in this folder, the check also asks it, but then reports only near misses of the names that it knows, and labels
that none of its sensors has.
`;
