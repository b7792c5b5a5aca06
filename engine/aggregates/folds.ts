import { type Condition, holds } from "../../rule-language/conditions/condition.ts";

/** A reading of a key, in the order of event time. */
export interface Point {
  readonly atUs: number;
  readonly value: number | string;
}

/** How a rule reads the course of a key's values. */
export interface CourseOptions {
  /** How long a value holds without a new reading; Infinity without a limit. */
  readonly carryUs: number;
  /** The greatest value of a counter, after which it begins at 0 again; undefined if it only resets. */
  readonly counterMax: number | undefined;
}

/** A sum over the steps from each reading to the next. `from` is undefined for a key's first reading. */
interface StepFold {
  readonly kind: "step";
  readonly name: string;
  of(from: number | string | undefined, to: number | string, options: CourseOptions): number;
}

/** A sum over time: of a value, for each microsecond for which it holds. */
interface TimeFold {
  readonly kind: "time";
  readonly name: string;
  of(value: number | string): number;
}

/** A sum over the course of a key's values. Equal names have equal sums. */
export type Fold = StepFold | TimeFold;

const KELVIN_AT_0_C = 273.15;
/** 83.144 kJ/mol over the gas constant, 8.3144 J/(mol K), in kelvins: USP <1079>. */
const ACTIVATION_K = 10_000;

/** The time for which a value is known. */
export const KNOWN: Fold = { kind: "time", name: "known", of: () => 1 };
export const VALUE: Fold = { kind: "time", name: "value", of: Number };
/** The speed of a chemical reaction at a temperature in degrees Celsius, by Arrhenius' law. */
export const SPEED: Fold = {
  kind: "time",
  name: "speed",
  of: (value) => Math.exp(-ACTIVATION_K / (Number(value) + KELVIN_AT_0_C)),
};
export const CHANGES: Fold = { kind: "step", name: "changes", of: (from, to) => (from === to ? 0 : 1) };
/** Fills of counters. A key's first reading has no step. */
export const INCREASE: Fold = { kind: "step", name: "increase", of: stepOf };
export const STEPS: Fold = { kind: "step", name: "steps", of: (from) => (from === undefined ? 0 : 1) };

/** The mean kinetic temperature, in degrees Celsius, of a mean speed. */
export function kineticMean(speed: number): number {
  return ACTIVATION_K / -Math.log(speed) - KELVIN_AT_0_C;
}

export function timeWhere(condition: Condition, text: string): Fold {
  return { kind: "time", name: `where ${text}`, of: (value) => (holds(condition, value) ? 1 : 0) };
}

export function timeIn(state: string): Fold {
  return { kind: "time", name: `in ${state}`, of: (value) => (isState(value, state) ? 1 : 0) };
}

/** The distance from the limit of a condition, while it holds. */
export function excessOf(condition: Condition, text: string): Fold {
  return {
    kind: "time",
    name: `excess ${text}`,
    of: (value) => (typeof value === "number" && holds(condition, value) ? distanceOf(condition, value) : 0),
  };
}

/** Undefined stands for any state; for `from` also for none, before a key's first reading. */
export function moves(from: string | undefined, to: string | undefined): Fold {
  const isFrom = (value: number | string | undefined) =>
    from === undefined || (value !== undefined && isState(value, from));
  return {
    kind: "step",
    name: `moves ${from ?? "*"} -> ${to ?? "*"}`,
    of: (before, after) => (before !== after && isFrom(before) && (to === undefined || isState(after, to)) ? 1 : 0),
  };
}

/** `true` and `false` also match 1 and 0, because booleans are stored as these. */
function isState(value: number | string, state: string): boolean {
  if (typeof value === "string") return value === state;
  if (state === "true") return value === 1;
  if (state === "false") return value === 0;
  return value === Number(state);
}

function distanceOf(condition: Condition, value: number): number {
  if (condition.kind === "compare") return Math.abs(value - condition.limit);
  if (condition.kind === "outside") return Math.max(condition.low - value, value - condition.high);
  return 0;
}

/**
 * What a counter counted between two readings. A counter that falls has begun at 0 again: after its greatest value, if
 * it has one (as Graphite's nonNegativeDerivative computes it), otherwise by a reset.
 */
function stepOf(from: number | string | undefined, to: number | string, { counterMax }: CourseOptions): number {
  if (typeof from !== "number" || typeof to !== "number") return 0;
  if (to >= from) return to - from;
  return counterMax !== undefined && from <= counterMax ? counterMax - from + 1 + to : to;
}
