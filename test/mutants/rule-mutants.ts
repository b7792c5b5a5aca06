import type { Mutant } from "./mutant.ts";

const LEVELS = "engine/alerts/level-states.ts";
const ORACLE = ["engine", "test/simulation/differential.test.ts"];

/** Faults in what rules can say: levels and calendars. */
export const RULE_MUTANTS: readonly Mutant[] = [
  {
    name: "level-not-nested",
    fault: "a level does not hold where only a more severe one does",
    file: "engine/rules/levels.ts",
    from: "isHeld ||= state.holds;",
    to: "isHeld = state.holds;",
    tests: ORACLE,
  },
  {
    name: "level-hysteresis-ignored",
    fault: "an alert ends although a level in force does not clear",
    file: LEVELS,
    from: "return clears && (inForce & ~cleared) === 0;",
    to: "return clears;",
    tests: ORACLE,
  },
  {
    name: "level-for-edge",
    fault: "a level comes into force one window too late when exactly `for` has passed",
    file: LEVELS,
    from: "isFiring && endUs - heldSince >= rule.forUs",
    to: "isFiring && endUs - heldSince > rule.forUs",
    tests: ORACLE,
  },
  {
    name: "level-kept",
    fault: "the levels of an alert count for the next one of its key",
    file: "engine/alerts/rule-alerts.ts",
    from: 'if (state === "resolved" || state === "inactive") this.#levels.forget(key);',
    to: "",
    tests: ORACLE,
  },
  {
    name: "level-forgotten-by-snapshot",
    fault: "a state lacks the time for which a level has held",
    file: LEVELS,
    from: "for (const sinceUs of [...heldSince, ...clearSince]) to.number(sinceUs);",
    to: "for (const _ of [...heldSince, ...clearSince]) to.number(Number.NaN);",
    tests: ORACLE,
  },
];
