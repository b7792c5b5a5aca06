import type { Severity } from "../../domain/alert.ts";
import { SEVERITIES } from "../../domain/alert.ts";
import type { Aggregate } from "../../rule-language/aggregates/aggregate.ts";
import { type Level, levelsOf } from "../../rule-language/spec/levels-spec.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { type AggregateValues, type ConditionState, compileCondition, type EvaluateConditions } from "./conditions.ts";

/** The conditions of a window by level. Bit `i` is the level of `SEVERITIES[i]`. */
export interface LevelsState extends ConditionState {
  /** The levels that hold: where one does, all less severe ones do. */
  readonly held: number;
  readonly cleared: number;
}

/** The levels of a rule (docs/windows.md, "Levels"). */
export interface RuleLevels {
  /** The least severe first. */
  readonly levels: readonly Level[];
  readonly least: Severity;
  /** The bits of the levels above the least severe one. */
  readonly above: number;
  /** Undefined if a value that the conditions need is missing. */
  evaluate(values: AggregateValues): LevelsState | undefined;
}

/** Where no level holds, and all clear. */
export const NO_LEVEL: LevelsState = { holds: false, clears: true, held: 0, cleared: 2 ** SEVERITIES.length - 1 };

/** The spec must have passed its checks. Undefined for a rule without `levels`. */
export function compileLevels(spec: RuleSpec, aggregates: readonly Aggregate[]): RuleLevels | undefined {
  if (spec.levels === undefined) return undefined;
  const levels = levelsOf(spec);
  const [first] = levels;
  if (first === undefined) throw new TypeError("unchecked rule: `levels` is empty");
  const compiled = levels.map(({ severity, when, clear }) => ({
    bit: bitOf(severity),
    isExplicit: clear !== undefined,
    evaluate: compileCondition(spec, { when, clear }, aggregates),
  }));
  return {
    levels,
    least: first.severity,
    above: bitsOf(levels.slice(1)),
    evaluate: (values) => stateOf(compiled, values),
  };
}

interface CompiledLevel {
  readonly bit: number;
  /** It has a `clear` of its own. */
  readonly isExplicit: boolean;
  readonly evaluate: EvaluateConditions;
}

function stateOf(levels: readonly CompiledLevel[], values: AggregateValues): LevelsState | undefined {
  let held = 0;
  let cleared = 0;
  let isHeld = false;
  for (let i = levels.length - 1; i >= 0; i--) {
    const { bit, isExplicit, evaluate } = levels[i] as CompiledLevel;
    const state = evaluate(values);
    if (state === undefined) return undefined;
    isHeld ||= state.holds;
    if (isHeld) held |= bit;
    if (isExplicit ? state.clears : !isHeld) cleared |= bit;
  }
  return { holds: isHeld, clears: (cleared & (levels[0]?.bit ?? 0)) !== 0, held, cleared };
}

export function bitOf(severity: Severity): number {
  return 2 ** SEVERITIES.indexOf(severity);
}

function bitsOf(levels: readonly Level[]): number {
  return levels.reduce((bits, { severity }) => bits | bitOf(severity), 0);
}
