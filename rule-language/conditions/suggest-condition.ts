import { SUGGEST_CHARACTERS_MAX } from "../../platform/files/suggest-duration.ts";
import { readCondition } from "./read-condition.ts";

const NUMBER = String.raw`[+-]?\d+(?:\.\d+)?`;
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\b(?:is\s+)?(?:greater|more|higher|larger)\s+than\s+or\s+equal\s+to\b|\bat\s+least\b|≥|=>/gi, ">="],
  [/\b(?:is\s+)?(?:less|lower|smaller)\s+than\s+or\s+equal\s+to\b|\bat\s+most\b|≤|=</gi, "<="],
  [/\b(?:is\s+)?(?:greater|more|higher|larger)\s+than\b|\babove\b|\bover\b|&gt;/gi, ">"],
  [/\b(?:is\s+)?(?:less|lower|smaller)\s+than\b|\bbelow\b|\bunder\b|&lt;/gi, "<"],
  [/\bis\s+not\b|\bnot\s+equals?\b|<>|≠/gi, "!="],
  [/\bis\b|\bequals?\b|===/gi, "=="],
];

/** Finds the condition in texts like `=> 8`, `above 8`, `> 8 degC`, `temperature > 8` and `> 2 and < 8`. */
export function suggestCondition(text: string): string | undefined {
  if (text.length > SUGGEST_CHARACTERS_MAX) return undefined;
  let plain = text.trim().replace(/^["']+|["']+$/g, "");
  for (const [pattern, operator] of WORDS) plain = plain.replace(pattern, operator);
  plain = plain
    .replace(/(\d),(\d)/g, "$1.$2")
    .replace(/&&/g, "and")
    .replace(/\|\|/g, "or");
  return [...guesses(plain)].find((guess) => isCondition(guess));
}

function* guesses(text: string): Iterable<string> {
  const side = String.raw`(?:\w+\s*)?([<>]=?)\s*(${NUMBER})`;
  const [, above, low, joint, below, high] = new RegExp(`^${side}\\s*(and|or)\\s*${side}$`, "i").exec(text) ?? [];
  if (above !== undefined && below !== undefined && joint !== undefined) {
    const isRising = above.startsWith(">") && below.startsWith("<");
    const isFalling = above.startsWith("<") && below.startsWith(">");
    const bounds = [Number(low), Number(high)].sort((a, b) => a - b).join(" and ");
    if (joint.toLowerCase() === "and" && (isRising || isFalling)) yield `between ${bounds}`;
    if (joint.toLowerCase() === "or" && (isRising || isFalling)) yield `outside ${bounds}`;
    return;
  }
  const range = new RegExp(`(between|outside)\\D*?(${NUMBER})\\s*(?:and|to|,|-|\\.\\.)\\s*(${NUMBER})`, "i").exec(text);
  if (range) {
    const bounds = [Number(range[2]), Number(range[3])].sort((a, b) => a - b);
    yield `${range[1]?.toLowerCase()} ${bounds.join(" and ")}`;
    return;
  }
  // A number with text before it or a unit after it.
  const compare = new RegExp(`^(?:[\\w.]+\\s*)?(>=|<=|==|!=|>|<|=)\\s*(${NUMBER})\\s*[^\\d<>=]*$`).exec(text);
  if (compare && !/\b(?:and|or)\b/i.test(text)) yield `${compare[1] === "=" ? "==" : compare[1]} ${compare[2]}`;
  const mirrored = new RegExp(`^(${NUMBER})\\s*([<>]=?)\\s*\\w*$`).exec(text);
  if (mirrored) yield `${mirrored[2]?.replace(/[<>]/, (sign) => (sign === "<" ? ">" : "<"))} ${mirrored[1]}`;
  const equals = /^(?:[\w.]+\s*)?(==|!=|=)\s*(.+)$/.exec(text);
  if (equals) yield `${equals[1] === "!=" ? "!=" : "=="} ${equals[2]}`;
  if (/^[A-Za-z_]\w*$/.test(text)) yield `== ${text}`;
}

function isCondition(text: string): boolean {
  const condition = readCondition(text);
  return condition !== undefined && (!("low" in condition) || condition.low <= condition.high);
}
