import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf } from "../../domain/reason.ts";
import type { FileProblem } from "../../platform/files/yaml-file.ts";
import type { RuleSpec } from "../spec/rule-spec.ts";
import { errorAt, type RuleProblem, toFileProblem } from "./problem.ts";
import { type PlacedRule, type RuleFile, readRuleFile } from "./read-rule-file.ts";

export interface RuleSetFiles {
  readonly specs: readonly RuleSpec[];
  /** Rule sets with equal versions hold equal rules. */
  readonly version: string;
  readonly problems: readonly FileProblem[];
}

const FILES_AT_ONCE = 64;
const TOP = { line: 1, column: 1, length: 1, text: "" };

/** The texts of rule files, before parsing. */
export interface RuleSources {
  readonly files: readonly RuleSource[];
  /** Files and folders that could not be read. */
  readonly problems: readonly RuleProblem[];
}

interface RuleSource {
  readonly file: string;
  readonly source: string;
}

/** Parsed rule files, with every error within and between them. */
export interface ReadRules {
  readonly files: readonly (RuleFile & { readonly file: string })[];
  readonly problems: readonly RuleProblem[];
}

/** Loads the rules of a folder's `*.yaml` files, except `*.test.yaml` and hidden ones, with all problems. */
export async function loadRules(folder: string): Promise<RuleSetFiles> {
  return ruleSetOf(await readRules(folder));
}

/** Reads the rule files of a folder, or a single file. */
export async function readRules(path: string): Promise<ReadRules> {
  return parseSources(await readSources(path));
}

export function ruleSetOf({ files, problems }: ReadRules): RuleSetFiles {
  const taken = new Set<string>();
  const specs: RuleSpec[] = [];
  for (const { spec } of files.flatMap(({ rules }) => rules)) {
    if (spec === undefined || taken.has(spec.id)) continue;
    taken.add(spec.id);
    specs.push(spec);
  }
  return { specs, version: versionOf(specs), problems: problems.map(toFileProblem) };
}

/** `read`: parses the text of a file. */
export function parseSources(sources: RuleSources, read = readRuleFile): ReadRules {
  const files = sources.files.map(({ file, source }) => ({ ...read(source, file), file }));
  const problems = [...sources.problems, ...files.flatMap((file) => file.problems)];
  problems.push(...idsUsedTwice(files.flatMap(({ rules }) => rules)));
  return { files, problems };
}

/** The texts of a folder's rule files, or of a single file. Never throws. */
export async function readSources(path: string): Promise<RuleSources> {
  const problems: RuleProblem[] = [];
  const files: RuleSource[] = [];
  const names = await listed(path, problems);
  for (let i = 0; i < names.length; i += FILES_AT_ONCE) {
    // In parallel: on a busy event loop, each file would otherwise wait for its turn several times.
    const read = await Promise.all(names.slice(i, i + FILES_AT_ONCE).map(readSource));
    for (const one of read) {
      if ("source" in one) files.push(one);
      else problems.push(one);
    }
  }
  return { files, problems };
}

async function readSource(file: string): Promise<RuleSource | RuleProblem> {
  try {
    const bytes = await readFile(file);
    return encodingProblem(bytes, file) ?? { file, source: new TextDecoder().decode(bytes) };
  } catch (error) {
    return unreadable(file, "file", error);
  }
}

async function listed(path: string, problems: RuleProblem[]): Promise<string[]> {
  try {
    const names = (await readdir(path)).sort();
    return names.filter(isRuleFile).map((name) => join(path, name));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOTDIR") return [path];
    problems.push(unreadable(path, "folder", error));
    return [];
  }
}

/** Hidden files belong to editors (`.#rules.yaml` is a lock) and file systems (`._rules.yaml`). */
function isRuleFile(name: string): boolean {
  return /\.ya?ml$/.test(name) && !/\.test\.ya?ml$/.test(name) && !name.startsWith(".");
}

/** Decoding another encoding as UTF-8 would silently change the text. */
function encodingProblem(bytes: Uint8Array, file: string): RuleProblem | undefined {
  const [first, second] = bytes;
  const isUtf16 = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  if (!isUtf16 && isUtf8(bytes)) return undefined;
  const lines = (isUtf16 ? "" : textBeforeFault(bytes)).split("\n");
  const column = (lines.at(-1) ?? "").length + 1;
  const text = isUtf16 ? "" : (new TextDecoder().decode(bytes).split("\n")[lines.length - 1] ?? "").replace(/\r$/, "");
  const place = { line: lines.length, column, length: 1, text };
  return errorAt({ code: "wrong_encoding", facts: { isUtf16 } }, { file, place });
}

function textBeforeFault(bytes: Uint8Array): string {
  let [good, bad] = [0, bytes.length];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    // A character that is cut off at the end is not a fault.
    if (isUtf8(bytes.subarray(0, middle), { stream: true })) good = middle;
    else bad = middle;
  }
  return new TextDecoder().decode(bytes.subarray(0, good), { stream: true });
}

function isUtf8(bytes: Uint8Array, options: { readonly stream?: boolean } = {}): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, options);
    return true;
  } catch {
    return false;
  }
}

/** Rules with errors also count, because they use up their ids. */
export function idsUsedTwice(rules: readonly PlacedRule[]): RuleProblem[] {
  const first = new Map<string, PlacedRule>();
  return rules.flatMap((rule): RuleProblem[] => {
    if (rule.id === undefined) return [];
    const other = first.get(rule.id);
    if (other === undefined) {
      first.set(rule.id, rule);
      return [];
    }
    const otherFile = other.file === rule.file ? undefined : other.file;
    const related = [{ file: other.file, place: other.placeOf(["id"]), message: "first here" }];
    const fault = { code: "id_used_twice", facts: { id: rule.id, otherFile } } as const;
    return [errorAt(fault, { file: rule.file, place: rule.placeOf(["id"]), related })];
  });
}

export function versionOf(specs: readonly RuleSpec[]): string {
  return createHash("sha256").update(JSON.stringify(specs)).digest("hex").slice(0, 16);
}

function unreadable(file: string, what: "file" | "folder", error: unknown): RuleProblem {
  return errorAt({ code: "unreadable", facts: { what, reason: reasonOf(error) } }, { file, place: TOP });
}
