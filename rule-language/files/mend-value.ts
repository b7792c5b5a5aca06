import { parseDurationUs } from "../../domain/time.ts";
import { closest } from "../../platform/files/closest.ts";
import { PLAIN_AGGREGATES, parseAggregate } from "../aggregates/aggregate.ts";
import { parseCondition } from "../conditions/condition.ts";

const UNIT_WORDS: Readonly<Record<string, string>> = {
  us: "us",
  microsecond: "us",
  ms: "ms",
  msec: "ms",
  millisecond: "ms",
  s: "s",
  sec: "s",
  second: "s",
  m: "m",
  min: "m",
  minute: "m",
  h: "h",
  hr: "h",
  hour: "h",
  d: "d",
  day: "d",
  w: "w",
  week: "w",
};

/** Nobody means a longer one, and to guess takes more than time in proportion to the text. */
const CHARACTERS_MAX = 200;

/** `5 minutes`, `5min` and `1H` as Weir writes them. */
export function suggestDuration(text: string): string | undefined {
  if (text.length > CHARACTERS_MAX) return undefined;
  let mended = "";
  for (const [, amount, word = ""] of text.toLowerCase().matchAll(/(\d+(?:\.\d+)?)\s*([a-zµ]+)?/g)) {
    const unit = UNIT_WORDS[word.replace("µ", "u")] ?? UNIT_WORDS[word.replace(/s$/, "")];
    if (unit === undefined) return undefined;
    mended += amount + unit;
  }
  return parseDurationUs(mended) === undefined ? undefined : mended;
}

const NUMBER = String.raw`[+-]?\d+(?:\.\d+)?`;
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\b(?:is\s+)?(?:greater|more|higher|larger)\s+than\s+or\s+equal\s+to\b|\bat\s+least\b|≥|=>/gi, ">="],
  [/\b(?:is\s+)?(?:less|lower|smaller)\s+than\s+or\s+equal\s+to\b|\bat\s+most\b|≤|=</gi, "<="],
  [/\b(?:is\s+)?(?:greater|more|higher|larger)\s+than\b|\babove\b|\bover\b|&gt;/gi, ">"],
  [/\b(?:is\s+)?(?:less|lower|smaller)\s+than\b|\bbelow\b|\bunder\b|&lt;/gi, "<"],
  [/\bis\s+not\b|\bnot\s+equals?\b|<>|≠/gi, "!="],
  [/\bis\b|\bequals?\b|===/gi, "=="],
];

