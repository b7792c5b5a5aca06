import { createHash } from "node:crypto";
import type { FileProblem } from "../../platform/files/yaml-file.ts";
import { parseSources, type ReadRules, type RuleSetFiles, type RuleSources, ruleSetOf } from "./load-rules.ts";
import { type RuleFile, readRuleFile } from "./read-rule-file.ts";

/** How long files must be unchanged: an editor may still be writing them. */
export const SETTLE_MS = 250;
/**
 * How long files must be unchanged when rules are missing. Moving, copying or checking out files removes them first,
 * and a half-written file can look complete. Ending incidents can wait that long.
 */
export const REMOVAL_SETTLE_MS = 1_000;

export type FilesState =
  /** No change. */
  | { readonly kind: "same" }
  /** The files have changed and may still be changing: poll again soon. */
  | { readonly kind: "settling" }
  | { readonly kind: "changed"; readonly rules: RuleSetFiles };

interface Pending {
  readonly print: string;
  readonly sinceMs: number;
  parsed: Parsed | undefined;
}

interface Parsed {
  readonly read: ReadRules;
  readonly rules: RuleSetFiles;
}

/**
 * Decides when a change of the rule files takes effect. It compares contents and ignores file times, so files can be
 * written in place, renamed over, linked or touched.
 */
export class SettledRules {
  /** The newest rules without problems. */
  #rules: RuleSetFiles;
  /** A hash of the contents that were evaluated last. */
  #checked: string;
  #pending: Pending | undefined;
  #read: ReadRules;
  #files = new Map<string, { readonly source: string; readonly parsed: RuleFile }>();
  readonly #folder: string;

  /** Never throws. The rules of the sources may have problems. */
  constructor(folder: string, sources: RuleSources) {
    this.#folder = folder;
    this.#checked = printOf(sources);
    ({ rules: this.#rules, read: this.#read } = this.#parse(sources));
  }

  /** The newest rules without problems. Until there are any, the rules of the first sources with their problems. */
  get rules(): RuleSetFiles {
    return this.#rules;
  }

  /** The files that were evaluated last, with their problems. */
  get read(): ReadRules {
    return this.#read;
  }

  /** `sources` is the current content of the files; `nowMs` never decreases. */
  inspect(sources: RuleSources, nowMs: number): FilesState {
    const print = printOf(sources);
    if (print === this.#checked) {
      this.#pending = undefined;
      return { kind: "same" };
    }
    if (print !== this.#pending?.print) this.#pending = { print, sinceMs: nowMs, parsed: undefined };
    const unchangedMs = nowMs - this.#pending.sinceMs;
    if (unchangedMs < SETTLE_MS) return { kind: "settling" };
    this.#pending.parsed ??= this.#parse(sources);
    const { rules, read } = this.#pending.parsed;
    if (rules.problems.length === 0 && unchangedMs < REMOVAL_SETTLE_MS && this.#lacks(rules))
      return { kind: "settling" };
    this.#checked = print;
    this.#read = read;
    this.#pending = undefined;
    if (sources.files.length === 0 && rules.problems.length === 0 && this.#rules.specs.length > 0)
      return { kind: "changed", rules: { ...rules, problems: [nothingLeft(this.#folder)] } };
    if (rules.problems.length === 0) this.#rules = rules;
    return { kind: "changed", rules };
  }

  #lacks({ specs }: RuleSetFiles): boolean {
    const ids = new Set(specs.map(({ id }) => id));
    return this.#rules.specs.some(({ id }) => !ids.has(id));
  }

  /** Parses only the files that have changed. */
  #parse(sources: RuleSources): Parsed {
    const before = this.#files;
    this.#files = new Map();
    const read = parseSources(sources, (source, file) => {
      const known = before.get(file);
      const parsed = known?.source === source ? known.parsed : readRuleFile(source, file);
      this.#files.set(file, { source, parsed });
      return parsed;
    });
    return { read, rules: ruleSetOf(read) };
  }
}

/** When all files of a folder disappear at once, a missing mount is the more likely cause. */
function nothingLeft(folder: string): FileProblem {
  const message = "no rule file is left in the folder; to run without rules, leave a file with `rules: []`";
  return { file: folder, line: 1, column: 1, message, text: "" };
}

function printOf({ files, problems }: RuleSources): string {
  const hash = createHash("sha256");
  for (const { file, source } of files) hash.update(`${file}\n${source.length}\n${source}`);
  for (const { file, message } of problems) hash.update(`${file}\n${message}\n`);
  return hash.digest("base64");
}
