import { SEVERITIES, type Severity } from "../../domain/alert.ts";
import { bitOf, type LevelsState, type RuleLevels } from "../rules/levels.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";

/** The levels of one key above the least severe one. Arrays are by the place in `SEVERITIES`; NaN: it does not. */
interface KeyLevels {
  /** The severity of the newest change; undefined for the least severe one. */
  severity: Severity | undefined;
  /** The greatest severity so far, by its place in `SEVERITIES`; -1 before it fires. */
  worst: number;
  inForce: number;
  readonly heldSince: number[];
  readonly clearSince: number[];
}

interface Patience {
  readonly forUs: number;
  readonly keepFiringForUs: number;
}

/** The severities of the open alerts of a rule, by key (docs/windows.md, "Levels"). */
export class LevelStates {
  readonly #byKey = new Map<number, KeyLevels>();

  /** Whether the alert may end, given the levels in force. */
  clears(key: number, { clears, cleared }: LevelsState, { above }: RuleLevels): boolean {
    const inForce = (this.#byKey.get(key)?.inForce ?? 0) & above;
    return clears && (inForce & ~cleared) === 0;
  }

  /** Counts an evaluated window of an active alert. */
  see(key: number, endUs: number, state: LevelsState, rule: RuleLevels & Patience, isFiring: boolean): void {
    const known = this.#byKey.get(key);
    // Nothing but the least severe level: as without state.
    if (known === undefined && (state.held & rule.above) === 0) return;
    const levels = known ?? newLevels();
    this.#byKey.set(key, levels);
    for (let place = 0; place < SEVERITIES.length; place++) {
      const bit = 2 ** place;
      if ((rule.above & bit) === 0) continue;
      const heldSince = sinceOf(levels.heldSince, place, (state.held & bit) !== 0, endUs);
      const clearSince = sinceOf(levels.clearSince, place, (state.cleared & bit) !== 0, endUs);
      if ((levels.inForce & bit) !== 0) {
        if (endUs - clearSince >= rule.keepFiringForUs) levels.inForce &= ~bit;
      } else if (isFiring && endUs - heldSince >= rule.forUs) levels.inForce |= bit;
    }
  }

  /** The severity of the newest change of the alert. */
  severity(key: number, { least }: RuleLevels): Severity {
    return this.#byKey.get(key)?.severity ?? least;
  }

  /** The greatest severity of the alert since it fired, if it is greater than this one. */
  worse(key: number, than: Severity): Severity | undefined {
    const worst = this.#byKey.get(key)?.worst ?? -1;
    return worst > SEVERITIES.indexOf(than) ? SEVERITIES[worst] : undefined;
  }

  /** Takes the severity of the levels in force. Returns it. */
  take(key: number, { least, above }: RuleLevels): Severity {
    const levels = this.#byKey.get(key);
    if (levels === undefined) return least;
    const severity = SEVERITIES.findLast((name) => (levels.inForce & above & bitOf(name)) !== 0) ?? least;
    levels.severity = severity === least ? undefined : severity;
    if (severity !== least) levels.worst = Math.max(levels.worst, SEVERITIES.indexOf(severity));
    return severity;
  }

  /** The alert ended, or its key's number can be used again. */
  forget(key: number): void {
    this.#byKey.delete(key);
  }

  /** Drops what has counted for levels that the edited rule no longer has above its least severe one. */
  keepOnly(rule: RuleLevels | undefined): void {
    if (rule === undefined) this.#byKey.clear();
    else for (const levels of this.#byKey.values()) keepLevels(levels, rule.above);
  }

  adopt(key: number, from: LevelStates, fromKey: number): void {
    const levels = from.#byKey.get(fromKey);
    if (levels === undefined) return;
    const { heldSince, clearSince } = levels;
    this.#byKey.set(key, { ...levels, heldSince: [...heldSince], clearSince: [...clearSince] });
  }

  snapshot(to: SnapshotWriter): void {
    to.number(this.#byKey.size);
    for (const [key, { severity, worst, inForce, heldSince, clearSince }] of this.#byKey) {
      to.number(key);
      to.number(severity === undefined ? -1 : SEVERITIES.indexOf(severity));
      to.number(worst);
      to.number(inForce);
      for (const sinceUs of [...heldSince, ...clearSince]) to.number(sinceUs);
    }
  }

  restore(from: SnapshotReader): void {
    for (let left = from.number(); left > 0; left--) {
      const key = from.number();
      const severity = SEVERITIES[from.number()];
      const worst = from.number();
      const inForce = from.number();
      const times = () => SEVERITIES.map(() => from.number());
      this.#byKey.set(key, { severity, worst, inForce, heldSince: times(), clearSince: times() });
    }
  }
}

function newLevels(): KeyLevels {
  const none = () => SEVERITIES.map(() => Number.NaN);
  return { severity: undefined, worst: -1, inForce: 0, heldSince: none(), clearSince: none() };
}

/** The end of the first of the evaluations in a row for which it was so; NaN if it is not so now. */
function sinceOf(since: number[], place: number, isSo: boolean, endUs: number): number {
  const sinceUs = isSo ? since[place] : Number.NaN;
  const startUs = isSo && Number.isNaN(sinceUs) ? endUs : (sinceUs as number);
  since[place] = startUs;
  return startUs;
}

function keepLevels(levels: KeyLevels, above: number): void {
  levels.inForce &= above;
  for (let place = 0; place < SEVERITIES.length; place++) {
    if ((above & (2 ** place)) !== 0) continue;
    levels.heldSince[place] = Number.NaN;
    levels.clearSince[place] = Number.NaN;
  }
}
