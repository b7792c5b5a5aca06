/**
 * Longer texts are not numbers. The shortest plain decimal of a double takes at most 345 characters (a sign, "0.",
 * 323 zeros and 17 digits). A longer text is not a measurement, and not worth the time to parse it.
 */
export const NUMBER_CHARACTERS_MAX = 400;

/**
 * The source of a regular expression for a decimal number, without capturing groups. It takes time in proportion to
 * the text: each digit can match in only one place, whereas `\d+\.?\d*` tries every way to split a row of digits in
 * two.
 */
export const NUMBER_PATTERN = String.raw`[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?`;

const WHOLE = new RegExp(`^${NUMBER_PATTERN}$`);

/** Whether a text is a decimal number: `21`, `+21.5`, `.5`, `5.`, `1e-3`. */
export function isNumberText(text: string): boolean {
  return text.length <= NUMBER_CHARACTERS_MAX && WHOLE.test(text);
}
