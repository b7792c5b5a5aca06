import { z } from "zod";
import { formatDurationUs, parseDurationUs } from "../../domain/time.ts";

/** By this pattern in a JSON Schema, editors check a duration and messages know one. */
export const DURATION_PATTERN = "^(\\d+(\\.\\d+)?(us|ms|s|m|h|d|w))+$";

/** A duration as people write it (`90s`, `1h30m`), parsed to microseconds. The default is written likewise. */
export function durationUs() {
  return durationText().transform((text, context) => {
    const us = parseDurationUs(text);
    if (us !== undefined) return us;
    const message = `"${text}" is not a duration; write for example 30s, 5m or 1h30m`;
    context.addIssue({ code: "custom", message, params: { duration: true } });
    return z.NEVER;
  });
}

interface Bounds {
  readonly minUs: number;
  readonly maxUs: number;
}

/** `durationUs` within bounds, both in microseconds. */
export function durationUsBetween(bounds: Bounds) {
  return durationUs().superRefine((us, context) => checkBounds(us, bounds, context));
}

/** A duration within bounds that stays text. */
export function durationTextBetween(bounds: Bounds) {
  return durationText().superRefine((text, context) => {
    const us = parseDurationUs(text);
    if (us !== undefined) return checkBounds(us, bounds, context);
    context.addIssue({ code: "custom", message: `"${text}" is not a duration`, params: { duration: true } });
  });
}

function durationText() {
  return z.string().meta({ pattern: DURATION_PATTERN });
}

function checkBounds(us: number, { minUs, maxUs }: Bounds, context: z.RefinementCtx<unknown>): void {
  if (us >= minUs && us <= maxUs) return;
  const message = `must be from ${formatDurationUs(minUs)} to ${formatDurationUs(maxUs)}`;
  context.addIssue({ code: "custom", message, params: { minUs, maxUs } });
}
