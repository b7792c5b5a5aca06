import { sourceSchema } from "../mapping/source-schema.ts";
import { PRESET_NAMES } from "../presets/presets.ts";
import { AUTO_NAMES, type PayloadShape, shapeOf } from "./payload-shape.ts";
import { presetAsWritten } from "./preset-sources.ts";
import { type TriedMessage, tryMessage } from "./trial.ts";

/** Sources that read messages which no source reads, as they are written in `weir.yaml`. */
export interface Suggestion {
  readonly source: Readonly<Record<string, unknown>>;
  /** How many of the messages it reads. */
  readonly messages: number;
  /** It reads each of them without a problem. */
  readonly isWhole: boolean;
  readonly example: TriedMessage;
}

/** The most shapes of topics that get a source of their own. */
const GROUPS_MAX = 100;

/**
 * Presets that read some of the messages, and sources for the others, by the shape of their topics and payloads. Each
 * was tried: it gives readings.
 */
export function suggestSources(messages: readonly TriedMessage[]): Suggestion[] {
  const suggestions: Suggestion[] = [];
  let left = messages;
  for (const { name, read } of fittingPresets(messages)) {
    const taken = left.filter((message) => read.has(message));
    const [example] = taken;
    if (example === undefined) continue;
    suggestions.push({ source: { use: name }, messages: taken.length, isWhole: true, example });
    left = left.filter((message) => !read.has(message));
  }
  for (const group of groupsOf(left).slice(0, GROUPS_MAX)) {
    const suggestion = sourceOf(group);
    if (suggestion !== undefined) suggestions.push(suggestion);
  }
  return suggestions;
}

/** The presets that read the most messages first. */
function fittingPresets(messages: readonly TriedMessage[]) {
  return PRESET_NAMES.map((name) => ({ name, read: new Set(messages.filter((message) => isRead(name, message))) }))
    .filter(({ read }) => read.size > 0)
    .sort((a, b) => b.read.size - a.read.size);
}

function isRead(name: string, message: TriedMessage): boolean {
  for (const source of presetAsWritten(name)) {
    const trial = tryMessage(source, message);
    if (trial.kind === "read") return trial.readings.length > 0 && trial.problem === undefined;
    if (trial.kind === "ignored") return false;
  }
  return false;
}

interface Group {
  readonly shape: PayloadShape;
  readonly messages: readonly TriedMessage[];
  readonly topics: readonly (readonly string[])[];
}

/** Messages whose topics have as many levels and the same last level, and whose payloads are alike. */
function groupsOf(messages: readonly TriedMessage[]): Group[] {
  const groups = new Map<string, { shape: PayloadShape; messages: TriedMessage[]; topics: string[][] }>();
  for (const message of messages) {
    const shape = shapeOf(message.payload);
    if (shape === undefined) continue;
    const levels = message.topic.split("/");
    const last = shape.kind === "value" ? "" : levels.at(-1);
    const key = JSON.stringify([levels.length, levels[0], last, shape.kind, shape.settings]);
    const group = groups.get(key) ?? { shape, messages: [], topics: [] };
    group.messages.push(message);
    group.topics.push(levels);
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.messages.length - a.messages.length);
}

function sourceOf({ shape, messages, topics }: Group): Suggestion | undefined {
  const source = { topic: topicOf(topics, shape), ...shape.settings };
  const parsed = sourceSchema.safeParse(source);
  if (!parsed.success) return undefined;
  const tried = messages.map((message) => ({ message, trial: tryMessage(parsed.data, message) }));
  const read = tried.filter(({ trial }) => trial.kind === "read" && trial.readings.length > 0);
  const isWhole = read.every(({ trial }) => trial.kind === "read" && trial.problem === undefined);
  const example = read[0]?.message;
  return example === undefined ? undefined : { source, messages: read.length, isWhole, example };
}

/** Levels that differ between the messages are captured; the device is the last of them. */
function topicOf(topics: readonly (readonly string[])[], { kind, namesDevice }: PayloadShape): string {
  const [first = []] = topics;
  const isFixed = first.map((level, i) => topics.every((levels) => levels[i] === level));
  const names: (string | undefined)[] = first.map(() => undefined);
  let end = first.length;
  if (kind === "value") names[--end] = "metric";
  else if (isFixed[end - 1] && end > 1 && AUTO_NAMES.test(first[end - 1] ?? "")) end--;
  if (!namesDevice) {
    const varying = isFixed.slice(0, end).lastIndexOf(false);
    names[varying >= 0 ? varying : Math.max(0, end - 1)] = "device";
  }
  return first
    .map((level, i) => {
      const name = names[i];
      if (name !== undefined) return `{${name}}`;
      return isFixed[i] ? level : `{level${i + 1}}`;
    })
    .join("/");
}
