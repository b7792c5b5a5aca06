import { parseDurationUs } from "../../domain/time.ts";

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

/** Longer texts are never durations, and guessing takes more than linear time. */
export const SUGGEST_CHARACTERS_MAX = 200;

/** `5 minutes`, `5min` and `1H` in Weir's notation. */
export function suggestDuration(text: string): string | undefined {
  if (text.length > SUGGEST_CHARACTERS_MAX) return undefined;
  let duration = "";
  for (const [, amount, word = ""] of text.toLowerCase().matchAll(/(\d+(?:\.\d+)?)\s*([a-zµ]+)?/g)) {
    const unit = UNIT_WORDS[word.replace("µ", "u")] ?? UNIT_WORDS[word.replace(/s$/, "")];
    if (unit === undefined) return undefined;
    duration += amount + unit;
  }
  return parseDurationUs(duration) === undefined ? undefined : duration;
}
