import type { WindowResult } from "../../../domain/window-result.ts";

const RESULTS_MAX = 1_000;

/** Results of one rule's windows over a metric. */
export interface WindowTrack {
  readonly rule: string;
  /** Undefined if the rule's groups do not name the metric. */
  readonly metric: string | undefined;
  /** By start time. */
  readonly results: readonly WindowResult[];
  /** Increases with every change of the results. */
  changes(): number;
}

/** A window track, filled by the feed. */
export class LiveWindows implements WindowTrack {
  readonly rule: string;
  readonly metric: string | undefined;
  readonly results: WindowResult[] = [];
  #changes = 0;

  constructor(rule: string, metric: string | undefined) {
    this.rule = rule;
    this.metric = metric;
  }

  changes(): number {
    return this.#changes;
  }

  /** A higher revision replaces a lower one. A result that ends where it starts retracts the one before it. */
  push(result: WindowResult): void {
    this.#changes++;
    const { results } = this;
    if (result.endUs === result.startUs) {
      const withdrawn = results.findIndex(({ startUs }) => startUs === result.startUs);
      if (withdrawn !== -1) results.splice(withdrawn, 1);
      return;
    }
    let index = results.length;
    while (index > 0 && (results[index - 1]?.startUs ?? 0) > result.startUs) index--;
    const before = results[index - 1];
    if (before !== undefined && before.startUs === result.startUs && before.endUs === result.endUs) {
      if (result.revision >= before.revision) results[index - 1] = result;
      return;
    }
    results.splice(index, 0, result);
    if (results.length > RESULTS_MAX) results.shift();
  }
}