/** What somebody meant who wrote `=> 8`, `above 8`, `> 8 degC`, `temperature > 8` or `> 2 and < 8`. */
export function suggestCondition(text: string): string | undefined {
  if (text.length > CHARACTERS_MAX) return undefined;
  let plain = text.trim().replace(/^["']+|["']+$/g, "");
  for (const [pattern, operator] of WORDS) plain = plain.replace(pattern, operator);
  plain = plain
    .replace(/(\d),(\d)/g, "$1.$2")
    .replace(/&&/g, "and")
    .replace(/\|\|/g, "or");
  return [...guesses(plain)].find((guess) => typeof parseCondition(guess) !== "string");
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
  // A number with something before it, or a unit behind it.
  const compare = new RegExp(`^(?:[\\w.]+\\s*)?(>=|<=|==|!=|>|<|=)\\s*(${NUMBER})\\s*[^\\d<>=]*$`).exec(text);
  if (compare && !/\b(?:and|or)\b/i.test(text)) yield `${compare[1] === "=" ? "==" : compare[1]} ${compare[2]}`;
  const mirrored = new RegExp(`^(${NUMBER})\\s*([<>]=?)\\s*\\w*$`).exec(text);
  if (mirrored) yield `${mirrored[2]?.replace(/[<>]/, (sign) => (sign === "<" ? ">" : "<"))} ${mirrored[1]}`;
  const equals = /^(?:[\w.]+\s*)?(==|!=|=)\s*(.+)$/.exec(text);
  if (equals) yield `${equals[1] === "!=" ? "!=" : "=="} ${equals[2]}`;
  if (/^[A-Za-z_]\w*$/.test(text)) yield `== ${text}`;
}

const AGGREGATE_NAMES = [...PLAIN_AGGREGATES, "count_if(> 5)", "duration(open)"];
const AGGREGATE_WORDS: Readonly<Record<string, string>> = {
  average: "avg",
  mean: "avg",
  maximum: "max",
  minimum: "min",
  total: "sum",
  newest: "last",
  latest: "last",
  oldest: "first",
  std: "stddev",
  stdev: "stddev",
  var: "variance",
  unique: "distinct",
  countdistinct: "distinct",
  difference: "delta",
  diff: "delta",
  change: "delta",
  percentchange: "delta_percent",
  changepercent: "delta_percent",
  percent: "delta_percent",
  pctchange: "delta_percent",
  growth: "delta_percent",
  increase: "delta",
  derivative: "rate",
  deriv: "rate",
  persecond: "rate",
  perminute: "rate(1m)",
  perhour: "rate(1h)",
  perday: "rate(1d)",
  rateperminute: "rate(1m)",
  rateperhour: "rate(1h)",
  rateperday: "rate(1d)",
  spread: "range",
  p0: "min",
  p100: "max",
  p50th: "p50",
};

/** The aggregate that a misspelt or foreign name most likely means. */
export function suggestAggregate(name: string): string | undefined {
  if (name.length > CHARACTERS_MAX) return undefined;
  const plain = name.toLowerCase().replace(/[\s_-]/g, "");
  const word = AGGREGATE_WORDS[plain];
  if (word !== undefined) return word;
  const rank =
    /^(?:p|q|percentile|quantile|perc)\(?(\d{1,2}(?:\.\d{1,3})?)(?:th)?\)?$|^(\d{1,2})(?:th)?(?:p|percentile)$/.exec(
      plain,
    );
  if (rank) return `p${rank[1] ?? rank[2]}`;
  const per = /^(?:rate|derivative)(?:_?per_?|[([/\s]+)\s*(.*?)[)\]]?$/i.exec(name.trim())?.[1];
  if (per !== undefined) {
    const every = suggestDuration(/\d/.test(per) ? (/[a-zµ]/i.test(per) ? per : `${per}s`) : `1${per}`);
    const mended = `rate(${every})`;
    if (every !== undefined && typeof parseAggregate(mended) !== "string") return mended;
    return "rate(1m)";
  }
  const call = /^(count_?if|duration)\s*[:(]?\s*(.*?)\)?$/i.exec(name.trim());
  if (call) {
    const inner = call[1]?.toLowerCase() === "duration" ? call[2] : suggestCondition(call[2] ?? "");
    const mended = `${call[1]?.toLowerCase() === "duration" ? "duration" : "count_if"}(${inner})`;
    if (inner && typeof parseAggregate(mended) !== "string") return mended;
  }
  const near = closest(name, [...AGGREGATE_NAMES, ...Object.keys(AGGREGATE_WORDS)]);
  return near === undefined ? undefined : (AGGREGATE_WORDS[near] ?? near);
}

const SEVERITY_WORDS: Readonly<Record<string, string>> = {
  high: "critical",
  error: "critical",
  fatal: "critical",
  emergency: "critical",
  alert: "critical",
  major: "critical",
  crit: "critical",
  warn: "warning",
  information: "info",
  medium: "warning",
  minor: "warning",
  low: "info",
  notice: "info",
};
const OTHER_WORDS: Readonly<Record<string, string>> = {
  previous: "last",
  true: "last",
  yes: "last",
  null: "none",
  zero: "none",
  false: "none",
  ignore: "drop",
  correct: "update",
};

/** The one of a few allowed words that another word means. */
export function suggestWord(word: string, allowed: readonly string[]): string | undefined {
  const synonym = SEVERITY_WORDS[word.toLowerCase()] ?? OTHER_WORDS[word.toLowerCase()];
  return synonym !== undefined && allowed.includes(synonym) ? synonym : closest(word, allowed);
}

/** A rule id made of any text: `Cold Room #1` becomes `cold-room-1`. */
export function suggestId(text: string): string | undefined {
  const id = text
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z0-9]+|-+$/g, "")
    .slice(0, 100);
  return id === "" ? undefined : id;
}
