import type { Place } from "../../platform/files/yaml-source.ts";

/** Another place that a problem has to do with. */
export interface RelatedPlace {
  readonly file: string;
  readonly place: Place;
  readonly message: string;
}

/** Something in a rule file that is wrong (`E...`), or legal and surely not meant (`W...`). */
export interface RuleProblem {
  /** Stable: people suppress warnings by it, and tools group by it. */
  readonly code: string;
  readonly severity: "error" | "warning";
  readonly file: string;
  readonly place: Place;
  readonly message: string;
  /** How to mend it. */
  readonly help?: string;
  readonly related: readonly RelatedPlace[];
}

/** The kinds of errors, as documents and reports explain them. */
export const ERROR_KINDS = [
  {
    code: "E001",
    title: "not YAML",
    text: "The text cannot be read as YAML, or YAML reads it as something else than it looks like.",
  },
  {
    code: "E002",
    title: "unknown key",
    text: "A key that means nothing here; mostly it is misspelt, or not indented far enough.",
  },
  { code: "E003", title: "bad value", text: "A value that its key cannot have." },
  {
    code: "E004",
    title: "parts that do not fit together",
    text: "Each part is right by itself, but one excludes or needs another.",
  },
  {
    code: "E005",
    title: "id used twice",
    text: "Two rules have one id. Incidents go by the id, so it must be unique among all files.",
  },
  { code: "E006", title: "missing", text: "Something that every rule needs is not there." },
  { code: "E007", title: "unreadable", text: "The file or folder cannot be read." },
] as const;
export type ErrorCode = (typeof ERROR_KINDS)[number]["code"];

/** What rules have from their defaults, and no rule changes, is told once. */
export function withoutRepeats(problems: readonly RuleProblem[]): RuleProblem[] {
  const told = new Set<string>();
  return problems.filter(({ code, place: { line, column }, message, related }) => {
    const text = JSON.stringify([code, line, column, message, related.map(({ place }) => [place.line, place.column])]);
    const isNew = !told.has(text);
    told.add(text);
    return isNew;
  });
}
