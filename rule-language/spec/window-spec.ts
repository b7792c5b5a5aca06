import { z } from "zod";
import { parseDurationUs, US_PER_DAY } from "../../domain/time.ts";
import { addFault } from "../../platform/files/fault.ts";
import { durationTextBetween } from "../../platform/files/schemas.ts";
import { suggestDuration } from "../../platform/files/suggest-duration.ts";
import { type Field, type Fields, shapeOf } from "../fields/field.ts";
import { SPEC_TEXTS } from "./spec-texts.ts";

const YEAR_US = 366 * US_PER_DAY;
/** The maximum number of overlapping windows at one instant. Keeping more is no longer cheap. */
const OVERLAP_MAX = 1_000;
const WINDOW_KINDS = ["tumbling", "hopping", "sliding", "session", "count"] as const;

/** A duration that stays a text, because the log stores the checked rule. */
export function duration(minUs: number) {
  return durationTextBetween({ minUs, maxUs: YEAR_US });
}

const WINDOW_FIELDS = {
  tumbling: {
    schema: duration(1000).optional(),
    doc: "Windows of this length, one after the other, aligned to 1970-01-01 UTC.",
    takes: "duration",
    examples: [{ value: "1m", meaning: "10:00 to 10:01, 10:01 to 10:02..." }],
  },
  hopping: {
    schema: duration(1000).optional(),
    doc: "Overlapping windows of this length. `every` sets how often one begins.",
    takes: "duration",
    examples: [{ value: "5m", meaning: "with every: 30s, the last five minutes, every half minute" }],
  },
  every: {
    schema: duration(1000).optional(),
    doc: "With `hopping`: how often a window begins. The length must be a multiple of it.",
    takes: "duration",
    examples: [{ value: "30s", meaning: "a window begins at :00 and :30" }],
  },
  sliding: {
    schema: duration(1000).optional(),
    doc: "For each reading, the window of this length that ends with it.",
    takes: "duration",
    examples: [{ value: "5m", meaning: "the five minutes up to each reading" }],
  },
  session: {
    schema: duration(1000).optional(),
    doc: "Readings less than this apart belong to the same window.",
    takes: "duration",
    examples: [{ value: "30s", meaning: "a run of readings; 30 s of silence end it" }],
  },
  count: {
    schema: z.int().min(1).max(100_000).optional(),
    doc: "Windows of this many consecutive readings.",
    takes: "whole number",
    examples: [{ value: 20, meaning: "every 20 readings" }],
    hint: () => ({ example: "count: 20" }),
  },
  step: {
    schema: z.int().min(1).max(100_000).optional(),
    doc: "With `count`: after how many readings a window ends. It holds the last `count` readings. Default: `count`, so that each reading is in one window.",
    takes: "whole number",
    examples: [{ value: 1, meaning: "the last readings, at each reading" }],
    hint: () => ({ example: "step: 1" }),
  },
} satisfies Fields;

const windowSchema = z
  .strictObject(shapeOf(WINDOW_FIELDS))
  .meta({
    oneOf: ["tumbling", "sliding", "session", "count"]
      .map((kind) => ({ required: [kind] }))
      .concat({ required: ["hopping", "every"] }),
  })
  .superRefine((value, context) => {
    const found = WINDOW_KINDS.filter((kind) => value[kind] !== undefined);
    if (found.length !== 1)
      addFault(context, SPEC_TEXTS, { code: "window_kinds", facts: { allowed: WINDOW_KINDS, found } });
    const { hopping, every } = value;
    checkStep(value, context);
    const path = ["every"];
    if (hopping === undefined) {
      if (every !== undefined) addFault(context, SPEC_TEXTS, { code: "every_alone", facts: {}, path });
      return;
    }
    if (every === undefined) {
      addFault(context, SPEC_TEXTS, { code: "hopping_alone", facts: { hopping }, path });
      return;
    }
    const sizeUs = parseDurationUs(hopping) ?? 0;
    const everyUs = parseDurationUs(every) ?? 0;
    if (sizeUs === 0 || everyUs === 0) return;
    const count = sizeUs / everyUs;
    if (!Number.isInteger(count))
      addFault(context, SPEC_TEXTS, { code: "not_a_multiple", facts: { hopping, every }, path });
    else if (count > OVERLAP_MAX) {
      const facts = { hopping, every, count, max: OVERLAP_MAX };
      addFault(context, SPEC_TEXTS, { code: "too_much_overlap", facts, path });
    }
  });

function checkStep(
  { count, step }: { readonly count?: number | undefined; readonly step?: number | undefined },
  context: Parameters<typeof addFault>[0],
): void {
  if (step === undefined) return;
  const path = ["step"];
  if (count === undefined) addFault(context, SPEC_TEXTS, { code: "step_alone", facts: {}, path });
  else if (step > count || count / step > OVERLAP_MAX)
    addFault(context, SPEC_TEXTS, { code: "bad_step", facts: { count, step, max: OVERLAP_MAX }, path });
}

/** `window`, in a rule or in a name of `let`. */
export const WINDOW = {
  schema: windowSchema.optional(),
  doc: "The readings over which the rule computes its aggregates.",
  takes: "one of those below",
  for: ["window", "let"],
  fields: WINDOW_FIELDS,
  examples: [{ value: { tumbling: "1m" }, meaning: "every minute" }],
  hint(value) {
    const size = typeof value === "number" ? `${value}s` : (suggestDuration(String(value)) ?? "1m");
    return { example: `window: { tumbling: ${size} }` };
  },
} satisfies Field;
