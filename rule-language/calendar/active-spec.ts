import { z } from "zod";
import { addFault } from "../../platform/files/fault.ts";
import type { FieldHint } from "../../platform/files/schema-faults.ts";
import { type Field, type Fields, shapeOf } from "../fields/field.ts";
import { isDate, parseDays, parseHours, suggestDate, suggestDays, suggestHours } from "./active-texts.ts";
import { ACTIVE_EXAMPLE, CALENDAR_TEXTS } from "./calendar-texts.ts";
import { isZone, suggestZone } from "./time-zone.ts";

/** The maximum numbers of parts of one `active` and of dates of one part. More are a mistake. */
const PARTS_MAX = 20;
const DATES_MAX = 1_000;

const DAY = "(mon|tue|wed|thu|fri|sat|sun)";
const HOUR = "([01]\\d|2[0-3]):[0-5]\\d";

interface PartKind {
  readonly code: "bad_day" | "bad_hours" | "bad_date";
  /** For editors. */
  readonly pattern: string;
  isRight(text: string): boolean;
  suggest(text: string): string | undefined;
}

function textOf({ code, pattern, isRight, suggest }: PartKind) {
  return z
    .string()
    .meta({ pattern })
    .superRefine((text, context) => {
      if (!isRight(text)) addFault(context, CALENDAR_TEXTS, { code, facts: { text, meant: suggest(text) } });
    });
}

const day = textOf({
  code: "bad_day",
  pattern: `^${DAY}(-${DAY})?$`,
  isRight: (text) => parseDays(text) !== undefined,
  suggest: suggestDays,
});
const hours = textOf({
  code: "bad_hours",
  pattern: `^${HOUR}-(${HOUR}|24:00)$`,
  isRight: (text) => parseHours(text) !== undefined,
  suggest: suggestHours,
});
const date = textOf({
  code: "bad_date",
  pattern: "^(\\d{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$",
  isRight: isDate,
  suggest: suggestDate,
});

/** The name of a time zone. */
export const zone = z.string().superRefine((text, context) => {
  if (!isZone(text)) addFault(context, CALENDAR_TEXTS, { code: "bad_zone", facts: { text, meant: suggestZone(text) } });
});

/** A hint for a list written as one text. */
function listOf(key: string, suggest: (text: string) => string | undefined) {
  return (value: unknown): FieldHint => {
    if (typeof value !== "string" && typeof value !== "number") return {};
    return { example: `${key}: ["${suggest(String(value)) ?? value}"]` };
  };
}

const PART_FIELDS = {
  days: {
    schema: z.array(day).min(1).optional(),
    doc: "Days of the week, from mon to sun, or ranges such as mon-fri. Default: all.",
    takes: "list of texts",
    synonyms: ["weekdays", "day", "day_of_week"],
    hint: listOf("days", suggestDays),
  },
  hours: {
    schema: z.array(hours).min(1).optional(),
    doc: "Local hours HH:MM-HH:MM. Hours past midnight belong to the day on which they begin. Default: all.",
    takes: "list of texts",
    synonyms: ["hour", "from", "start", "end", "between"],
    hint: listOf("hours", suggestHours),
  },
  zone: {
    schema: zone.default("UTC"),
    doc: "The time zone of days, hours and dates: an IANA name such as Europe/Berlin.",
    takes: "name of a time zone",
    synonyms: ["timezone", "time_zone", "tz", "location"],
  },
  except: {
    schema: z.array(date).min(1).max(DATES_MAX).optional(),
    doc: "Days on which the rule is not active: MM-DD or YYYY-MM-DD.",
    takes: "list of texts",
    synonyms: ["holidays", "holiday", "exclude", "excluding", "dates"],
    hint: listOf("except", suggestDate),
  },
} satisfies Fields;

const part = z
  .strictObject(shapeOf(PART_FIELDS))
  .meta({ anyOf: ["days", "hours", "except"].map((key) => ({ required: [key] })) })
  .superRefine(({ days, hours, except }, context) => {
    if (days !== undefined || hours !== undefined || except !== undefined) return;
    addFault(context, CALENDAR_TEXTS, { code: "active_empty", facts: {} });
  });

export const activeSchema = z.union([part, z.array(part).min(1).max(PARTS_MAX)]);

/** When a rule is active: one part, or several of which at least one must apply. */
export type ActiveSpec = z.output<typeof activeSchema>;

export const ACTIVE = {
  schema: activeSchema.optional(),
  doc: "When the rule is active, in local time. A list is active when any of its parts is. At other times no alert begins, and open alerts end.",
  takes: "the fields below, or a list of them",
  isOfAlerts: true,
  synonyms: [
    ...["schedule", "time", "active_time", "active_times", "active_time_intervals", "time_intervals", "time_window"],
    ...["calendar", "only"],
  ],
  fields: PART_FIELDS,
  hint(value) {
    const text = [value].flat().find((one) => typeof one === "string") ?? "";
    const days = suggestDays(text);
    const span = suggestHours(text);
    if (days === undefined && span === undefined) return { example: ACTIVE_EXAMPLE };
    return { example: `active: { ${days === undefined ? `hours: ["${span}"]` : `days: [${days}]`} }` };
  },
  examples: [
    {
      value: { days: ["mon-fri"], hours: ["07:00-18:00"], zone: "Europe/Berlin", except: ["12-25", "2026-04-03"] },
      meaning: "working hours in Berlin, except on two dates",
    },
    {
      value: [{ hours: ["22:00-06:00"] }, { days: ["sat-sun"] }],
      meaning: "nights and weekends, in UTC; a night belongs to the day on which it begins",
    },
  ],
} satisfies Field;
