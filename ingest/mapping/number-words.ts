import { isNumberText } from "../../domain/number-text.ts";

/** How numbers are written in texts. */
export interface NumberWords {
  readonly decimal: "." | ",";
  /** Between groups of three digits; undefined: none. */
  readonly thousands: string | undefined;
  /** A unit may follow the number. It is left out. */
  readonly units: boolean;
}

export const PLAIN_NUMBERS: NumberWords = { decimal: ".", thousands: undefined, units: false };

/** Longer texts are no measurements. */
const CHARACTERS_MAX = 64;

/**
 * A number as a whole, as people and devices write it. Codes stay texts: `007`, `12E4` and digits that a number cannot
 * hold are no numbers.
 */
const PLAIN = /^[+-]?(?:(?:0|[1-9]\d{0,15})(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]\d{1,3})?$/;

/** The number that a text is; undefined if it is none. */
export function numberOf(written: string, { decimal, thousands, units }: NumberWords): number | undefined {
  if (written.length > CHARACTERS_MAX || !mayBegin(written.charCodeAt(0))) return undefined;
  const text = written.charCodeAt(0) === MINUS_SIGN ? `-${written.slice(1)}` : written;
  const plain = plainNumber(text);
  if (plain !== undefined && (decimal === "." || thousands !== ".")) return plain;
  const digits = units ? withoutUnit(text) : text;
  return digits === undefined ? undefined : writtenNumber(digits, { decimal, thousands });
}

/** U+2212, which displays write. */
const MINUS_SIGN = 0x2212;

function mayBegin(code: number): boolean {
  // Digits, and + - . ,
  return (code >= 0x30 && code <= 0x39) || (code >= 0x2b && code <= 0x2e) || code === MINUS_SIGN;
}

function plainNumber(text: string): number | undefined {
  if (!PLAIN.test(text) || !isNumberText(text)) return undefined;
  const number = Number(text);
  if (!Number.isFinite(number) || (Number.isInteger(number) && !Number.isSafeInteger(number))) return undefined;
  return number;
}

function writtenNumber(
  text: string,
  { decimal, thousands }: Pick<NumberWords, "decimal" | "thousands">,
): number | undefined {
  const [whole = "", fraction, ...rest] = text.split(decimal);
  if (rest.length > 0 || (fraction !== undefined && !/^\d{1,20}$/.test(fraction))) return undefined;
  const joined = thousands === undefined ? whole : withoutGroups(whole, thousands);
  return joined === undefined ? undefined : plainNumber(fraction === undefined ? joined : `${joined}.${fraction}`);
}

/** `1.234.567` -> `1234567`; a text without groups stays as it is. */
function withoutGroups(text: string, thousands: string): string | undefined {
  const separator = thousands === " " ? /[ \u00a0\u202f\u2009]/ : thousands;
  const [first = "", ...groups] = text.split(separator);
  if (groups.length === 0) return text;
  return /^[+-]?\d{1,3}$/.test(first) && groups.every((group) => /^\d{3}$/.test(group))
    ? first + groups.join("")
    : undefined;
}

/** What is before a unit such as `V`, `°C`, `%` or `m³/h`; the text itself if it ends with a digit. */
function withoutUnit(text: string): string | undefined {
  let end = 0;
  while (end < text.length && /[\d.,' +\-\u00a0\u202f\u2009]/.test(text[end] ?? "")) end++;
  const unit = text.slice(end);
  const digits = text.slice(0, end).trimEnd();
  if (unit === "") return digits;
  if (!/^[%‰°′″µμΩ\ufffd\p{L}][^\s]{0,11}$/u.test(unit)) return undefined;
  // Without a space, letters with digits are a code: 5E10, 0H3.
  return digits.length === end && /\d/.test(unit) ? undefined : digits;
}
