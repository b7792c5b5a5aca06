import { createHash } from "node:crypto";
import type { FileProblem } from "../../platform/files/yaml-file.ts";
import { parseSources, type RuleSetFiles, type RuleSources, ruleSetOf } from "./load-rules.ts";
import { type RuleFile, readRuleFile } from "./read-rule-file.ts";

/** Files must have held still for so long: an editor may be in the middle of writing them. */
export const SETTLE_MS = 250;
/**
 * Files in which rules of before are gone must have held still for longer: what moves, copies or checks out files takes them
 * away first, and a file that is half written may look whole. Ending incidents can wait that long.
 */
export const REMOVAL_SETTLE_MS = 1_000;

export type Verdict =
  /** Nothing new. */
  | { readonly kind: "same" }
  /** Something is new; look again soon. */
  | { readonly kind: "settling" }
  | { readonly kind: "judged"; readonly rules: RuleSetFiles };

interface Pending {
  readonly print: string;
  readonly sinceMs: number;
  rules: RuleSetFiles | undefined;
}

/**
 * Decides when what stands in the rule files counts. It goes by what the files hold and never by their times, so it is
 * the same whether they are written in place, renamed over, linked to, or touched.
 */
export class SettledRules {
  /** Those of the newest verdict without problems. */
  #rules: RuleSetFiles;
  #judged: string;
  #pending: Pending | undefined;
  #files = new Map<string, { readonly source: string; readonly parsed: RuleFile }>();
  readonly #folder: string;

  /** Throws nothing: the rules of the sources may have problems. */
  constructor(folder: string, sources: RuleSources) {
    this.#folder = folder;
    this.#judged = printOf(sources);
    this.#rules = this.#parse(sources);
  }

  /** The newest rules without problems; at first, what was there, right or not. */
  get rules(): RuleSetFiles {
    return this.#rules;
  }

  /** What stands in the files now; `nowMs` never goes back. */
  judge(sources: RuleSources, nowMs: number): Verdict {
    const print = printOf(sources);
    if (print === this.#judged) {
      this.#pending = undefined;
      return { kind: "same" };
    }
    if (print !== this.#pending?.print) this.#pending = { print, sinceMs: nowMs, rules: undefined };
    const heldMs = nowMs - this.#pending.sinceMs;
    if (heldMs < SETTLE_MS) return { kind: "settling" };
    this.#pending.rules ??= this.#parse(sources);
    const { rules } = this.#pending;
    if (rules.problems.length === 0 && heldMs < REMOVAL_SETTLE_MS && this.#lacks(rules)) return { kind: "settling" };
    this.#judged = print;
    this.#pending = undefined;
    if (sources.files.length === 0 && rules.problems.length === 0 && this.#rules.specs.length > 0)
      return { kind: "judged", rules: { ...rules, problems: [nothingLeft(this.#folder)] } };
    if (rules.problems.length === 0) this.#rules = rules;
    return { kind: "judged", rules };
  }

  #lacks({ specs }: RuleSetFiles): boolean {
    const ids = new Set(specs.map(({ id }) => id));
    return this.#rules.specs.some(({ id }) => !ids.has(id));
  }

  /** Files that are as they were are not parsed again. */
  #parse(sources: RuleSources): RuleSetFiles {
    const before = this.#files;
    this.#files = new Map();
    const read = parseSources(sources, (source, file) => {
      const known = before.get(file);
      const parsed = known?.source === source ? known.parsed : readRuleFile(source, file);
      this.#files.set(file, { source, parsed });
      return parsed;
    });
    return ruleSetOf(read);
  }
}

/** A folder whose files went away all at once is a mount that is gone, more likely than a wish. */
function nothingLeft(folder: string): FileProblem {
  const message = "no rule file is left in the folder (to go on without any rule, leave a file with `rules: []`)";
  return { file: folder, line: 1, column: 1, message, text: "" };
}

function printOf({ files, problems }: RuleSources): string {
  const hash = createHash("sha256");
  for (const { file, source } of files) hash.update(`${file}\n${source.length}\n${source}`);
  for (const { file, message } of problems) hash.update(`${file}\n${message}\n`);
  return hash.digest("base64");
}
