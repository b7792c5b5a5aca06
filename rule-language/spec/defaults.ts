import type { Subject } from "../fields/field.ts";
import { ALL_RULE_FIELDS } from "./rule-fields.ts";

const FIELDS = Object.entries(ALL_RULE_FIELDS);
/** Fields that are merged name by name. For all others, a rule's own value replaces the default. */
const BY_NAME = FIELDS.filter(([, { mergesByName }]) => mergesByName).map(([name]) => name);
/** The subjects of a rule. It has one of these; `let` may also have a window. */
const SUBJECTS = ["absent", "let", "window"] as const;
/** Fields that do not apply to a subject, and so are not filled in. */
const NOT_FOR: Readonly<Record<Subject, readonly string[]>> = {
  absent: fieldsNotFor("absent"),
  let: fieldsNotFor("let"),
  window: fieldsNotFor("window"),
};

export function fieldsNotFor(subject: Subject): string[] {
  return FIELDS.filter(([, field]) => field.for?.includes(subject) === false).map(([name]) => name);
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Fills in the fields that a rule does not set from the `defaults` of its file. Returns a value that is not a rule as
 * it is.
 */
export function fillDefaults(rule: unknown, defaults: unknown): unknown {
  if (!isFields(rule) || !isFields(defaults)) return rule;
  const filled: Record<string, unknown> = {};
  const subject = subjectOf(rule) ?? subjectOf(defaults);
  for (const [field, value] of Object.entries(defaults)) {
    if (field === "id" || value === null) continue;
    if (subject !== undefined && NOT_FOR[subject].includes(field)) continue;
    filled[field] = value;
  }
  for (const [field, value] of Object.entries(rule)) {
    const given = filled[field];
    filled[field] = BY_NAME.includes(field) && isFields(given) && isFields(value) ? { ...given, ...value } : value;
  }
  // A rule has conditions of one kind: its own replace those of the other kind.
  if (isSet(rule, "when") && !isSet(rule, "levels")) delete filled.levels;
  if (isSet(rule, "levels") && !isSet(rule, "when")) delete filled.when;
  // Without conditions no alert begins, so `clear` would have no effect.
  if (filled.when === undefined && filled.levels === undefined && !Object.hasOwn(rule, "clear")) delete filled.clear;
  return filled;
}

/** Whether a part of a filled rule comes from the rule itself or from the defaults; undefined if it is missing. */
export function originOf(
  path: readonly PropertyKey[],
  { rule, filled }: { readonly rule: unknown; readonly filled: unknown },
): "rule" | "defaults" | undefined {
  const [field, name] = path.map(String);
  if (field === undefined) return "rule";
  if (!isFields(filled) || !Object.hasOwn(filled, field)) return undefined;
  const own = isFields(rule) && Object.hasOwn(rule, field) ? rule[field] : undefined;
  if (own === undefined) return "defaults";
  const isByName = name !== undefined && BY_NAME.includes(field) && isFields(own);
  return isByName && !Object.hasOwn(own, name) && isNamedIn(filled[field], name) ? "defaults" : "rule";
}

/** Fills in the defaults of all rules of a file. */
export function fillFile(file: unknown): unknown {
  if (!isFields(file) || !Array.isArray(file.rules)) return file;
  return { ...file, rules: file.rules.map((rule) => fillDefaults(rule, file.defaults)) };
}

function subjectOf(fields: Fields): Subject | undefined {
  return SUBJECTS.find((subject) => isSet(fields, subject));
}

function isSet(fields: Fields, name: string): boolean {
  return Object.hasOwn(fields, name) && fields[name] !== null;
}

function isNamedIn(value: unknown, name: string): boolean {
  return isFields(value) && Object.hasOwn(value, name);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
