import type { Mutant } from "./mutant.ts";

const LEVELS = "engine/alerts/level-states.ts";
const CALENDAR = "engine/windows/calendar-windows.ts";
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
  {
    name: "calendar-edge",
    fault: "a reading at the end of a local day counts in that day",
    file: CALENDAR,
    from: "newest !== undefined && atUs >= newest.startUs && atUs < newest.endUs",
    to: "newest !== undefined && atUs >= newest.startUs && atUs <= newest.endUs",
    tests: ORACLE,
  },
  {
    name: "calendar-second-midnight",
    fault: "a time that clocks show twice begins a window at its second occurrence",
    file: "rule-language/calendar/window-grid.ts",
    from: "startUs = Math.max(startUs, localUs - offsetUs);",
    to: "startUs = Math.max(startUs, localUs - this.#zone.at(localUs).offsetUs);",
    tests: ORACLE,
  },
  {
    name: "calendar-before-forgotten",
    fault: "a window of a calendar does not know the last reading before windows that are no longer retained",
    file: CALENDAR,
    from: "if (this.accumulators.plan.keepsLast) own.left = this.accumulators.lastPoint(window.record);",
    to: "",
    tests: ORACLE,
  },
  {
    name: "calendar-following",
    fault: "a late reading does not correct the day after it",
    file: CALENDAR,
    from: "this.#markFollowing(key, endUs, nowUs);",
    to: "this.#at(key);",
    tests: ORACLE,
  },
  {
    name: "offset-not-in-bounds",
    fault: "earlier windows of a series are dropped before their offset has passed",
    file: "engine/inputs/join.ts",
    from: "WAITING_MAX + Math.ceil((spec.retainedUs + offsetUs) / everyUs)",
    to: "Math.ceil(spec.retainedUs / everyUs)",
    tests: ORACLE,
  },
  {
    name: "offset-of-another-name",
    fault: "a name with an offset contributes its newest window",
    file: "engine/rules/rule.ts",
    from: "return Math.floor((endUs - offsetUs) / everyUs) * everyUs + offsetUs;",
    to: "return Math.floor(endUs / everyUs) * everyUs;",
    tests: ORACLE,
  },
];
