import type { ReadingValue } from "../../domain/reading.ts";
import { type NumberWords, numberOf } from "./number-words.ts";

/** What a source does with the values of a metric. */
export interface Conversion {
  readonly as?: "number" | "boolean" | "text" | undefined;
  /** By value, as a text. */
  readonly words?: ReadonlyMap<string, ReadingValue> | undefined;
  readonly scale?: number | undefined;
  readonly offset?: number | undefined;
  readonly unit?: string | undefined;
  /** Numbers and words that are no value. */
  readonly noValue?: ReadonlySet<string> | undefined;
}

/** How a source reads values. */
export interface ValueSettings {
  /** Undefined: a text is never a number. */
  readonly numbers: NumberWords | undefined;
  /** In small letters. */
  readonly noValue: ReadonlySet<string>;
  /** Numbers that are no value; undefined if there are none. */
  readonly noNumbers: ReadonlySet<number> | undefined;
  /** How texts begin that may be a number or a word for no value, by character code. Others need no closer look. */
  readonly begins: Uint8Array;
}

const ASCII = 128;

export function valueSettings(numbers: NumberWords | undefined, words: readonly (string | number)[]): ValueSettings {
  const noValue = new Set(words.map((word) => String(word).toLowerCase()));
  const begins = new Uint8Array(ASCII);
  for (let code = 0; code <= 0x20; code++) begins[code] = 1;
  if (numbers !== undefined) for (const sign of "0123456789+-.,") begins[sign.charCodeAt(0)] = 1;
  for (const word of noValue) {
    for (const first of [word, word.toUpperCase()]) {
      const code = first.charCodeAt(0);
      // A word that begins with another letter: each text needs a closer look.
      if (code >= ASCII) begins.fill(1);
      else if (first !== "") begins[code] = 1;
    }
  }
  const noNumbers = new Set(words.filter((word) => typeof word === "number"));
  return { numbers, noValue, noNumbers: noNumbers.size === 0 ? undefined : noNumbers, begins };
}

export const NO_VALUE_WORDS = [
  ...["", "nan", "+nan", "-nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity"],
  ...["null", "none", "undefined", "unavailable", "unknown", "n/a"],
] as const;

/** Longer texts are neither numbers nor words. */
const WORD_CHARACTERS_MAX = 64;
const YES = new Set(["true", "on", "yes", "1"]);
const NO = new Set(["false", "off", "no", "0"]);

/** A scalar of a payload as the value of a reading. Undefined: it is no value. */
export function readScalar(
  value: string | number | boolean | bigint,
  settings: ValueSettings,
  conversion: Conversion | undefined,
): ReadingValue | undefined {
  if (conversion !== undefined) return converted(value, settings, conversion);
  const read = typeof value === "string" ? readText(value, settings) : typeof value === "bigint" ? exact(value) : value;
  const { noNumbers } = settings;
  return noNumbers !== undefined && typeof read === "number" && noNumbers.has(read) ? undefined : read;
}

/** Hot: most texts are neither a number nor a word for no value. */
function readText(text: string, { numbers, noValue, begins }: ValueSettings): ReadingValue | undefined {
  if (text.length > WORD_CHARACTERS_MAX) return text;
  const first = text.charCodeAt(0);
  if (first < ASCII ? begins[first] === 0 : first < 0xa0) return text;
  const trimmed = text.trim();
  if (noValue.size > 0 && noValue.has(trimmed.toLowerCase())) return undefined;
  return (numbers && numberOf(trimmed, numbers)) ?? text;
}

/** A whole number that a double cannot hold is kept as its digits. */
function exact(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function converted(
  value: string | number | boolean | bigint,
  settings: ValueSettings,
  conversion: Conversion,
): ReadingValue | undefined {
  const { as, words, noValue } = conversion;
  const written = typeof value === "string" && value.length > WORD_CHARACTERS_MAX ? undefined : String(value).trim();
  if (written !== undefined) {
    const small = written.toLowerCase();
    if (noValue?.has(small)) return undefined;
    const word = words?.get(written) ?? words?.get(small);
    if (word !== undefined) return word;
    if (typeof value === "string" && settings.noValue.has(small)) return undefined;
    if (as === "boolean" && (YES.has(small) || NO.has(small))) return YES.has(small);
    if (as === "number" && (YES.has(small) || NO.has(small))) return YES.has(small) ? 1 : 0;
  }
  if (as === "text") return String(value);
  // Digits that a double cannot hold cannot be scaled exactly either.
  const isNumber =
    as === "number" || (typeof value === "bigint" && (conversion.scale ?? conversion.offset) !== undefined);
  const read = isNumber ? asNumber(value, settings) : readScalar(value, settings, undefined);
  if (typeof read !== "number") return read;
  // As a number, too: 85.00 is 85.
  return noValue?.has(String(read)) ? undefined : scaled(read, conversion);
}

function asNumber(value: string | number | boolean | bigint, settings: ValueSettings): ReadingValue | undefined {
  if (typeof value === "string") {
    const text = value.trim();
    const number = text === "" ? Number.NaN : Number(text);
    return (settings.numbers && numberOf(text, settings.numbers)) ?? (Number.isFinite(number) ? number : value);
  }
  return Number(value);
}

function scaled(value: number, { scale = 1, offset = 0 }: Conversion): number {
  // A tenth is not exact in binary, but a division by ten is rounded correctly: 217 becomes 21.7.
  const inverse = Math.round(1 / scale);
  const isPart = Math.abs(scale) < 1 && Math.abs(1 / scale - inverse) < 1e-9;
  return (isPart ? value / inverse : value * scale) + offset;
}
