import type { Tags } from "./reading.ts";

/** The aggregates of one group over one window `[startUs, endUs)`. */
export interface WindowResult {
  readonly rule: string;
  /** The group's labels, always with `device`; with `metric` unless the rule groups it away. */
  readonly labels: Tags;
  readonly startUs: number;
  readonly endUs: number;
  /** 0 for the first result; late readings correct it under a higher revision. */
  readonly revision: number;
  /** By name, in the order of the rule: `{ avg: 21.5, max: 23 }`. */
  readonly aggregates: Readonly<Record<string, number>>;
}

/** All that one step, or a few in a row, said about windows of a partition. */
export interface WindowsFrame {
  readonly partition: number;
  /** Log sequences of the first and last input entry behind these results. */
  readonly firstInput: number;
  readonly lastInput: number;
  readonly part: number;
  readonly parts: number;
  readonly results: readonly WindowResult[];
}

/** Names one row of results: its later revisions replace it. */
export function windowKey(result: WindowResult): string {
  const labels = Object.keys(result.labels).sort();
  let key = result.rule;
  for (const name of labels) key += `\u0000${name}\u0001${result.labels[name]}`;
  return key;
}
