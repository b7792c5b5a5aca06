import type { BacktestOutcome } from "./backtest.ts";
import type { FiringSpan } from "./firing-spans.ts";
import { warnings } from "./table-report.ts";

/** A report for programs: all counts, and the difference of each firing. Instants are in microseconds. */
export function jsonReport(outcome: BacktestOutcome): string {
  const { readings, fromUs, toUs, candidate, live, totals, diff } = outcome;
  const report = {
    readings,
    fromUs,
    toUs,
    windows: candidate.windows,
    changes: candidate.changes,
    compared: live !== undefined,
    totals,
    alerts: diff.map(({ rule, ruleBefore, key, totals: own, spans }) => ({
      rule,
      ...(ruleBefore === rule ? {} : { ruleBefore }),
      key,
      totals: own,
      firings: spans.map(({ kind, before, after }) => ({
        ...(live === undefined ? {} : { kind }),
        ...(before && live ? { before: firing(before) } : {}),
        ...(after ? { after: firing(after) } : {}),
      })),
    })),
    warnings: warnings(outcome),
  };
  return `${JSON.stringify(report, undefined, 2)}\n`;
}

function firing({ incident, fromUs, toUs, isOpen, value, severity }: FiringSpan) {
  return { incident, fromUs, toUs, isOpen, value, severity };
}
