import type { Mutant } from "./mutant.ts";

const FILLED = "engine/windows/filled-windows.ts";
const STEP = "engine/step.ts";
const ALERTS = "engine/alerts/alert-states.ts";
const RULE_ALERTS = "engine/alerts/rule-alerts.ts";
const UNIT = ["engine"];
const ORACLE = ["engine", "test/simulation/differential.test.ts"];

/** Faults in clocks, filled windows, gaps and lateness. */
export const TIME_MUTANTS: readonly Mutant[] = [
  {
    name: "group-follows-the-fastest",
    fault: "a group over several devices follows the device whose clock is ahead",
    file: STEP,
    from: "this.#deliver(input, key, input.isOverDevices ? groupAt : at, value, text)",
    to: "this.#deliver(input, key, at, value, text)",
    tests: ORACLE,
  },
  {
    name: "forwarded-ahead",
    fault: "a share does not see that a reading was observed after it was stored",
    file: STEP,
    from: "const groupAt = Math.min(at, nowUs, stored?.get(i) ?? nowUs);",
    to: "const groupAt = Math.min(at, nowUs);",
    tests: UNIT,
  },
  {
    name: "filled-window-is-late",
    fault: "idleness moves the watermark of filled windows",
    file: FILLED,
    from: "keys[o + EMITTED] = endUs; this.#at(key)",
    to: "keys[o + EMITTED] = endUs; keys[o + WATERMARK] = Math.max(endUs, keys[o + WATERMARK] as number); this.#at(key)",
    tests: ORACLE,
  },
  {
    name: "filled-windows-keep-the-old-value",
    fault: "a correction does not correct the filled windows that repeat its value",
    file: FILLED,
    from: "if (isNewest) this.#dirtyAfter(state, startUs);",
    to: "",
    tests: ORACLE,
  },
  {
    name: "provisional-not-again",
    fault: "an alert does not evaluate a corrected provisional window again",
    file: RULE_ALERTS,
    from: "const isProvisional = isAgain && this.#source.isProvisional(key, endUs);",
    to: "const isProvisional = false;",
    tests: ORACLE,
  },
  {
    name: "changes-out-of-order",
    fault: "a corrected window changes an alert before its last change",
    file: ALERTS,
    from: "return endUs > changedUs ||",
    to: "return endUs > Number.NEGATIVE_INFINITY ||",
    tests: ORACLE,
  },
  {
    name: "for-across-a-gap",
    fault: "a gap does not interrupt `for`",
    file: ALERTS,
    from: "if (isAfterGap) this.#more[key * MORE_STRIDE + HELD_SINCE] = endUs;",
    to: "",
    tests: ORACLE,
  },
  {
    name: "interval-forgotten-at-once",
    fault: "one short time between two windows makes the next long one a gap",
    file: ALERTS,
    from: "Math.max(gapUs, intervalUs * INTERVAL_KEPT)",
    to: "gapUs",
    tests: ORACLE,
  },
  {
    name: "partial-evaluated",
    fault: "a window that began before the key's first reading is evaluated with partial: skip",
    file: RULE_ALERTS,
    from: "if (this.#rule.skipsPartial && this.#source.isPartial(key, startUs)) return;",
    to: "",
    tests: ORACLE,
  },
  {
    name: "backfill-ends-absence",
    fault: "an old reading ends an absence",
    file: STEP,
    from: "if (isOld && input.absences) input.hear(key, nowUs); else fate",
    to: "fate",
    tests: ORACLE,
  },
  {
    name: "times-forgotten-too-soon",
    fault: "the times of a sensor with jitter are remembered for half of the time",
    file: "engine/state/seen-times.ts",
    from: "this.#forget(atUs - horizonUs);",
    to: "this.#forget(atUs - horizonUs / 2);",
    tests: UNIT,
  },
];
