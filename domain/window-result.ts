import type { Tags } from "./reading.ts";

/** The aggregates of one group over one window `[startUs, endUs)`. */
export interface WindowResult {
  readonly rule: string;
  /** The group's labels: the `group_by` labels that its series have. Results of one group share the object. */
  readonly labels: Tags;
  readonly startUs: number;
  readonly endUs: number;
  /** 0 for the first result; late readings correct it with a higher revision. */
  readonly revision: number;
  /** By name, in the rule's order: `{ avg: 21.5, max: 23 }`. NaN where there is no value. Empty in a retraction. */
  readonly aggregates: Readonly<Record<string, number | string>>;
}

/** A result that several rules share, because they share their windows. */
export interface SharedResult extends Omit<WindowResult, "rule"> {
  readonly rules: readonly string[];
}

/** One result for each of its rules, under the rule's name. */
export function resultsOfRules(shared: SharedResult): WindowResult[] {
  const { rules, ...rest } = shared;
  return rules.map((rule) => ({ rule, ...rest }));
}

/** Whether the result retracts the window at `startUs`: its session was merged into an earlier one. */
export function isRetraction(result: WindowResult): boolean {
  return result.endUs === result.startUs;
}

/** The window results of one step, or of several consecutive steps. */
export interface WindowsFrame {
  /** The task that computed them: a partition of READINGS, or P + a share of GROUPS. */
  readonly partition: number;
  /** Log sequences of the first and last input entry behind these results. */
  readonly firstInput: number;
  readonly lastInput: number;
  readonly part: number;
  readonly parts: number;
  readonly results: readonly WindowResult[];
}

/** Names one row of results; later revisions replace it. */
export function windowKey(result: WindowResult): string {
  const labels = Object.keys(result.labels).sort();
  let key = result.rule;
  for (const name of labels) key += `\u0000${name}\u0001${result.labels[name]}`;
  return key;
}
