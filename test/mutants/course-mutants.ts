import type { Mutant } from "./mutant.ts";

const COURSE = "engine/aggregates/course.ts";
const FOLDS = "engine/aggregates/folds.ts";
const PANES = "engine/windows/pane-windows.ts";
const SLIDING = "engine/windows/sliding-windows.ts";
const SESSIONS = "engine/windows/session-windows.ts";
const COUNT = "engine/windows/count-windows.ts";
const UNIT = ["engine/values-over-time.test.ts"];
const NUMBERS = ["engine/aggregates/numbers.test.ts"];
/** For faults that only the independent implementation can find. */
const ORACLE_ONLY = ["test/simulation/differential.test.ts"];

/** Faults in aggregates over the course of values. */
export const COURSE_MUTANTS: readonly Mutant[] = [
  {
    name: "carried-too-long",
    fault: "a value holds for longer than carry",
    file: COURSE,
    from: "const heldUs = Math.min(span.endUs, atUs + carryUs) - span.startUs;",
    to: "const heldUs = span.endUs - span.startUs;",
    tests: UNIT,
  },
  {
    name: "carry-between-readings",
    fault: "a value holds for longer than carry between two readings of a window",
    file: COURSE,
    from: "sum += fold.of(from) * Math.min(heldUs, this.#options.carryUs);",
    to: "sum += fold.of(from) * heldUs;",
    tests: ORACLE_ONLY,
  },
  {
    name: "between-panes",
    fault: "the time between the readings of two merged windows is lost",
    file: COURSE,
    from: "(to === undefined ? 0 : this.#between(fold, to, from))",
    to: "0",
    tests: ORACLE_ONLY,
  },
  {
    name: "no-step-from-before",
    fault: "the step from the reading before the window is lost",
    file: COURSE,
    from: "inside + fold.of(before?.value, first.value, this.#options)",
    to: "inside + fold.of(first.value, first.value, this.#options)",
    tests: UNIT,
  },
  {
    name: "roll-over-by-one",
    fault: "a counter that rolls over loses a count",
    file: FOLDS,
    from: "counterMax - from + 1 + to",
    to: "counterMax - from + to",
    tests: UNIT,
  },
  {
    name: "following-window-kept",
    fault: "a late reading does not correct the tumbling window that follows",
    file: PANES,
    from: "if (nextUs > head) return;",
    to: "return;",
    tests: UNIT,
  },
  {
    name: "following-instant-kept",
    fault: "a late reading does not correct the sliding windows that begin after it",
    file: SLIDING,
    from: "other.atUs >= nextUs + sizeUs",
    to: "other.atUs >= atUs + sizeUs",
    tests: ORACLE_ONLY,
  },
  {
    name: "following-session-kept",
    fault: "a late reading does not correct the session that follows",
    file: SESSIONS,
    from: "if (next === undefined || next.open) return;",
    to: "return;",
    tests: ORACLE_ONLY,
  },
  {
    name: "count-window-left",
    fault: "a count window does not know the reading before it",
    file: COUNT,
    from: "this.#left[key] = this.accumulators.lastPoint(filling);",
    to: "this.#left[key] = undefined;",
    tests: UNIT,
  },
  {
    name: "quantiles-without-grid",
    fault: "a quantile of a narrow band is as imprecise as that of a wide one",
    file: "engine/aggregates/quantiles.ts",
    from: "const low = Math.max(from, least);",
    to: "const low = least;",
    tests: NUMBERS,
  },
  {
    name: "grid-halves",
    fault: "cells that become wider lose their place",
    file: "engine/aggregates/grid.ts",
    from: "cell * this.#width) / width)",
    to: "cell * this.#width) / (2 * width))",
    tests: NUMBERS,
  },
  {
    name: "mean-rounded",
    fault: "the variance ignores the rounding of the mean",
    file: "engine/aggregates/sums.ts",
    from: "return Number.isFinite(lost) ? lost : 0;",
    to: "return 0;",
    tests: NUMBERS,
  },
  {
    name: "great-sum",
    fault: "a sum that is infinite in between stays infinite",
    file: "engine/aggregates/accumulators.ts",
    from: "if (restAfter - restAfter !== 0) this.#store",
    to: "if (restAfter > 0) this.#store",
    tests: NUMBERS,
  },
  {
    name: "sliding-prefix-kept",
    fault: "a late reading is missing in the sliding windows that are merged from before it",
    file: "engine/windows/sliding-merge.ts",
    from: "this.#merged = Math.min(this.#merged, place);",
    to: "",
    tests: ORACLE_ONLY,
  },
  {
    name: "overlapping-count-one-more",
    fault: "overlapping count windows keep a reading too long",
    file: COUNT,
    from: "if (others < this.#options.count) break;",
    to: "if (others <= this.#options.count) break;",
    tests: UNIT,
  },
  {
    name: "spike-kept",
    fault: "a spike is read",
    file: "engine/step.ts",
    from: "spikes.isSpike(key, value)) return LEFT_OUT;",
    to: "spikes.isSpike(key, value)) spikes.isSpike(key, value);",
    tests: UNIT,
  },
  {
    name: "left-out-moves-clock",
    fault: "a value that is not valid is read",
    file: "engine/step.ts",
    from: "if (reads !== undefined && !reads(text ?? value)) return LEFT_OUT;",
    to: "",
    tests: UNIT,
  },
];
