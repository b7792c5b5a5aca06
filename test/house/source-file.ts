import { posix } from "node:path";
import { type ParseResult, parseSync } from "oxc-parser";

/** A TypeScript file of the repository, parsed. `path` is relative to the root, with forward slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly parsed: ParseResult;
}

/** A fault in a file, for people. `line` starts at 1. */
export interface Fault {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

export function sourceFile(path: string, text: string): SourceFile {
  return { path, text, parsed: parseSync(path, text) };
}

export function lineOf({ text }: SourceFile, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}

export function formatFaults(faults: readonly Fault[]): string[] {
  return faults.map(({ path, line, message }) => `${path}:${line}: ${message}`);
}

/** One import, type import, re-export or dynamic import. */
export interface Import {
  readonly from: SourceFile;
  readonly line: number;
  /** As written: `../domain/time.ts`, `node:fs`, `zod`. */
  readonly specifier: string;
  /** The imported file's path for a relative specifier. */
  readonly target: string | undefined;
}

/** All imports of a file, type imports and `import("...")` types included. */
export function importsOf(file: SourceFile): Import[] {
  const { module, program } = file.parsed;
  const found: { specifier: string; start: number }[] = [];
  for (const { moduleRequest } of module.staticImports) {
    found.push({ specifier: moduleRequest.value, start: moduleRequest.start });
  }
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest } of entries) {
      if (moduleRequest) found.push({ specifier: moduleRequest.value, start: moduleRequest.start });
    }
  }
  for (const { moduleRequest } of module.dynamicImports) {
    const specifier = file.text.slice(moduleRequest.start + 1, moduleRequest.end - 1);
    found.push({ specifier, start: moduleRequest.start });
  }
  visit(program, (node) => {
    if (node.type === "TSImportType" && isNode(node.source) && typeof node.source.value === "string") {
      found.push({ specifier: node.source.value, start: node.start });
    }
  });
  return found.map(({ specifier, start }) => ({
    from: file,
    line: lineOf(file, start),
    specifier,
    target: specifier.startsWith(".") ? posix.join(posix.dirname(file.path), specifier) : undefined,
  }));
}

export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [name: string]: unknown;
}

export function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

/** Calls `enter` for each node of the tree, parents first. */
export function visit(root: unknown, enter: (node: Node) => void): void {
  const waiting: unknown[] = [root];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (Array.isArray(next)) waiting.push(...next);
    else if (isNode(next)) {
      enter(next);
      waiting.push(...Object.values(next));
    }
  }
}
