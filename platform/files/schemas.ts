import { z } from "zod";
import { parseSizeBytes } from "../../domain/size.ts";
import { formatDurationUs, parseDurationUs } from "../../domain/time.ts";

/** From this pattern in a JSON Schema, editors and messages know that a field is a duration. */
export const DURATION_PATTERN = "^(\\d+(\\.\\d+)?(us|ms|s|m|h|d|w))+$";

/** A duration as people write it (`90s`, `1h30m`), parsed to microseconds. The default is written the same way. */
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

/** A duration within bounds that remains a text. */
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

/** From this pattern in a JSON Schema, editors and messages know that a field is a size. */
export const SIZE_PATTERN = "^\\d+(\\.\\d+)?(B|KiB|MiB|GiB|TiB)$";

export const SIZE_EXAMPLES = "write for example 64MiB, 2GiB or 256B";

/** `durationUsBetween`, with its bounds (texts) also in the JSON Schema, for docs/configuration.md. */
export function durationField(min: string, max: string) {
  const bounds = { minUs: known(parseDurationUs(min), min), maxUs: known(parseDurationUs(max), max) };
  return durationUsBetween(bounds).meta({ "x-weir": { kind: "duration", min, max } });
}

/** A size as people write it (`64MiB`, `256B`), within bounds, parsed to bytes. The default is written the same way. */
export function sizeField(min: string, max: string) {
  const [minBytes, maxBytes] = [known(parseSizeBytes(min), min), known(parseSizeBytes(max), max)];
  return z
    .string()
    .meta({ pattern: SIZE_PATTERN })
    .transform((text, context) => {
      const bytes = parseSizeBytes(text);
      if (bytes !== undefined && bytes >= minBytes && bytes <= maxBytes) return bytes;
      const message = bytes === undefined ? `"${text}" is not a size` : `cannot be ${text}`;
      const help = bytes === undefined ? SIZE_EXAMPLES : `write a size from ${min} to ${max}`;
      context.addIssue({ code: "custom", message, params: { help } });
      return z.NEVER;
    })
    .meta({ "x-weir": { kind: "size", min, max } });
}

function known(amount: number | undefined, text: string): number {
  if (amount === undefined) throw new TypeError(`${text} is neither a duration nor a size`);
  return amount;
}
