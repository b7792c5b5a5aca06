import type { Series } from "../../domain/reading.ts";
import { takesTexts } from "../aggregates/aggregate.ts";
import { checkedAggregate } from "./checked.ts";
import { hasAlert } from "./levels-spec.ts";
import type { RuleSpec } from "./rule-spec.ts";
import { compileSelector, type Selector } from "./selector.ts";
import { SeriesIndex } from "./series-index.ts";

/** `values`: a rule has a condition on them. `silence`: rules only expect that readings arrive. */
export type Watched = "values" | "silence" | "nothing";

interface Watcher {
  readonly of: Exclude<Watched, "nothing">;
  readonly selector: Selector;
}

/** Says of each series whether a rule can raise an alert about it. */
export class Watchers {
  readonly #index: SeriesIndex<Watcher>;

  constructor(specs: readonly RuleSpec[]) {
    this.#index = new SeriesIndex(specs.flatMap(watchersOf), ({ selector }) => selector);
  }

  of(series: Series): Watched {
    const found = this.#index.readersOf(series);
    if (found.some((watcher) => watcher.of === "values")) return "values";
    return found.length > 0 ? "silence" : "nothing";
  }
}

/** None for a rule that only computes windows, or that runs in shadow: nobody hears of its alerts. */
function watchersOf(spec: RuleSpec): Watcher[] {
  if (spec.shadow) return [];
  if (spec.absent !== undefined) {
    return [{ of: "silence", selector: compileSelector(spec.where, { onlyNumbers: false }) }];
  }
  if (!hasAlert(spec)) return [];
  if (spec.let === undefined) return [valuesOf(spec.where, spec.aggregate)];
  return Object.values(spec.let).map(({ metric, where, aggregate }) =>
    valuesOf({ ...spec.where, ...(metric !== undefined && { metric }), ...where }, [aggregate]),
  );
}

function valuesOf(where: RuleSpec["where"], aggregates: readonly string[]): Watcher {
  const onlyNumbers = !aggregates.map(checkedAggregate).every(takesTexts);
  return { of: "values", selector: compileSelector(where, { onlyNumbers }) };
}
