/** A date and time as a text says it. */
export interface WrittenTime {
  /** Microseconds since the epoch, as if the text were in UTC. */
  readonly us: number;
  /** What to subtract for UTC; undefined: the text has no offset. */
  readonly offsetUs: number | undefined;
}

/** Reads one text by a pattern; undefined if it does not fit. Takes time in proportion to the pattern. */
export type TimePattern = (text: string) => WrittenTime | undefined;

/** Patterns by name. */
export const NAMED_PATTERNS: Readonly<Record<string, string>> = {
  rfc2822: "ddd, D MMM YYYY HH:mm:ss Z",
  ansic: "ddd MMM D HH:mm:ss YYYY",
};

interface Parts {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  fractionUs: number;
  isAfternoon: boolean | undefined;
  offsetUs: number | undefined;
}

/** Reads a part of the text from `at`. Returns where it ends, or -1. */
type Token = (text: string, at: number, parts: Parts) => number;

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const US_PER_MINUTE = 60_000_000;

function digits(least: number, most: number, take: (parts: Parts, value: number, count: number) => void): Token {
  return (text, at, parts) => {
    let end = at;
    while (end < at + most && isDigit(text.charCodeAt(end))) end++;
    if (end - at < least) return -1;
    take(parts, Number(text.slice(at, end)), end - at);
    return end;
  };
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

const TOKENS: Readonly<Record<string, Token>> = {
  YYYY: digits(4, 4, (parts, value) => {
    parts.year = value;
  }),
  YY: digits(2, 2, (parts, value) => {
    parts.year = 2000 + value;
  }),
  MMM: readMonth,
  MM: digits(2, 2, (parts, value) => {
    parts.month = value;
  }),
  M: digits(1, 2, (parts, value) => {
    parts.month = value;
  }),
  DD: digits(2, 2, (parts, value) => {
    parts.day = value;
  }),
  D: digits(1, 2, (parts, value) => {
    parts.day = value;
  }),
  HH: digits(2, 2, setHour),
  H: digits(1, 2, setHour),
  hh: digits(2, 2, setHour),
  h: digits(1, 2, setHour),
  mm: digits(2, 2, (parts, value) => {
    parts.minute = value;
  }),
  ss: digits(2, 2, (parts, value) => {
    parts.second = value;
  }),
  SSS: digits(1, 9, (parts, value, count) => {
    parts.fractionUs = Math.floor(value * 10 ** (6 - count));
  }),
  A: readHalf,
  a: readHalf,
  Z: readOffset,
  ddd: readLetters,
};

function setHour(parts: Parts, value: number): void {
  parts.hour = value;
}

function readMonth(text: string, at: number, parts: Parts): number {
  const month = MONTHS.indexOf(text.slice(at, at + 3).toLowerCase());
  parts.month = month + 1;
  return month < 0 ? -1 : at + 3;
}

function readHalf(text: string, at: number, parts: Parts): number {
  const [half = ""] = /^(?:am|pm|a\.m\.|p\.m\.)/i.exec(text.slice(at, at + 4)) ?? [];
  parts.isAfternoon = half.toLowerCase().startsWith("p");
  return half === "" ? -1 : at + half.length;
}

function readOffset(text: string, at: number, parts: Parts): number {
  const [all = "", sign = "", hours = "0", minutes = "0"] =
    /^(?:Z|GMT|UTC|([+-])(\d{2}):?(\d{2})?)/i.exec(text.slice(at, at + 6)) ?? [];
  parts.offsetUs = (Number(hours) * 60 + Number(minutes)) * US_PER_MINUTE * (sign === "-" ? -1 : 1);
  return all === "" ? -1 : at + all.length;
}

/** A day's name, which the date makes superfluous. */
function readLetters(text: string, at: number): number {
  let end = at;
  while (end < at + 12 && /[a-z]/i.test(text[end] ?? "")) end++;
  return end === at ? -1 : end;
}

const PIECES = /\[[^\]]*\]|YYYY|YY|MMM|MM|M|DD|D|ddd|HH|H|hh|h|mm|ss|SSS|A|a|Z|[^A-Za-z]+|[A-Za-z]/g;

/** The pattern, or what is wrong with it. */
export function parseTimePattern(text: string): TimePattern | string {
  const source = NAMED_PATTERNS[text] ?? text;
  const pieces: readonly string[] = source.match(PIECES) ?? [];
  const has = (...names: readonly string[]) => pieces.some((piece) => names.includes(piece));
  const unknown = pieces.find((piece) => /^[A-Za-z]$/.test(piece) && piece !== "T" && !Object.hasOwn(TOKENS, piece));
  if (unknown !== undefined) {
    return `"${text}" has "${unknown}", which stands for nothing; parts are ${Object.keys(TOKENS).join(", ")}, and text is in []`;
  }
  if (!has("YYYY", "YY") || !has("MM", "M", "MMM") || !has("DD", "D")) {
    return `"${text}" is no date: it needs a year (YYYY), a month (MM) and a day (DD)`;
  }
  if (has("hh", "h") && !has("A", "a"))
    return `"${text}" has hours to 12 (hh) without A for AM or PM; write HH for 0 to 23`;
  const tokens = pieces.map((piece) => TOKENS[piece] ?? literal(piece.startsWith("[") ? piece.slice(1, -1) : piece));
  return (written) => readTokens(written.trim(), tokens);
}

function literal(expected: string): Token {
  return (text, at) => (text.startsWith(expected, at) ? at + expected.length : -1);
}

function readTokens(text: string, tokens: readonly Token[]): WrittenTime | undefined {
  const parts: Parts = {
    ...{ year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0, fractionUs: 0 },
    isAfternoon: undefined,
    offsetUs: undefined,
  };
  let at = 0;
  for (const token of tokens) {
    at = token(text, at, parts);
    if (at < 0) return undefined;
  }
  return at === text.length ? instantOf(parts) : undefined;
}

function instantOf(parts: Parts): WrittenTime | undefined {
  const { year, month, day, minute, second, fractionUs, isAfternoon, offsetUs } = parts;
  let { hour } = parts;
  if (isAfternoon !== undefined) {
    if (hour < 1 || hour > 12) return undefined;
    hour = (hour % 12) + (isAfternoon ? 12 : 0);
  }
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCDate() !== day || date.getUTCMonth() !== month - 1) return undefined;
  const seconds = (hour * 60 + minute) * 60 + second;
  return { us: date.getTime() * 1_000 + seconds * 1_000_000 + fractionUs, offsetUs };
}
