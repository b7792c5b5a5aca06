import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import type { z } from "zod";

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
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => {
      const { line, col } = lines.linePos(error.pos[0]);
      return { file, line, column: col, message: `not YAML: ${error.message}`, text: lineOf(source, line) };
    });
    return { ok: false, problems };
  }
  function positionOf(path: Path): Position {
    const node = nodeAt(document.contents, path);
    const { line, col } = lines.linePos(node?.range?.[0] ?? 0);
    return { line, column: col, text: lineOf(source, line) };
  }
  const checked = schema.safeParse(document.toJS() ?? {});
  if (checked.success) return { ok: true, value: checked.data, positionOf };
  const problems = flatten(checked.error.issues).map(({ path, message }) => {
    const { line, column, text } = positionOf(path);
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

/** The node at a path, or the nearest one above it. For a key that is not wanted, the key itself. */
function nodeAt(root: Node | null, path: Path): Node | null {
  let node = root;
  for (const step of path) {
    let next: unknown;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      next = pair?.value ?? pair?.key;
    } else if (isSeq(node)) next = node.items[Number(step)];
    if (!isNode(next)) return node;
    node = next;
  }
  return node;
}

function isNode(value: unknown): value is Node {
  return isMap(value) || isSeq(value) || isScalar(value);
}

function lineOf(source: string, line: number): string {
  return source.split("\n", line)[line - 1] ?? "";
}
