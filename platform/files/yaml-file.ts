import type { z } from "zod";
import { openYaml } from "./yaml-source.ts";

/** Something wrong in a file: where, what, and the text in question. */
export interface FileProblem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly text: string;
}

export type FileResult<T> =
  | { readonly ok: true; readonly value: T; readonly positionOf: (path: Path) => Position }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

type Path = readonly PropertyKey[];
interface Position {
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** Parses YAML and checks it against a schema; tells every problem at once, each with its place. */
export function parseYaml<T>(source: string, file: string, schema: z.ZodType<T>): FileResult<T> {
  const yaml = openYaml(source);
  if (yaml.faults.length > 0) {
    const problems = yaml.faults.map(({ message, place }) => {
      const { line, column, text } = place;
      return { file, line, column, message: `not YAML: ${message}`, text };
    });
    return { ok: false, problems };
  }
  const checked = schema.safeParse(yaml.value);
  if (checked.success) return { ok: true, value: checked.data, positionOf: (path) => yaml.placeOf(path) };
  const problems = flatten(checked.error.issues).map(({ path, message }) => {
    const { line, column, text } = yaml.placeOf(path);
    const name = path.map(String).join(".");
    return { file, line, column, message: name === "" ? message : `${name}: ${message}`, text };
  });
  return { ok: false, problems };
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
export class BadFileError extends Error {
  override readonly name = "BadFileError";
  readonly problems: readonly FileProblem[];

  constructor(problems: readonly FileProblem[]) {
    super(formatProblems(problems));
    this.problems = problems;
  }
}

interface Issue {
  readonly path: Path;
  readonly message: string;
}

function flatten(issues: readonly z.core.$ZodIssue[]): Issue[] {
  return issues.flatMap((issue): Issue[] => {
    if (issue.code !== "unrecognized_keys") return [{ path: issue.path, message: issue.message }];
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: "unknown key; is it misspelt?" }));
  });
}
