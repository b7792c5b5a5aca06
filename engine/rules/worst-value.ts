import { checkedCondition } from "../../rule-language/spec/checked.ts";
import { levelsOf } from "../../rule-language/spec/levels-spec.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";

/** Which of two values of an incident is worse (docs/windows.md, "Incidents"). */
export interface WorstValue {
  /** An edit that changes it makes earlier values meaningless. */
  readonly identity: string;
  isWorse(value: number, than: number): boolean;
}

type IsWorse = WorstValue["isWorse"];

const isGreater: IsWorse = (value, than) => value > than;
const isLess: IsWorse = (value, than) => value < than;

/** The spec must have passed its checks. Undefined for conditions without a direction. */
export function worstValueOf(spec: RuleSpec): WorstValue | undefined {
  if (spec.absent !== undefined) return { identity: "longest silence", isWorse: isGreater };
  const [least] = levelsOf(spec);
  if (least === undefined || spec.let !== undefined) return undefined;
  const when = checkedCondition(least.when);
  const aggregate = spec.aggregate[0] ?? "";
  if (when.kind === "outside") {
    const { low, high } = when;
    const distance = (value: number) => Math.max(low - value, value - high);
    return { identity: `farthest ${aggregate}`, isWorse: (value, than) => distance(value) > distance(than) };
  }
  if (when.kind !== "compare") return undefined;
  switch (when.operator) {
    case ">":
    case ">=":
      return { identity: `greatest ${aggregate}`, isWorse: isGreater };
    case "<":
    case "<=":
      return { identity: `least ${aggregate}`, isWorse: isLess };
    case "==":
    case "!=":
      return undefined;
  }
}
