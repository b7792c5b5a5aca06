import { oracleLevels } from "./levels.ts";
import type { OracleRule } from "./model.ts";

/** The worst of an incident's values, in the order in which they were evaluated; undefined where there is none. */
export function worstOf(rule: OracleRule, values: readonly (number | string)[]): number | undefined {
  const badness = badnessOf(rule);
  const numbers = values.filter((value) => typeof value === "number");
  if (badness === undefined || numbers.length === 0) return undefined;
  const most = Math.max(...numbers.map(badness));
  return numbers.find((value) => badness(value) === most);
}

/** Whether the values of an incident stay comparable when its rule is edited. */
export function sameDirection(before: OracleRule, after: OracleRule): boolean {
  return JSON.stringify(directionOf(before)) === JSON.stringify(directionOf(after));
}

/** The word that gives the direction, and the aggregate that it is about. */
function directionOf(rule: OracleRule): readonly string[] | undefined {
  const { let: names, absent, aggregate } = rule;
  if (absent !== undefined) return ["absent"];
  const [, sign] = /^(>|<|outside)/.exec(oracleLevels(rule)[0]?.when.trim() ?? "") ?? [];
  return sign === undefined || names !== undefined ? undefined : [sign, aggregate[0] ?? ""];
}

/** The greater, the worse. */
function badnessOf(rule: OracleRule): ((value: number) => number) | undefined {
  const [sign] = directionOf(rule) ?? [];
  if (sign === undefined) return undefined;
  if (sign !== "outside") return (value) => (sign === "<" ? -value : value);
  const [, low, , high] = oracleLevels(rule)[0]?.when.trim().split(/\s+/) ?? [];
  return (value) => Math.max(Number(low) - value, value - Number(high));
}
