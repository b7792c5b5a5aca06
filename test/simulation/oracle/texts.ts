/** Parses the texts of rules without the engine's parsers. */

const UNITS: readonly (readonly [string, number])[] = [
  ["us", 1],
  ["ms", 1_000],
  ["s", 1_000_000],
  ["m", 60_000_000],
  ["h", 3_600_000_000],
  ["d", 86_400_000_000],
  ["w", 604_800_000_000],
];

/** The microseconds of `1h30m`. Throws if the text is not a duration. */
export function durationUs(text: string): number {
  let rest = text;
  let totalUs = 0;
  while (rest !== "") {
    const [whole, amount = "", unit] = /^([0-9.]+)([a-z]+)/.exec(rest) ?? [""];
    const size = UNITS.find(([name]) => name === unit)?.[1];
    if (whole === "" || size === undefined) throw new RangeError(`no duration: ${text}`);
    totalUs += Number(amount) * size;
    rest = rest.slice(whole.length);
  }
  return Math.round(totalUs);
}

function ofText(condition: string): RegExpExecArray | null {
  return /^(==|!=)\s*["']?([A-Za-z_][^"']*)["']?$/.exec(condition.trim());
}

/** A comparison with a number does not apply to texts. */
export function isComparable(condition: string, value: number | string): boolean {
  return typeof value === "string" ? ofText(condition) !== null : !Number.isNaN(value);
}

/** Whether `value` satisfies `> 8`, `!= 0`, `between 2 and 8`, `outside 2 and 8` or `== open`. */
export function fulfils(condition: string, value: number | string): boolean {
  const equals = ofText(condition);
  if (equals) return (textOf(value, equals[2] ?? "") === equals[2]) === (equals[1] === "==");
  if (typeof value === "string") throw new TypeError(`${condition} compares numbers, not texts`);
  const words = condition.trim().split(/\s+/);
  if (words.length === 4) {
    const inside = value >= Number(words[1]) && value <= Number(words[3]);
    return words[0] === "between" ? inside : !inside;
  }
  const [, operator, limit] = /^([<>=!]+)\s*(\S+)$/.exec(condition.trim()) ?? [];
  const than = Number(limit);
  if (operator === ">") return value > than;
  if (operator === ">=") return value >= than;
  if (operator === "<") return value < than;
  if (operator === "<=") return value <= than;
  if (operator === "==") return value === than;
  if (operator === "!=") return value !== than;
  throw new RangeError(`no condition: ${condition}`);
}

/** Booleans count as 0 and 1. */
function textOf(value: number | string, wanted: string): string {
  const isBoolean = wanted === "true" || wanted === "false";
  return isBoolean && (value === 0 || value === 1) ? String(value === 1) : String(value);
}

/**
 * Whether a label, undefined if the series lacks it, matches an entry of `where`: texts and globs, excluded with `!`.
 */
export function matches(wanted: string | readonly string[], label: string | undefined): boolean {
  const list = typeof wanted === "string" ? [wanted] : wanted;
  const excluded = list.filter((pattern) => pattern.startsWith("!"));
  if (label === undefined) return excluded.length === list.length;
  if (excluded.some((pattern) => globMatches(pattern.slice(1), label))) return false;
  return excluded.length === list.length || list.some((each) => !each.startsWith("!") && globMatches(each, label));
}

function globMatches(pattern: string, text: string): boolean {
  if (pattern === "") return text === "";
  if (pattern[0] === "*") {
    for (let i = 0; i <= text.length; i++) if (globMatches(pattern.slice(1), text.slice(i))) return true;
    return false;
  }
  return text !== "" && (pattern[0] === "?" || pattern[0] === text[0]) && globMatches(pattern.slice(1), text.slice(1));
}
