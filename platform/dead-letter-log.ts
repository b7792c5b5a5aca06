import { type LetterRetry, letterRetrySchema, RETRYABLE_REASONS } from "../contracts/dead-letters.ts";
import type { DeadLetter } from "../domain/dead-letter.ts";
import { decodeDeadLetter } from "../domain/dead-letter-codec.ts";
import { globMatches } from "../domain/glob.ts";
import { reasonOf } from "../domain/reason.ts";
import { DEAD_LETTER_SUBJECTS, deadLetterRetrySubject } from "../domain/subjects.ts";
import type { Log, LogMessage } from "./log/port.ts";
import { subjectMatches } from "./log/subject-match.ts";

const READ_MS_MAX = 5_000;
/** Letters may be large, so at most this many are in memory at a time. */
const STEP = 64;
/** One page reads at most this many entries. */
const LOOK_MAX = 5_000;

/** The part of the log that is needed to read letters. */
export type LetterLog = Pick<Log, "read" | "lastFor" | "bounds">;

export interface KeptLetter {
  readonly sequence: number;
  readonly storedAtUs: number;
  readonly letter: DeadLetter;
}

export interface LetterFilter {
  readonly reason?: string | undefined;
  /** A glob with `*` and `?`, or an MQTT filter with `+` and `#`. */
  readonly topic?: string | undefined;
}

export interface LetterPage<T> {
  readonly letters: readonly T[];
  /** Where the next page ends: its `before`. Undefined on the last page. */
  readonly next: number | undefined;
}

/** The newest letters below `before` that match, newest first; `pick` returns the part of each that the page keeps. */
export async function pageOfLetters<T>(
  log: LetterLog,
  query: LetterFilter & { readonly before?: number | undefined; readonly limit: number },
  pick: (kept: KeptLetter) => T,
): Promise<LetterPage<T>> {
  const { firstSequence, lastSequence, messages } = await log.bounds("DEADLETTERS");
  const found: { readonly sequence: number; readonly picked: T }[] = [];
  let end = Math.min(lastSequence + 1, query.before ?? Number.POSITIVE_INFINITY);
  if (messages === 0) return { letters: [], next: undefined };
  const lowest = Math.max(firstSequence, end - LOOK_MAX);
  while (end > lowest && found.length <= query.limit) {
    const start = Math.max(lowest, end - STEP);
    const letters = (await readLetters(log, start, end)).filter((kept) => letterFits(query, kept.letter));
    for (const kept of letters.reverse()) found.push({ sequence: kept.sequence, picked: pick(kept) });
    end = start;
  }
  const page = found.slice(0, query.limit);
  const next = found.length > query.limit ? page.at(-1)?.sequence : end > firstSequence ? end : undefined;
  return { letters: page.map(({ picked }) => picked), next };
}

/** Undefined when it never existed, is not a letter, or is too old. */
export async function letterAt(log: LetterLog, sequence: number): Promise<KeptLetter | undefined> {
  const { firstSequence, lastSequence } = await log.bounds("DEADLETTERS");
  if (sequence < firstSequence || sequence > lastSequence) return undefined;
  return (await readLetters(log, sequence, sequence + 1))[0];
}

/** The log took too long. An incomplete answer would look like letters that do not exist. */
export class LettersUnreadError extends Error {
  override readonly name = "LettersUnreadError";

  constructor(start: number, end: number) {
    super(`the log did not return dead letters ${start} to ${end - 1} within ${READ_MS_MAX / 1_000} s; try again`);
  }
}

/**
 * The letters of `[start, end)` that still exist, in order. `end` is at most the sequence after the newest entry.
 * Rejects with LettersUnreadError when the log is slow.
 */
export async function readLetters(log: LetterLog, start: number, end: number): Promise<KeptLetter[]> {
  const reader = log.read({
    stream: "DEADLETTERS",
    from: { kind: "sequence", sequence: start },
    bufferMessagesMax: STEP,
  });
  const patience = setTimeout(() => void reader.close(), READ_MS_MAX);
  const found: KeptLetter[] = [];
  try {
    for await (const messages of reader) {
      for (const message of messages) if (message.sequence < end && isLetter(message)) found.push(readLetter(message));
      if ((messages.at(-1)?.sequence ?? 0) >= end - 1) return found;
    }
  } finally {
    clearTimeout(patience);
    await reader.close();
  }
  throw new LettersUnreadError(start, end);
}

/** The outcome of a letter's retry; undefined when it was not retried. */
export async function retryOf(log: LetterLog, sequence: number): Promise<LetterRetry | undefined> {
  const mark = await log.lastFor("DEADLETTERS", deadLetterRetrySubject(sequence));
  if (mark === undefined) return undefined;
  return letterRetrySchema.parse(JSON.parse(new TextDecoder().decode(mark.payload)));
}

/** The number of kept letters of each reason. */
export async function countByReason(log: Pick<Log, "countBySubject">): Promise<Record<string, number>> {
  const counts = await log.countBySubject("DEADLETTERS", DEAD_LETTER_SUBJECTS);
  return Object.fromEntries(
    [...counts].map(([subject, count]) => [reasonOfToken(subject.slice(subject.indexOf(".") + 1)), count]),
  );
}

function reasonOfToken(token: string): string {
  try {
    return decodeURIComponent(token);
  } catch {
    return token;
  }
}

export function letterFits({ reason, topic }: LetterFilter, letter: DeadLetter): boolean {
  if (reason !== undefined && letter.reason !== reason) return false;
  if (topic === undefined) return true;
  return isFilter(topic) ? filterMatches(topic.split("/"), letter.topic.split("/")) : globMatches(topic, letter.topic);
}

/** No topic of a message holds + or #, so a level of these is a wildcard. */
function isFilter(topic: string): boolean {
  return topic.split("/").some((level) => level === "+" || level === "#");
}

function filterMatches(filter: readonly string[], levels: readonly string[]): boolean {
  const isOpen = filter.at(-1) === "#";
  const fixed = isOpen ? filter.slice(0, -1) : filter;
  if (isOpen ? levels.length < fixed.length : levels.length !== fixed.length) return false;
  return fixed.every((level, i) => level === "+" || level === levels[i]);
}

export function isRetryable(letter: DeadLetter): boolean {
  // The beginning of a payload can have a meaning of its own: half a number is a number.
  return RETRYABLE_REASONS.includes(letter.reason) && letter.wholeBytes === undefined;
}

function isLetter({ subject }: LogMessage): boolean {
  return subjectMatches(DEAD_LETTER_SUBJECTS, subject);
}

/** A letter that cannot be read is shown as its bytes. */
function readLetter({ subject, sequence, storedAtUs, payload }: LogMessage): KeptLetter {
  try {
    return { sequence, storedAtUs, letter: decodeDeadLetter(payload) };
  } catch (error) {
    const detail = `this entry is not a dead letter: ${reasonOf(error)}`;
    const about = { topic: subject, payload, clientId: "", receivedAtUs: storedAtUs };
    return { sequence, storedAtUs, letter: { reason: "unreadable", detail, ...about } };
  }
}
