import { NUMBER_PATTERN } from "../../../domain/number-text.ts";

/** A line of a rule's condition on a chart, and the side of the line on which the rule alerts. */
export interface Threshold {
  readonly value: number;
  readonly alertSide: "above" | "below";
}

const COMPARISON = new RegExp(`^\\s*(>=|<=|==|!=|>|<)\\s*(${NUMBER_PATTERN})\\s*$`);
const SPAN = new RegExp(`^\\s*(between|outside)\\s+(${NUMBER_PATTERN})\\s+and\\s+(${NUMBER_PATTERN})\\s*$`, "i");

/** The lines of a condition like `> 8` or `outside 2 and 8`; none for conditions over several series or words. */
export function thresholdsOf(condition: string): readonly Threshold[] {
  const comparison = COMPARISON.exec(condition);
  if (comparison !== null) {
    const value = Number(comparison[2]);
    return [{ value, alertSide: comparison[1]?.startsWith("<") === true ? "below" : "above" }];
  }
  const span = SPAN.exec(condition);
  if (span === null) return [];
  const low = Math.min(Number(span[2]), Number(span[3]));
  const high = Math.max(Number(span[2]), Number(span[3]));
  const outside = span[1]?.toLowerCase() === "outside";
  return [
    { value: low, alertSide: outside ? "below" : "above" },
    { value: high, alertSide: outside ? "above" : "below" },
  ];
}

/** One series' lines of a condition over several series: its comparisons with numbers, joined by `&&`. */
export function thresholdsWithin(condition: string, name: string): readonly Threshold[] {
  return condition.split("&&").flatMap((part) => {
    const text = part.trim();
    return text.startsWith(name) && /^\s*[<>]/.test(text.slice(name.length))
      ? thresholdsOf(text.slice(name.length))
      : [];
  });
}
