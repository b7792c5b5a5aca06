import type { FaultTexts } from "../../platform/files/fault.ts";

interface Suggested {
  readonly text: string;
  readonly meant: string | undefined;
}

/** The faults of `active`. */
export interface CalendarFacts {
  bad_day: Suggested;
  bad_hours: Suggested;
  bad_date: Suggested;
  bad_zone: Suggested;
  active_empty: Record<never, never>;
}

export const ACTIVE_EXAMPLE = 'active: { days: [mon-fri], hours: ["07:00-18:00"], zone: Europe/Berlin }';

export const CALENDAR_TEXTS: FaultTexts<CalendarFacts> = {
  bad_day: ({ text, meant }) => ({
    message: `"${text}" is not a day of the week`,
    help: `write ${meant ?? "mon, tue, wed, thu, fri, sat, sun, or several like mon-fri"}`,
  }),
  bad_hours: ({ text, meant }) => ({
    message: `"${text}" is not a span of hours`,
    help:
      meant === undefined
        ? 'write "HH:MM-HH:MM", from 00:00 to 24:00, like "07:00-18:00"; "22:00-06:00" ends the next day'
        : `write ${meant}`,
  }),
  bad_date: ({ text, meant }) => ({
    message: `"${text}" is not a date`,
    help: `write ${meant ?? '"MM-DD" for a day of each year, "YYYY-MM-DD" for one day'}`,
  }),
  bad_zone: ({ text, meant }) => ({
    message: `"${text}" is not a time zone`,
    help: meant === undefined ? 'write an IANA name, like "Europe/Berlin" or UTC' : `did you mean "${meant}"?`,
  }),
  active_empty: () => ({
    message: "`active` has neither days, hours nor except",
    help: `write for example ${ACTIVE_EXAMPLE}`,
  }),
};
