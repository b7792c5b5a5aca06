import { SEVERITIES, type Severity } from "../../../domain/alert.ts";
import type { OracleRule } from "./model.ts";

/** The conditions of one severity. */
export interface OracleLevel {
  readonly severity: Severity;
  readonly when: string;
  readonly clear: string | undefined;
}

/** Whether a level holds and clears at an evaluation. */
export interface LevelAt {
  readonly severity: Severity;
  readonly holds: boolean;
  readonly clears: boolean;
}

/** The least severe first. A rule with `when` has one level; a rule without conditions has none. */
export function oracleLevels({ levels, when, clear, severity = "warning" }: OracleRule): OracleLevel[] {
  if (levels === undefined) return when === undefined ? [] : [{ severity, when, clear }];
  const all: OracleLevel[] = [];
  for (const each of SEVERITIES) {
    const own = levels[each];
    if (own === undefined) continue;
    const ofRule = all.length === 0 ? clear : undefined;
    if (typeof own === "string") all.push({ severity: each, when: own, clear: ofRule });
    else all.push({ severity: each, when: own.when, clear: own.clear ?? ofRule });
  }
  return all;
}

interface Counted {
  inForce: boolean;
  /** The times of the latest evaluations in a row for which it held, and for which it cleared. */
  held: readonly number[];
  cleared: readonly number[];
}

/** The levels above the least severe one, of one open alert. */
export class AlertLevels {
  #counted = new Map<Severity, Counted>();
  /** Of the newest change; undefined for the least severe level. */
  severity: Severity | undefined;
  /** All severities since it fired, in order. */
  had: readonly Severity[] = [];

  /** The greatest severity so far, if it is greater than this one. */
  worse(than: Severity): Severity | undefined {
    return SEVERITIES.slice(SEVERITIES.indexOf(than) + 1).findLast((each) => this.had.includes(each));
  }

  /** Whether every level in force clears, the least severe one included. */
  clears(levels: readonly LevelAt[]): boolean {
    return levels.every(({ severity, clears }, i) => clears || (i > 0 && !this.#counted.get(severity)?.inForce));
  }

  /** Counts an evaluation of an alert that is pending or fires. Returns the most severe level in force. */
  see(atUs: number, levels: readonly LevelAt[], how: { forUs: number; keepUs: number; firing: boolean }): Severity {
    for (const { severity, holds, clears } of levels.slice(1)) {
      const { inForce, held, cleared } = this.#counted.get(severity) ?? { inForce: false, held: [], cleared: [] };
      const next = { inForce, held: holds ? [...held, atUs] : [], cleared: clears ? [...cleared, atUs] : [] };
      const since = (times: readonly number[]) => atUs - (times[0] ?? Number.POSITIVE_INFINITY);
      if (inForce && since(next.cleared) >= how.keepUs) next.inForce = false;
      else if (!inForce && how.firing && since(next.held) >= how.forUs) next.inForce = true;
      this.#counted.set(severity, next);
    }
    return levels.findLast(({ severity }, i) => i === 0 || this.#counted.get(severity)?.inForce)?.severity ?? "warning";
  }

  /** The rule was edited: other levels than these above the least severe one have counted nothing. */
  keep(levels: readonly OracleLevel[]): void {
    const above = levels.slice(1).map(({ severity }) => severity);
    this.#counted = new Map([...this.#counted].filter(([severity]) => above.includes(severity)));
  }
}
