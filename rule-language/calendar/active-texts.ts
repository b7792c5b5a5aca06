const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES_PER_DAY = 24 * 60;

/** The weekdays of a text like `mon` or `mon-fri`, from 0 for Monday; undefined for any other text. */
export function parseDays(text: string): number[] | undefined {
  const [, first = "", last = first] = /^([a-z]{3})(?:-([a-z]{3}))?$/.exec(text) ?? [];
  const from = DAYS.indexOf(first);
  const until = DAYS.indexOf(last);
  if (from < 0 || until < 0) return undefined;
  const count = ((until - from + 7) % 7) + 1;
  return Array.from({ length: count }, (_, i) => (from + i) % 7);
}

/** Minutes from midnight. A span past midnight ends before it begins. */
export interface Hours {
  readonly from: number;
  readonly until: number;
}

/** Local hours like `07:00-18:00` or `22:00-06:00`; undefined for any other text. */
export function parseHours(text: string): Hours | undefined {
  const match = /^(\d\d):([0-5]\d)-(\d\d):([0-5]\d)$/.exec(text);
  if (match === null) return undefined;
  const [, fromHour, fromMinute, untilHour, untilMinute] = match;
  const from = Number(fromHour) * 60 + Number(fromMinute);
  const until = Number(untilHour) * 60 + Number(untilMinute);
  return from < MINUTES_PER_DAY && until <= MINUTES_PER_DAY && from !== until ? { from, until } : undefined;
}

/** Whether a text is a day of every year (`12-25`) or of one year (`2026-04-03`). */
export function isDate(text: string): boolean {
  const [, year = "2024", month, day] = /^(?:(\d{4})-)?(\d\d)-(\d\d)$/.exec(text) ?? [];
  if (month === undefined || day === undefined) return false;
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.getUTCDate() === Number(day);
}

/** Reads the days in `Monday`, `Mo - Fr`, `weekdays` or `Mon to Fri`. */
export function suggestDays(text: string): string | undefined {
  const plain = text.trim().toLowerCase();
  if (/^(?:week|work(?:ing)?)[ _-]?days?$/.test(plain)) return "mon-fri";
  if (/^week[ _-]?ends?$/.test(plain)) return "sat-sun";
  if (/^(?:all|every ?day|daily|\*|any)$/.test(plain)) return "mon-sun";
  const words = plain.split(/\s*(?:-|–|\.\.+|\bto\b|\buntil\b)\s*/).map(dayOf);
  const [first, last] = words;
  if (words.length > 2 || words.includes(undefined)) return undefined;
  return last === undefined ? first : `${first}-${last}`;
}

function dayOf(word: string): string | undefined {
  const found = word.length < 2 ? undefined : DAYS.find((day) => word.startsWith(day) || day.startsWith(word));
  return found !== undefined && /^[a-z]*$/.test(word) ? found : undefined;
}

/** Reads the hours in `7-18`, `7:00 - 18:00`, `0700-1800` or `7am-6pm`. */
export function suggestHours(text: string): string | undefined {
  const times = text
    .trim()
    .toLowerCase()
    .split(/\s*(?:-|–|\.\.+|\bto\b|\buntil\b)\s*/);
  const [from, until] = times.map(timeOf);
  const meant = `${from}-${until}`;
  return times.length === 2 && parseHours(meant) !== undefined ? meant : undefined;
}

function timeOf(text: string): string | undefined {
  const [, hour, minute = "00", half] = /^(\d{1,2})[:.h]?(\d\d)?(?::\d\d)?\s*(am|pm)?$/.exec(text) ?? [];
  if (hour === undefined) return undefined;
  const hours = half === undefined ? Number(hour) : (Number(hour) % 12) + (half === "pm" ? 12 : 0);
  return `${String(hours).padStart(2, "0")}:${minute}`;
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** Reads the date in `25.12.`, `12/25`, `Dec 25`, `3.4.2026` or `2026/4/3`. */
export function suggestDate(text: string): string | undefined {
  const plain = text.trim().toLowerCase();
  const [, year, month, day] = /^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$/.exec(plain) ?? [];
  if (year !== undefined) return dateOf(year, month, day);
  const [, german, germanMonth, germanYear] = /^(\d{1,2})\.\s*(\d{1,2})\.?\s*(\d{4})?$/.exec(plain) ?? [];
  if (german !== undefined) return dateOf(germanYear, germanMonth, german);
  const [, americanMonth, american, americanYear] = /^(\d{1,2})[-/](\d{1,2})(?:\/(\d{4}))?$/.exec(plain) ?? [];
  if (american !== undefined) return dateOf(americanYear, americanMonth, american);
  const named = MONTHS.findIndex((name) => plain.includes(name));
  const [inWords] = /\b\d{1,2}\b/.exec(plain) ?? [];
  const [yearInWords] = /\b\d{4}\b/.exec(plain) ?? [];
  return named < 0 ? undefined : dateOf(yearInWords, String(named + 1), inWords);
}

function dateOf(year: string | undefined, month = "", day = ""): string | undefined {
  const date = `${year === undefined ? "" : `${year}-`}${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
  return isDate(date) ? date : undefined;
}
