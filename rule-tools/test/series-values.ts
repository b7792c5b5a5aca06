import { isNumberText, NUMBER_PATTERN } from "../../domain/number-text.ts";
import type { ReadingValue } from "../../domain/reading.ts";

/** A series with more values is a mistake. */
export const VALUES_MAX = 1_000_000;

const TOKEN = /"(?:[^"\\]|\\.)*"(?:x\d+)?|'[^']*'(?:x\d+)?|\S+/g;
const RAMP = new RegExp(`^(${NUMBER_PATTERN})([+-](?:\\d+(?:\\.\\d*)?|\\.\\d+))x(\\d+)$`, "i");
const REPEATED = /^(.+?)x(\d+)$/s;
const WORD = /^[A-Za-z][\w.-]*$/;

/**
 * Parses `5x6 9+0.5x30 _x6 true open "not ready"x2`: words separated by blanks. Each word is a value, `VALUExCOUNT`,
 * or a ramp `FIRST+STEPxCOUNT` (or `-STEP`) of `COUNT` values. `_` is a missing reading, undefined in the result.
 * Returns the reason as a string if the text is invalid.
 */
export function parseValues(text: string): (ReadingValue | undefined)[] | string {
  const values: (ReadingValue | undefined)[] = [];
  for (const [token] of text.matchAll(TOKEN)) {
    const problem = addToken(token, values);
    if (problem !== undefined) return problem;
  }
  return values.length === 0 ? "has no value" : values;
}

function addToken(token: string, values: (ReadingValue | undefined)[]): string | undefined {
  const ramp = RAMP.exec(token);
  if (ramp) {
    const [first, step, count] = [Number(ramp[1]), Number(ramp[2]), Number(ramp[3])];
    if (values.length + count > VALUES_MAX) return tooMany(token);
    // Computed from the first value each time, so that rounding errors do not accumulate. Twelve digits hide the
    // rest.
    for (let i = 0; i < count; i++) values.push(Number((first + i * step).toPrecision(12)));
    return undefined;
  }
  const repeated = REPEATED.exec(token);
  const value = parseValue(repeated ? (repeated[1] ?? "") : token);
  if (value === BAD) {
    return `"${token}" is not a value; write a number, true, false, a word, "a text" or _ (missing), followed by xCOUNT to repeat it, or FIRST+STEPxCOUNT`;
  }
  const count = repeated ? Number(repeated[2]) : 1;
  if (values.length + count > VALUES_MAX) return tooMany(token);
  for (let i = 0; i < count; i++) values.push(value);
  return undefined;
}

const BAD = Symbol("bad");

function parseValue(text: string): ReadingValue | undefined | typeof BAD {
  if (text === "_") return undefined;
  if (text === "true" || text === "false") return text === "true";
  if (isNumberText(text)) return Number(text);
  if (/^(["']).*\1$/s.test(text)) return text.slice(1, -1).replaceAll(/\\(.)/g, "$1");
  return WORD.test(text) ? text : BAD;
}

function tooMany(token: string): string {
  return `more than ${VALUES_MAX} values in one series, at "${token}"`;
}
