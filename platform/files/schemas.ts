import { z } from "zod";
import { formatDurationUs, parseDurationUs } from "../../domain/time.ts";

/** A duration as people write it (`90s`, `1h30m`); parsed to microseconds. The default is written likewise. */
export function durationUs() {
  return z.string().transform((text, context) => {
    const us = parseDurationUs(text);
    if (us !== undefined) return us;
    context.addIssue({ code: "custom", message: `"${text}" is not a duration; write for example 30s, 5m or 1h30m` });
    return z.NEVER;
  });
}

/** `durationUs` within bounds, both in microseconds. */
export function durationUsBetween(bounds: { readonly minUs: number; readonly maxUs: number }) {
  const { minUs, maxUs } = bounds;
  return durationUs().refine((us) => us >= minUs && us <= maxUs, {
    error: `must be from ${formatDurationUs(minUs)} to ${formatDurationUs(maxUs)}`,
  });
}
