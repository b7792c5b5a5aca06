import type { Series } from "../../domain/reading.ts";
import type { RuleSpec } from "../spec/rule-spec.ts";

/** The known series. */
export interface KnownSeries {
  readonly series: readonly Series[];
  /** More series may follow, so only near misses of known names, and labels that no series has, get a warning. */
  readonly mayGrow: boolean;
}

/** The readings of a rule, or of one of its names: which, where each label is written, and what is computed. */
export interface Part {
  readonly where: RuleSpec["where"];
  readonly aggregates: readonly string[];
  pathOf(label: string): readonly PropertyKey[];
}

export function partsOf({ where, aggregate, let: lets }: RuleSpec): Part[] {
  if (lets === undefined) return [{ where, aggregates: aggregate, pathOf: (label) => ["where", label] }];
  return Object.entries(lets).map(([name, own]) => ({
    where: { ...where, ...(own.metric !== undefined && { metric: own.metric }), ...own.where },
    aggregates: [own.aggregate],
    pathOf(label) {
      if (own.where[label] !== undefined) return ["let", name, "where", label];
      return label === "metric" && own.metric !== undefined ? ["let", name, "metric"] : ["where", label];
    },
  }));
}
