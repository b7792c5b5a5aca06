import { reasonOf } from "../../domain/reason.ts";
import { type RuleSpec, ruleSpecSchema } from "./rule-spec.ts";

export type RuleSetResult =
  | { readonly ok: true; readonly specs: readonly RuleSpec[] }
  | { readonly ok: false; readonly reason: string };

export type RuleSpecResult =
  | { readonly ok: true; readonly spec: RuleSpec }
  | { readonly ok: false; readonly reason: string };

interface KnownRuleSet {
  readonly json: string;
  readonly specs: readonly RuleSpec[];
  readonly byText: ReadonlyMap<string, RuleSpec>;
}

/**
 * The last rule set that was read. Each partition of a process reads the same one, and the next differs in few rules.
 * Checking 8,000 rules again would take a third of a second.
 */
let newest: KnownRuleSet = { json: "", specs: [], byText: new Map() };

/**
 * Reads the rule set of a log entry. Fields that an older version of Weir did not have get their defaults. An error
 * names the rule and the field: either a newer version wrote it, or the entry is damaged.
 */
export function readRuleSet(json: string): RuleSetResult {
  if (json === newest.json) return { ok: true, specs: newest.specs };
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    return { ok: false, reason: `the rule set is not JSON: ${reasonOf(error)}` };
  }
  if (!Array.isArray(value)) return { ok: false, reason: "the rule set is not a list of rules" };
  const specs: RuleSpec[] = [];
  const byText = new Map<string, RuleSpec>();
  for (const one of value) {
    const text = JSON.stringify(one);
    const known = newest.byText.get(text);
    const read = known === undefined ? readRuleSpec(one) : ({ ok: true, spec: known } as const);
    if (!read.ok) return read;
    specs.push(read.spec);
    byText.set(text, read.spec);
  }
  newest = { json, specs, byText };
  return { ok: true, specs };
}

/** Reads one rule as the log and checkpoints store it. */
export function readRuleSpec(value: unknown): RuleSpecResult {
  const checked = ruleSpecSchema.safeParse(value);
  if (checked.success) return { ok: true, spec: checked.data };
  const id = typeof value === "object" && value !== null && "id" in value ? ` "${String(value.id)}"` : "";
  const [issue] = checked.error.issues;
  const field = issue === undefined || issue.path.length === 0 ? "" : `${issue.path.map(String).join(".")}: `;
  return { ok: false, reason: `the rule${id} cannot be read: ${field}${issue?.message ?? "unknown error"}` };
}

/** A rule set that this version cannot read. Do not retry: only a newer version may be able to read it. */
export class BadRuleSetError extends Error {
  override readonly name = "BadRuleSetError";
}

/** The specs of a log entry. Throws BadRuleSetError. */
export function checkedRuleSet(json: string): readonly RuleSpec[] {
  const read = readRuleSet(json);
  if (!read.ok) throw new BadRuleSetError(`${read.reason}; was it written by a newer version of Weir?`);
  return read.specs;
}
