import { shownName } from "../names/names.ts";
import { matchTopic, type TopicPattern } from "../names/topic-pattern.ts";

/** Where a topic leaves a pattern. */
interface Miss {
  readonly pattern: TopicPattern;
  /** How many levels fit before it. */
  readonly fitting: number;
  readonly why: string;
}

/** Why no source takes a topic: the one that fits the longest, and where the topic leaves it. */
export function whyUnknown(patterns: readonly TopicPattern[], levels: readonly string[]): string {
  let nearest: Miss | undefined;
  for (const pattern of patterns) {
    const miss = missOf(pattern, levels);
    if (nearest === undefined || miss.fitting > nearest.fitting) nearest = miss;
  }
  if (nearest === undefined) return "no source matches this topic: there is none";
  return `no source matches this topic; the nearest is ${nearest.pattern.text}: ${nearest.why}`;
}

function missOf(pattern: TopicPattern, actual: readonly string[]): Miss {
  const { levels, isOpen, manyAt } = pattern;
  const before = manyAt < 0 ? levels.length : manyAt;
  let fitting = 0;
  while (fitting < Math.min(before, actual.length) && fits(pattern, fitting, actual[fitting] ?? "")) fitting++;
  const isShort = actual.length < levels.length;
  if (fitting < Math.min(before, actual.length)) {
    const wanted = pattern.text.split("/")[fitting] ?? "";
    return { pattern, fitting, why: `level ${fitting + 1} is ${shownName(actual[fitting] ?? "")}, not ${wanted}` };
  }
  const wants = isOpen || manyAt >= 0 ? `at least ${levels.length}` : `${levels.length}`;
  if (isShort || (!isOpen && manyAt < 0)) {
    return { pattern, fitting, why: `it has ${actual.length} levels, not ${wants}` };
  }
  return { pattern, fitting, why: "its last levels are others" };
}

function fits(pattern: TopicPattern, at: number, text: string): boolean {
  const level = pattern.levels[at];
  if (level === undefined) return false;
  return matchTopic({ ...pattern, levels: [level], isOpen: false, manyAt: -1 }, [text]) !== undefined;
}
