import { z } from "zod";
import { isDate, parseDays, parseHours, suggestDate, suggestDays, suggestHours } from "./active-texts.ts";
import { zoneNamed } from "./time-zone.ts";

/** Parts of one `active`, and dates of one part: more is a mistake. */
const PARTS_MAX = 20;
const DATES_MAX = 1_000;

interface Kind {
  readonly what: string;
  readonly example: string;
  isRight(text: string): boolean;
  suggest(text: string): string | undefined;
}

function textOf({ what, example, isRight, suggest }: Kind) {
  return z.string().superRefine((text, context) => {
    if (isRight(text)) return;
    const meant = suggest(text);
    const help = meant === undefined ? example : `write ${meant}`;
    context.addIssue({ code: "custom", message: `"${text}" ${what}`, params: { code: "E003", help } });
  });
}

const day = textOf({
  what: "is no day of the week",
  example: "write mon, tue, wed, thu, fri, sat, sun, or several like mon-fri",
  isRight: (text) => parseDays(text) !== undefined,
  suggest: suggestDays,
});

const hours = textOf({
  what: "are no hours of a day",
  example:
    'write "HH:MM-HH:MM", from 00:00 to 24:00, like "07:00-18:00"; one past midnight is "22:00-06:00", a whole day "00:00-24:00"',
  isRight: (text) => parseHours(text) !== undefined,
  suggest: suggestHours,
});

const date = textOf({
  what: "is no date",
  example: 'write "MM-DD" for a day of each year, "YYYY-MM-DD" for one day',
  isRight: isDate,
  suggest: suggestDate,
});

const zone = z.string().superRefine((name, context) => {
  const named = zoneNamed(name);
  if (named.ok) return;
  context.addIssue({
    code: "custom",
    message: `"${name}" is no time zone`,
    params: { code: "E003", help: named.help },
  });
});

const part = z
  .strictObject({
    days: z.array(day).min(1).optional().describe("Days of the week, mon to sun; also mon-fri. Default: all."),
    hours: z
      .array(hours)
      .min(1)
      .optional()
      .describe("Local hours HH:MM-HH:MM. Those past midnight belong to the day on which they begin. Default: all."),
    zone: zone.default("UTC").describe("Whose local time: a name of the IANA list, like Europe/Berlin."),
    except: z.array(date).min(1).max(DATES_MAX).optional().describe("Days on which not: MM-DD or YYYY-MM-DD."),
  })
  .superRefine(({ days, hours, except }, context) => {
    if (days !== undefined || hours !== undefined || except !== undefined) return;
    const help = 'write for example active: { days: [mon-fri], hours: ["07:00-18:00"], zone: Europe/Berlin }';
    context.addIssue({ code: "custom", message: "`active` says neither days, hours nor except", params: { help } });
  });

/** When a rule is active. */
export const activeSchema = z.union([part, z.array(part).min(1).max(PARTS_MAX)]);

export type ActiveSpec = z.output<typeof activeSchema>;
