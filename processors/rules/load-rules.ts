import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { FileProblem } from "../../platform/yaml-file.ts";
import type { RuleProblem } from "./problem.ts";
import { type PlacedRule, type RuleFile, readRuleFile } from "./read-rule-file.ts";
import type { RuleSpec } from "./rule-spec.ts";

export interface RuleSetFiles {
  readonly specs: readonly RuleSpec[];
  /** Equal versions hold equal rules. */
  readonly version: string;
  readonly problems: readonly FileProblem[];
}

/** Rule files as they were read, with every error in them and among them. */
export interface ReadRules {
  readonly files: readonly (RuleFile & { readonly file: string })[];
  readonly problems: readonly RuleProblem[];
}

/** All rules of a folder's `*.yaml` files (`*.test.yaml` aside), and every problem in them. */
export async function loadRules(folder: string): Promise<RuleSetFiles> {
  const { files, problems } = await readRules(folder);
  const taken = new Set<string>();
  const specs: RuleSpec[] = [];
  for (const { spec } of files.flatMap(({ rules }) => rules)) {
    if (spec === undefined || taken.has(spec.id)) continue;
    taken.add(spec.id);
    specs.push(spec);
  }
  return { specs, version: versionOf(specs), problems: problems.map(toFileProblem) };
}

/** Reads a folder's rule files, or a single one. */
export async function readRules(path: string): Promise<ReadRules> {
  const problems: RuleProblem[] = [];
  const files: (RuleFile & { file: string })[] = [];
  for (const file of await listed(path, problems)) {
    let source: string;
    try {
      source = await readFile(file, "utf8");
    } catch (error) {
      problems.push(unreadable(file, `cannot be read: ${reason(error)}`));
      continue;
    }
    files.push({ ...readRuleFile(source, file), file });
  }
  problems.push(...files.flatMap((file) => file.problems));
  problems.push(...idsUsedTwice(files.flatMap(({ rules }) => rules)));
  return { files, problems };
}

async function listed(path: string, problems: RuleProblem[]): Promise<string[]> {
  try {
    const names = (await readdir(path)).sort();
    return names
      .filter((name) => /\.ya?ml$/.test(name) && !/\.test\.ya?ml$/.test(name))
      .map((name) => join(path, name));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOTDIR") return [path];
    problems.push(unreadable(path, `the rules folder cannot be read: ${reason(error)}`));
    return [];
  }
}

/** Rules with errors count: their ids are taken all the same. */
export function idsUsedTwice(rules: readonly PlacedRule[]): RuleProblem[] {
  const first = new Map<string, PlacedRule>();
  return rules.flatMap((rule): RuleProblem[] => {
    if (rule.id === undefined) return [];
    const other = first.get(rule.id);
    if (other === undefined) {
      first.set(rule.id, rule);
      return [];
    }
    const where = other.file === rule.file ? "in this file" : `in ${other.file}`;
    return [
      {
        code: "E005",
        severity: "error",
        file: rule.file,
        place: rule.placeOf(["id"]),
        message: `a rule "${rule.id}" stands already ${where}`,
        help: "give one of them another id",
        related: [{ file: other.file, place: other.placeOf(["id"]), message: "first here" }],
      },
    ];
  });
}

export function versionOf(specs: readonly RuleSpec[]): string {
  return createHash("sha256").update(JSON.stringify(specs)).digest("hex").slice(0, 16);
}

function toFileProblem({ file, place, message, help }: RuleProblem): FileProblem {
  const { line, column, text } = place;
  return { file, line, column, message: help === undefined ? message : `${message} (${help})`, text };
}

function unreadable(file: string, message: string): RuleProblem {
  const place = { line: 1, column: 1, length: 1, text: "" };
  const help = "give the folder or file with the rules; Weir must be allowed to read it";
  return { code: "E007", severity: "error", file, place, message, help, related: [] };
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
