const MINUTE_US = 60_000_000;

/** How much event time a chart can show. */
export const RANGES = [
  { id: "15m", label: "15 min", us: 15 * MINUTE_US },
  { id: "1h", label: "1 h", us: 60 * MINUTE_US },
  { id: "6h", label: "6 h", us: 6 * 60 * MINUTE_US },
  { id: "24h", label: "24 h", us: 24 * 60 * MINUTE_US },
  { id: "7d", label: "7 days", us: 7 * 24 * 60 * MINUTE_US },
  { id: "30d", label: "30 days", us: 30 * 24 * 60 * MINUTE_US },
  { id: "90d", label: "90 days", us: 90 * 24 * 60 * MINUTE_US },
  { id: "1y", label: "1 year", us: 365 * 24 * 60 * MINUTE_US },
] as const;

export type Range = (typeof RANGES)[number];

/** A fixed span of the past: `[fromUs, toUs)`. */
export interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

const SPAN_US_MIN = 1_000_000;
const SPAN_US_MAX = 366 * 24 * 60 * MINUTE_US;

/** A span by its middle and length. The length is limited to what a chart can show. */
export function spanAround(middleUs: number, lengthUs: number): Span {
  const us = Math.min(Math.max(lengthUs, SPAN_US_MIN), SPAN_US_MAX);
  const fromUs = Math.round(middleUs - us / 2);
  return { fromUs, toUs: fromUs + Math.round(us) };
}

/** Enough readings for a good first picture: fewer look empty, more look like noise. */
const POINTS_WANTED = 120;

export function rangeById(id: string | undefined): Range | undefined {
  return RANGES.find((range) => range.id === id);
}

/** Longer ranges need a person's choice, because a single reading says nothing about its pace. */
const FIRST_LONGEST = "30d";

/** The shortest range that covers a time; thirty days at most. */
export function rangeCovering(us: number): Range {
  return RANGES.find((range) => range.us >= us || range.id === FIRST_LONGEST) ?? RANGES[0];
}

/** The shortest range that holds enough readings of a series at this pace. */
export function rangeForInterval(intervalUs: number): Range {
  return rangeCovering(intervalUs * POINTS_WANTED);
}

/** The readings of a span: how many, and when the first was. */
export interface Sample extends Span {
  readonly readings: number;
  readonly firstUs: number;
}

/**
 * The first range for a series, by a sample of it. It holds enough readings, but is no longer than the past of the
 * series: a sensor that began a minute ago would be a dot at the edge of a month.
 */
export function rangeForSample({ fromUs, toUs, readings, firstUs }: Sample): Range {
  if (readings < 2) return RANGES[0];
  const pastUs = toUs - firstUs;
  const intervalUs = pastUs / (readings - 1);
  const beganWithin = firstUs - fromUs > 2 * intervalUs;
  return beganWithin ? rangeCovering(Math.min(intervalUs * POINTS_WANTED, pastUs)) : rangeForInterval(intervalUs);
}

/** The usual time between two readings; undefined with fewer than two. */
export function medianIntervalUs(atUs: ArrayLike<number>): number | undefined {
  const steps: number[] = [];
  for (let i = Math.max(1, atUs.length - 200); i < atUs.length; i++) {
    const stepUs = (atUs[i] ?? 0) - (atUs[i - 1] ?? 0);
    if (stepUs > 0) steps.push(stepUs);
  }
  steps.sort((a, b) => a - b);
  return steps[steps.length >> 1];
}
