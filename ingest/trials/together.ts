import { covers, matchTopic, parseTopicPattern } from "../names/topic-pattern.ts";

/** A source that reads some of the messages. */
export interface Candidate {
  readonly source: Readonly<Record<string, unknown>>;
  readonly topics: readonly (readonly string[])[];
  readonly messages: number;
}

/** Tries another source for the messages of both. Undefined: it does not read all of them. */
type Join<Item extends Candidate> = (source: Candidate["source"], both: readonly [Item, Item]) => Item | undefined;

/**
 * Candidates that work in one list: those for the same topics become one source if that reads all of their messages,
 * and narrower topics come first. One that would get no messages is left out.
 */
export function together<Item extends Candidate>(candidates: readonly Item[], join: Join<Item>): Item[] {
  const joined: Item[] = [];
  for (const candidate of candidates) {
    const at = joined.findIndex((other) => isNear(other, candidate));
    const other = joined[at];
    const both = other === undefined ? undefined : joinedSource(other, candidate, join);
    if (both === undefined) joined.push(candidate);
    else joined[at] = both;
  }
  const ordered: Item[] = [];
  for (const candidate of joined) {
    // Before the first one that would take its messages.
    const at = ordered.findIndex((other) => isCovered(candidate, other));
    if (at < 0) ordered.push(candidate);
    else if (!isCovered(ordered[at] as Item, candidate)) ordered.splice(at, 0, candidate);
  }
  return ordered;
}

/** The topics of one fit the pattern of the other. */
function isNear(one: Candidate, other: Candidate): boolean {
  return takesAll(one, other) || takesAll(other, one);
}

function takesAll({ source }: Candidate, { topics }: Candidate): boolean {
  const pattern = parseTopicPattern(String(source.topic));
  return typeof pattern !== "string" && topics.every((levels) => matchTopic(pattern, levels) !== undefined);
}

function joinedSource<Item extends Candidate>(one: Item, other: Item, join: Join<Item>): Item | undefined {
  const [wide, narrow] = takesAll(one, other) ? [one, other] : [other, one];
  const isMixed = (wide.source.format === "value") !== (narrow.source.format === "value");
  if (!isMixed && wide.source.topic !== narrow.source.topic) return undefined;
  const coerce = [one, other].flatMap(({ source }) => (typeof source.coerce === "object" ? [source.coerce] : []));
  const source = {
    ...{ ...narrow.source, ...wide.source },
    // The topic of bare values has their metric.
    ...(isMixed
      ? { format: "auto", topic: [wide, narrow].find((each) => each.source.format === "value")?.source.topic }
      : {}),
    ...(coerce.length > 0 ? { coerce: Object.assign({}, ...coerce) } : {}),
  };
  return join(source, [one, other]);
}

function isCovered(one: Candidate, by: Candidate): boolean {
  const [narrow, wide] = [one, by].map(({ source }) => parseTopicPattern(String(source.topic)));
  return typeof narrow === "object" && typeof wide === "object" && covers(wide, narrow);
}
