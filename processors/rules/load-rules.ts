import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type FileProblem, parseYaml } from "../../platform/yaml-file.ts";
import { type RuleSpec, ruleFileSchema } from "./rule-spec.ts";

export interface RuleSetFiles {
  readonly specs: readonly RuleSpec[];
  /** Equal versions hold equal rules. */
  readonly version: string;
  readonly problems: readonly FileProblem[];
}

/** All rules of a folder's `*.yaml` files (`*.test.yaml` aside), and every problem in them. */
export async function loadRules(folder: string): Promise<RuleSetFiles> {
  const specs: RuleSpec[] = [];
  const problems: FileProblem[] = [];
  const files: string[] = [];
  const fileOf = new Map<string, string>();
  try {
    for (const file of (await readdir(folder)).sort()) {
      if (/\.ya?ml$/.test(file) && !/\.test\.ya?ml$/.test(file)) files.push(join(folder, file));
    }
  } catch (error) {
    problems.push({ ...nowhere(folder), message: `the rules folder cannot be read: ${reason(error)}` });
  }
  for (const file of files) {
    let source: string;
    try {
      source = await readFile(file, "utf8");
    } catch (error) {
      problems.push({ ...nowhere(file), message: `cannot be read: ${reason(error)}` });
      continue;
    }
    const parsed = parseYaml(source, file, ruleFileSchema);
    if (!parsed.ok) {
      problems.push(...parsed.problems);
      continue;
    }
    for (const [i, spec] of parsed.value.rules.entries()) {
      const other = fileOf.get(spec.id);
      if (other === undefined) specs.push(spec);
      else {
        const position = parsed.positionOf(["rules", i, "id"]);
        problems.push({ file, ...position, message: `a rule "${spec.id}" stands already in ${other}` });
      }
      fileOf.set(spec.id, file);
    }
  }
  return { specs, version: versionOf(specs), problems };
}

export function versionOf(specs: readonly RuleSpec[]): string {
  return createHash("sha256").update(JSON.stringify(specs)).digest("hex").slice(0, 16);
}

function nowhere(file: string): Omit<FileProblem, "message"> {
  return { file, line: 1, column: 1, text: "" };
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
