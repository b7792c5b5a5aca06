import type { DeadLetter } from "../domain/dead-letter.ts";
import { type KeptLetter, type LetterFilter, type LetterLog, letterFits, readLetters } from "./dead-letter-log.ts";

/** Letters of one topic, or of topics that differ in some levels: those are `+`. */
export interface TopicCount {
  readonly topic: string;
  readonly letters: number;
  /** Letters by reason. */
  readonly reasons: Readonly<Record<string, number>>;
  /** The newest of them. */
  readonly newest: number;
  readonly newestAtUs: number;
}

export interface TopicCounts {
  /** Most letters first. */
  readonly topics: readonly TopicCount[];
  /** Letters that were counted: the newest ones. */
  readonly counted: number;
  /** Whether there are older ones. */
  readonly hasMore: boolean;
}

/** Letters may be large, so at most this many are in memory at a time. */
const STEP = 64;
const LOOK_MAX = 5_000;
/** More different texts in one level become `+`. */
const TEXTS_MAX = 4;
const TOPICS_MAX = 100;

/** How many of the newest letters each topic has. */
export async function countByTopic(log: LetterLog, filter: LetterFilter): Promise<TopicCounts> {
  const { firstSequence, lastSequence, messages } = await log.bounds("DEADLETTERS");
  if (messages === 0) return { topics: [], counted: 0, hasMore: false };
  const lowest = Math.max(firstSequence, lastSequence + 1 - LOOK_MAX);
  const byTopic = new Map<string, Count>();
  let counted = 0;
  for (let end = lastSequence + 1; end > lowest; end -= STEP) {
    const letters = await readLetters(log, Math.max(lowest, end - STEP), end);
    for (const kept of letters.reverse()) {
      if (!letterFits(filter, kept.letter)) continue;
      counted++;
      add(byTopic, kept);
    }
  }
  const topics = [...byTopic].map(([topic, count]) => ({ levels: topic.split("/"), count }));
  const merged = merge(topics, 0).map(({ levels, count }) => ({ topic: levels.join("/"), ...count }));
  merged.sort((a, b) => b.letters - a.letters || b.newest - a.newest);
  return { topics: merged.slice(0, TOPICS_MAX), counted, hasMore: lowest > firstSequence };
}

type Count = Omit<TopicCount, "topic">;

function add(byTopic: Map<string, Count>, { sequence, storedAtUs, letter }: KeptLetter): void {
  const { topic, reason }: DeadLetter = letter;
  const one = { letters: 1, reasons: { [reason]: 1 }, newest: sequence, newestAtUs: storedAtUs };
  const before = byTopic.get(topic);
  byTopic.set(topic, before === undefined ? one : sum(before, one));
}

function sum(a: Count, b: Count): Count {
  const reasons = { ...a.reasons };
  for (const [reason, count] of Object.entries(b.reasons)) reasons[reason] = (reasons[reason] ?? 0) + count;
  const newer = a.newest > b.newest ? a : b;
  return { letters: a.letters + b.letters, reasons, newest: newer.newest, newestAtUs: newer.newestAtUs };
}

interface Topic {
  readonly levels: readonly string[];
  readonly count: Count;
}

/** Topics that are equal before a level: where too many texts follow, they become one. */
function merge(topics: readonly Topic[], at: number): Topic[] {
  const ended = topics.filter(({ levels }) => levels.length === at);
  const longer = topics.filter(({ levels }) => levels.length > at);
  const byText = groupsOf(longer, ({ levels }) => levels[at] ?? "");
  const isMerged = byText.length > TEXTS_MAX;
  const groups = isMerged ? [longer.map(({ levels, count }) => ({ levels: levels.with(at, "+"), count }))] : byText;
  const inner = groups.flatMap((group) => merge(group, at + 1));
  const [first, ...rest] = ended;
  return first === undefined
    ? inner
    : [{ levels: first.levels, count: rest.reduce((all, { count }) => sum(all, count), first.count) }, ...inner];
}

function groupsOf<T>(items: readonly T[], key: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return [...groups.values()];
}
