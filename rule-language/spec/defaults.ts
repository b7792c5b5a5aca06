/** Fields whose names are filled in one by one; all others are a rule's own or the default's as a whole. */
const BY_NAME = ["where", "labels", "annotations"];
/** What a rule is about: at most one of these, and a window with `let`. */
const SUBJECTS = ["absent", "let", "window"];
/** What means nothing to a rule of such a subject, and is not filled in. */
const NOT_FOR: Readonly<Record<string, readonly string[]>> = {
  absent: ["window", "let", "aggregate", "fill", "when", "clear", "for", "keep_firing_for", "lateness", "late"],
  let: ["absent", "aggregate", "fill"],
  window: ["absent", "let"],
};

type Fields = Readonly<Record<string, unknown>>;

/** A rule with what it does not say taken from the `defaults` of its file. What is no rule stays as it is. */
export function fillDefaults(rule: unknown, defaults: unknown): unknown {
  if (!isFields(rule) || !isFields(defaults)) return rule;
  const filled: Record<string, unknown> = {};
  const subject = subjectOf(rule) ?? subjectOf(defaults) ?? "";
  for (const [field, value] of Object.entries(defaults)) {
    if (field === "id" || value === null || NOT_FOR[subject]?.includes(field)) continue;
    filled[field] = value;
  }
  for (const [field, value] of Object.entries(rule)) {
    const given = filled[field];
    filled[field] = BY_NAME.includes(field) && isFields(given) && isFields(value) ? { ...given, ...value } : value;
  }
  // Without a condition nothing begins that could end.
  if (filled.when === undefined && !Object.hasOwn(rule, "clear")) delete filled.clear;
  return filled;
}

/** Whether a part of a filled rule comes from the defaults, from the rule itself, or is not there. */
export function originOf(
  path: readonly PropertyKey[],
  { rule, filled }: { readonly rule: unknown; readonly filled: unknown },
): "rule" | "defaults" | undefined {
  const [field, name] = path.map(String);
  if (field === undefined) return "rule";
  if (!isFields(filled) || !Object.hasOwn(filled, field)) return undefined;
  const own = isFields(rule) && Object.hasOwn(rule, field) ? rule[field] : undefined;
  if (own === undefined) return "defaults";
  const isByName = name !== undefined && BY_NAME.includes(field) && isFields(own) && isFields(filled[field]);
  return isByName && !Object.hasOwn(own, name) && Object.hasOwn(filled[field] as Fields, name) ? "defaults" : "rule";
}

/** A rule file whose rules have taken their defaults. */
export function fillFile(file: unknown): unknown {
  if (!isFields(file) || !Array.isArray(file.rules)) return file;
  return { ...file, rules: file.rules.map((rule) => fillDefaults(rule, file.defaults)) };
}

function subjectOf(fields: Fields): string | undefined {
  return SUBJECTS.find((subject) => Object.hasOwn(fields, subject) && fields[subject] !== null);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
