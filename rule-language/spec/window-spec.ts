import { z } from "zod";
import { parseDurationUs, US_PER_DAY } from "../../domain/time.ts";
import { addFault } from "../../platform/files/fault.ts";
import { durationTextBetween } from "../../platform/files/schemas.ts";
import { suggestDuration } from "../../platform/files/suggest-duration.ts";
import { zone } from "../calendar/active-spec.ts";
import { WEEKDAYS } from "../calendar/window-grid.ts";
import { type Field, type Fields, shapeOf } from "../fields/field.ts";
import { SPEC_TEXTS } from "./spec-texts.ts";

const YEAR_US = 366 * US_PER_DAY;
/** The maximum number of overlapping windows at one instant. Keeping more is no longer cheap. */
const OVERLAP_MAX = 1_000;
const WINDOW_KINDS = ["tumbling", "hopping", "sliding", "session", "count", "calendar", "shifts"] as const;
const TIME_PATTERN = "^([01]\\d|2[0-3]):[0-5]\\d$";
const TIME = new RegExp(TIME_PATTERN);
const SHIFTS_MAX = 48;

/** A local time of day. */
const timeOfDay = z
  .string()
  .meta({ pattern: TIME_PATTERN })
  .superRefine((text, context) => {
    if (!TIME.test(text)) addFault(context, SPEC_TEXTS, { code: "bad_time_of_day", facts: { text } });
  });

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
  calendar: {
    schema: z.enum(["day", "week", "month"]).optional(),
    doc: "Local days, weeks or months. With daylight saving, a day can have 23 or 25 hours.",
    takes: "`day`, `week`, `month`",
    synonyms: ["daily", "weekly", "monthly"],
    examples: [{ value: "day", meaning: "with zone: Europe/Berlin, from midnight to midnight there" }],
  },
  shifts: {
    schema: z.array(timeOfDay).min(1).max(SHIFTS_MAX).optional(),
    doc: "Windows from each of these local times to the next, every day.",
    takes: "list of HH:MM",
    hint: () => ({ example: 'shifts: ["06:00", "14:00", "22:00"]' }),
    examples: [{ value: ["06:00", "14:00", "22:00"], meaning: "early, late and night shift" }],
  },
  zone: {
    schema: zone.optional(),
    doc: "With `calendar` and `shifts`: an IANA time zone, such as Europe/Berlin. Default: UTC.",
    takes: "name of a time zone",
    examples: [{ value: "Europe/Berlin", meaning: "local time in Berlin" }],
  },
  offset: {
    schema: timeOfDay.optional(),
    doc: "With `calendar`: the local time at which a window begins. Default: 00:00.",
    takes: "HH:MM",
    hint: () => ({ example: 'offset: "09:00"' }),
    examples: [{ value: "09:00", meaning: "rain from nine to nine" }],
  },
  starts: {
    schema: z.enum(WEEKDAYS).optional(),
    doc: "With `calendar: week`: its first day. Default: mon.",
    takes: "`mon` to `sun`",
    examples: [{ value: "sun", meaning: "weeks from Sunday to Saturday" }],
  },
} satisfies Fields;

const windowSchema = z
  .strictObject(shapeOf(WINDOW_FIELDS))
  .meta({
    oneOf: ["tumbling", "sliding", "session", "count", "calendar", "shifts"]
      .map((kind) => ({ required: [kind] }))
      .concat({ required: ["hopping", "every"] }),
  })
  .superRefine((value, context) => {
    const found = WINDOW_KINDS.filter((kind) => value[kind] !== undefined);
    if (found.length !== 1)
      addFault(context, SPEC_TEXTS, { code: "window_kinds", facts: { allowed: WINDOW_KINDS, found } });
    checkCalendar(value, context);
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

/** The fields that only calendar windows have, and shifts that repeat. */
function checkCalendar(
  value: z.output<z.ZodObject<ReturnType<typeof shapeOf<typeof WINDOW_FIELDS>>>>,
  context: z.RefinementCtx<unknown>,
): void {
  const { calendar, shifts, zone: zoneName, offset, starts } = value;
  const report = (key: string, needs: string) =>
    addFault(context, SPEC_TEXTS, { code: "calendar_field", facts: { key, needs }, path: [key], part: "key" });
  if (zoneName !== undefined && calendar === undefined && shifts === undefined)
    report("zone", "`calendar` or `shifts`");
  if (offset !== undefined && calendar === undefined) report("offset", "`calendar`");
  if (starts !== undefined && calendar !== "week") report("starts", "`calendar: week`");
  const again = shifts?.find((time, i) => shifts.indexOf(time) < i);
  if (again !== undefined)
    addFault(context, SPEC_TEXTS, { code: "shift_twice", facts: { time: again }, path: ["shifts"] });
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
