import { sourceSchema } from "../mapping/source-schema.ts";
import { PRESET_NAMES } from "../presets/presets.ts";
import { type PayloadShape, shapesOf } from "./payload-shape.ts";
import { presetAsWritten } from "./preset-sources.ts";
import { type Candidate, together } from "./together.ts";
import { isKindWord, patternOf } from "./topic-shape.ts";
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
 * was tried: it gives readings. `presets`: the names of those that it may propose.
 */
export function suggestSources(
  messages: readonly TriedMessage[],
  { presets = PRESET_NAMES }: { readonly presets?: readonly string[] } = {},
): Suggestion[] {
  const suggestions: Suggestion[] = [];
  let left = messages;
  for (const { name, read } of fittingPresets(messages, presets)) {
    const taken = left.filter((message) => read.has(message));
    const [example] = taken;
    if (example === undefined) continue;
    suggestions.push({ source: { use: name }, messages: taken.length, isWhole: true, example });
    left = left.filter((message) => !read.has(message));
  }
  const found = groupsOf(left)
    .slice(0, GROUPS_MAX)
    .map(sourceOf)
    .filter((one) => one !== undefined);
  const own = together(found, (source, [one, other]) => {
    const both = tried(source, [...one.read, ...other.read]);
    return both?.isWhole && both.messages === one.messages + other.messages ? both : undefined;
  });
  return [
    ...suggestions,
    ...own.map(({ source, messages: count, isWhole, example }) => ({ source, messages: count, isWhole, example })),
  ];
}

/** The presets that read the most messages first. */
function fittingPresets(messages: readonly TriedMessage[], presets: readonly string[]) {
  return presets
    .map((name) => ({ name, read: new Set(messages.filter((message) => isRead(name, message))) }))
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
  readonly shapes: readonly PayloadShape[];
  readonly messages: readonly TriedMessage[];
  readonly topics: readonly (readonly string[])[];
}

/** Messages whose topics and payloads are alike. */
function groupsOf(messages: readonly TriedMessage[]): Group[] {
  const groups = new Map<string, { shapes: readonly PayloadShape[]; messages: TriedMessage[]; topics: string[][] }>();
  const lengths = lengthsOf(messages);
  for (const message of messages) {
    const shapes = shapesOf(message.payload);
    const [shape] = shapes;
    if (shape === undefined) continue;
    const levels = message.topic.split("/");
    const key = JSON.stringify([...likeness(levels, shape, lengths), shape.kind, shape.settings]);
    const group = groups.get(key) ?? { shapes, messages: [], topics: [] };
    group.messages.push(message);
    group.topics.push(levels);
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.messages.length - a.messages.length);
}

/** By the first level of topics, and by the first two: how many levels they have. */
function lengthsOf(messages: readonly TriedMessage[]): ReadonlyMap<string, ReadonlySet<number>> {
  const lengths = new Map<string, Set<number>>();
  for (const { topic } of messages) {
    const levels = topic.split("/");
    for (const begin of [levels.slice(0, 1), levels.slice(0, 2)].map((part) => part.join("/"))) {
      lengths.set(begin, (lengths.get(begin) ?? new Set()).add(levels.length));
    }
  }
  return lengths;
}

/** What topics of one group have in common. */
function likeness(levels: readonly string[], { kind }: PayloadShape, lengths: ReturnType<typeof lengthsOf>): unknown[] {
  const [first, last = ""] = [levels[0], levels.at(-1)];
  if (isKindWord(last) && kind !== "value") return [first, levels.length, last];
  if (kind !== "value") return [first, (lengths.get(`${first}`)?.size ?? 0) > 1 ? "several" : levels.length];
  // The values of one device are on topics of several lengths.
  const several = (lengths.get(levels.slice(0, 2).join("/"))?.size ?? 0) > 1 && levels.length > 2;
  return several ? [first, "several"] : [first, levels.length];
}

/** The first shape that reads all of each message; else one that reads some of it. */
function sourceOf(group: Group): Tried | undefined {
  const found = group.shapes.map((shape) => sourceBy(shape, group)).filter((one) => one !== undefined);
  return found.find(({ isWhole }) => isWhole) ?? found.at(-1);
}

function sourceBy(
  { settings, namesDevice, device, kind }: PayloadShape,
  { messages, topics }: Group,
): Tried | undefined {
  const isValue = kind === "value";
  const byPayload = { topic: patternOf(topics, { isValue, namesDevice: true }), ...settings };
  if (namesDevice) return tried(byPayload, messages);
  const byTopic = tried({ topic: patternOf(topics, { isValue, namesDevice }), ...settings }, messages);
  const named = device === undefined ? undefined : tried({ ...byPayload, device }, messages);
  return named !== undefined && (byTopic === undefined || saysMore(named, byTopic)) ? named : byTopic;
}

/** The payload says which device it is, and the topic does not, or of fewer. */
function saysMore(byPayload: Tried, byTopic: Tried): boolean {
  if (byPayload.devices.size !== byTopic.devices.size) return byPayload.devices.size > byTopic.devices.size;
  return byTopic.devices.size === 1 && byTopic.deviceAt <= 1;
}

interface Tried extends Suggestion, Candidate {
  readonly read: readonly TriedMessage[];
  readonly devices: ReadonlySet<string>;
  /** The level of the topic that is the device. */
  readonly deviceAt: number;
}

/** The source, if it reads some of the messages. */
function tried(source: Readonly<Record<string, unknown>>, messages: readonly TriedMessage[]): Tried | undefined {
  const parsed = sourceSchema.safeParse(source);
  if (!parsed.success) return undefined;
  const devices = new Set<string>();
  let isWhole = true;
  const read = messages.filter((message) => {
    const trial = tryMessage(parsed.data, message);
    if (trial.kind !== "read" || trial.readings.length === 0) return false;
    for (const { device } of trial.readings) devices.add(device);
    isWhole &&= trial.problem === undefined;
    return true;
  });
  const [example] = read;
  const deviceAt = String(source.topic).split("/").indexOf("{device}");
  if (example === undefined) return undefined;
  const topics = read.map(({ topic }) => topic.split("/"));
  return { source, messages: read.length, isWhole, example, devices, deviceAt, read, topics };
}
