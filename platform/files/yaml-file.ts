import type { z } from "zod";
import { UserError } from "../../domain/user-error.ts";
import { type FaultText, type Path, pathFits, textOf } from "./fault.ts";
import { jsonSchemaOf } from "./known-keys.ts";
import { openLenient } from "./lenient-yaml.ts";
import { schemaFaults } from "./schema-faults.ts";
import { SCHEMA_TEXTS } from "./schema-texts.ts";
import { maskedLine, secretKeys } from "./secrets.ts";
import type { Place } from "./yaml-source.ts";
import { YAML_TEXTS } from "./yaml-texts.ts";

/** Something wrong in a file: where, what, and the line in question. */
export interface FileProblem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** What is wrong and, after a semicolon, how to fix it. */
  readonly message: string;
  readonly text: string;
}

export type FileResult<T> =
  | { readonly ok: true; readonly value: T; readonly positionOf: (path: Path) => Place }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

export interface ParseOptions {
  /**
   * Keys of older versions, by path: `{ "broker.usersFile": "broker.users_file" }`. The error for such a key names the
   * new one. A value with a space in it is a sentence that says what to do: `{ "feed.theme": "remove it: the page
   * follows the system" }`. `*` stands for any one step: `"notifier.receivers.*.targetUrl"`.
   */
  readonly renamed?: Readonly<Record<string, string>>;
  /**
   * Paths of passwords and tokens, with `*` as above. No problem shows such a value, nor the rest of a line after
   * such a key, even if it is misspelt.
   */
  readonly secrets?: readonly string[];
  /** Names that other tools use for a key: `{ timezone: "zone" }`. */
  readonly synonyms?: Readonly<Record<string, string>>;
}

/**
 * Parses YAML and checks it against a schema. Reports every problem at once, in the order of the file, each with its
 * place, its line, and how to fix it. A schema's own checks say how to fix what they find in `params: { help }`.
 */
export function parseYaml<T>(
  source: string,
  file: string,
  schema: z.ZodType<T>,
  options: ParseOptions = {},
): FileResult<T> {
  const { yaml, faults } = openLenient(source);
  const secrets = secretKeys(options.secrets ?? []);
  const checked = yaml.value === undefined ? undefined : schema.safeParse(yaml.value);
  if (faults.length === 0 && checked?.success)
    return { ok: true, value: checked.data, positionOf: (path) => yaml.placeOf(path) };
  const issues = checked?.success === false ? checked.error.issues : [];
  const bySchema =
    issues.length === 0 ? [] : schemaFaults(issues, { ...options, root: yaml.value, schema: jsonSchemaOf(schema) });
  const isSecret = (path: Path) => (options.secrets ?? []).some((pattern) => pathFits(path, pattern));
  const problems = [
    ...faults.map((fault) => ({ place: fault.place, said: textOf(YAML_TEXTS, fault) })),
    ...bySchema.map((fault) => {
      const place = yaml.placeOf(fault.at, fault.part);
      const text = isSecret(fault.at) && maskedLine(place.text, secrets) === place.text ? "" : place.text;
      return { place: { ...place, text }, said: textOf(SCHEMA_TEXTS, fault) };
    }),
  ];
  problems.sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column);
  return { ok: false, problems: problems.map(({ place, said }) => fileProblem(file, place, said, secrets)) };
}

function fileProblem(file: string, place: Place, said: FaultText, secrets: ReadonlySet<string>): FileProblem {
  const { line, column, text } = place;
  const shown = maskedLine(text, secrets);
  // A message about YAML may quote the line.
  const help = shown !== text && shown !== "" ? maskedLine(said.help, secrets) : said.help;
  return { file, line, column, message: messageOf({ ...said, help }), text: shown };
}

/** The message and its help in one line. */
export function messageOf({ message, help }: FaultText): string {
  return help === "" ? message : `${message}; ${help}`;
}

/** One problem a line, as compilers write them: `file:line:column: message`. */
export function formatProblems(problems: readonly FileProblem[]): string {
  return problems
    .map(
      ({ file, line, column, message, text }) =>
        `${file}:${line}:${column}: ${message}${text && `\n    ${text.trim()}`}`,
    )
    .join("\n");
}

/** A configuration that cannot be used. The message holds all problems. */
export class BadFileError extends UserError {
  override readonly name = "BadFileError";
  readonly problems: readonly FileProblem[];

  constructor(problems: readonly FileProblem[]) {
    super(formatProblems(problems));
    this.problems = problems;
  }
}
