import type { FileProblem } from "../../platform/files/yaml-file.ts";
import { messageOf } from "../../platform/files/yaml-file.ts";
import type { Place } from "../../platform/files/yaml-source.ts";
import { type BareRuleFault, errorCodeOf, ruleFaultText } from "./rule-faults.ts";

/** Another place that is related to a problem. */
export interface RelatedPlace {
  readonly file: string;
  readonly place: Place;
  readonly message: string;
}

/** A problem in a rule file: an error (`E...`), or something legal that is surely a mistake (`W...`). */
export interface RuleProblem {
  /** Stable, because people suppress warnings by code and tools group by it. */
  readonly code: string;
  readonly severity: "error" | "warning";
  readonly file: string;
  readonly place: Place;
  readonly message: string;
  /** How to fix it. */
  readonly help: string;
  readonly related: readonly RelatedPlace[];
}

/** Turns a fault into a problem at a place of a file, with its text. */
export function errorAt(
  fault: BareRuleFault,
  { file, place, related = [] }: { readonly file: string; readonly place: Place; readonly related?: RelatedPlace[] },
): RuleProblem {
  return { code: errorCodeOf(fault.code), severity: "error", file, place, ...ruleFaultText(fault), related };
}

export function toFileProblem({ file, place, message, help }: RuleProblem): FileProblem {
  const { line, column, text } = place;
  return { file, line, column, message: messageOf({ message, help }), text };
}

/** Several rules can share a problem from their file's defaults. Reports it once. */
export function withoutRepeats(problems: readonly RuleProblem[]): RuleProblem[] {
  const seen = new Set<string>();
  return problems.filter(({ code, place: { line, column }, message, related }) => {
    const text = JSON.stringify([code, line, column, message, related.map(({ place }) => [place.line, place.column])]);
    const isNew = !seen.has(text);
    seen.add(text);
    return isNew;
  });
}
