/**
 * No text of more characters is a number. The shortest plain decimal of a double takes 345 of them at most (a sign, "0.",
 * 323 zeros and 17 digits), so a longer text is not a measurement, and is not worth the time to read it.
 */
export const NUMBER_CHARACTERS_MAX = 400;

/**
 * The source of a regular expression for a decimal number, without a group that captures. It takes time in proportion to
 * the text: each digit has only one possible place, whereas `\d+\.?\d*` tries all ways to part a row of digits in two.
 */
export const NUMBER_PATTERN = String.raw`[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?`;

const WHOLE = new RegExp(`^${NUMBER_PATTERN}$`);

/** Whether a text is a decimal number: `21`, `+21.5`, `.5`, `5.`, `1e-3`. */
export function isNumberText(text: string): boolean {
  return text.length <= NUMBER_CHARACTERS_MAX && WHOLE.test(text);
}
