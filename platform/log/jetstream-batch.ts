import { headers, type Msg, nuid } from "@nats-io/transport-node";
import { Backoff, type BackoffLimits } from "../../domain/backoff.ts";
import { reasonOf } from "../../domain/reason.ts";
import { rateLimited } from "../async/rate-limited.ts";
import { sleep } from "../async/sleep.ts";
import { appendEach } from "./append-each.ts";
import { type AppenderOptions, ID_TRUST } from "./jetstream-append.ts";
import { WARNINGS } from "./jetstream-connection.ts";
import { type Ack, firstWord, MESSAGE_TOO_LARGE, parseAck, WRONG_LAST_SEQUENCE } from "./jetstream-pending.ts";
import { type Append, type Appended, ConflictError, LogClosedError, TooLargeError } from "./port.ts";

/** A batch costs about as many syncs as this many messages. */
const MESSAGES_MIN = 8;
/** The server accepts a thousand. */
const MESSAGES_MAX = 500;
const BYTES_MAX = 2 * 1_048_576;
const ACK_TIMEOUT_MS = 5_000;
const ACK_TIMEOUT_MS_MAX = 60_000;
const BACKOFF: BackoffLimits = { firstMs: 20, maxMs: 2_000 };
/** A batch that is refused this often is appended message by message. */
const TRIES_MAX = 20;
const DISABLED = 10174;
const HAS_DUPLICATE = 10201;
/** Refusals that pass: a batch that the server has lost, and too many batches at once. */
const INCOMPLETE = 10176;
const TOO_MANY_BATCHES = 10210;

/** As in `AppenderOptions`. */
export interface BatchOptions extends AppenderOptions {
  readonly append: (message: Append) => Promise<Appended>;
}

/** A message of a batch. */
interface Item extends Append {
  readonly id: string;
}

type Attempt =
  | { readonly kind: "stored"; readonly lastSequence: number }
  /** A subject is elsewhere than expected. The cause may be an earlier attempt of this very batch. */
  | { readonly kind: "conflict"; readonly reason: string }
  /** The server knows its ids: an earlier attempt was stored. */
  | { readonly kind: "repeated"; readonly reason: string }
  | { readonly kind: "again"; readonly reason: string }
  | { readonly kind: "refused"; readonly code: number; readonly reason: string };

/**
 * Appends many messages of a stream in few steps (ADR 17): the server stores a batch whole or not at all, and syncs
 * it to disk once. A batch that is sent again after a lost acknowledgement is never stored twice: it conflicts with
 * its own first attempt, by the expected sequence of each subject or else by its ids, and is recognised by its ids.
 * Without expected sequences, when the server may have forgotten the ids, the log is searched first.
 */
export class BatchAppender {
  readonly #options: BatchOptions;
  #accepted = true;
  /** When each batch that is not stored yet was sent first. */
  readonly #pendingSinceMs = new Set<{ readonly ms: number }>();
  /** The newest sequence of a batch, by the first word of its subjects. */
  readonly #storedUpTo = new Map<string, number>();
  readonly #warnRefused = rateLimited(
    (reason: string) => this.#options.connection.logger.warn(`NATS refused a batch for now: ${reason}; trying again`),
    WARNINGS,
  );

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  /** False while a batch waits longer than it should. */
  prompt(): boolean {
    const [oldest] = this.#pendingSinceMs;
    return oldest === undefined || performance.now() - oldest.ms < ACK_TIMEOUT_MS;
  }

  /** Waits briefly for batches in flight. */
  async close(graceMs: number): Promise<void> {
    const endMs = performance.now() + graceMs;
    while (this.#pendingSinceMs.size > 0 && this.#options.connection.isUp() && performance.now() < endMs)
      await sleep(5);
  }

  async appendAll(messages: readonly Append[]): Promise<readonly Appended[]> {
    const { append } = this.#options;
    const appended: Appended[] = [];
    const newest = new Map<string, number>();
    for (const chunk of chunksOf(messages)) {
      const following = chunk.map((message) => follow(message, newest));
      const batched = this.#accepted && chunk.length >= MESSAGES_MIN && canBeBatched(following);
      const stored = await (batched ? this.#store(following) : appendEach(append, following));
      for (const [i, { subject, expectLastSubjectSequence }] of following.entries()) {
        if (expectLastSubjectSequence !== undefined || newest.has(subject))
          newest.set(subject, stored[i]?.sequence ?? 0);
      }
      for (const each of stored) appended.push(each);
    }
    return appended;
  }

  async #store(messages: readonly Append[]): Promise<readonly Appended[]> {
    const since = { ms: performance.now() };
    this.#pendingSinceMs.add(since);
    try {
      const batch = nuid.next();
      const appended = await this.#untilStored(messages.map((message, i) => ({ ...message, id: `${batch}.${i}` })));
      const { subject } = messages[0] ?? { subject: "" };
      const last = appended.at(-1)?.sequence ?? 0;
      this.#storedUpTo.set(firstWord(subject), Math.max(this.#storedUpTo.get(firstWord(subject)) ?? 0, last));
      return appended;
    } finally {
      this.#pendingSinceMs.delete(since);
    }
  }

  async #untilStored(items: readonly Item[]): Promise<readonly Appended[]> {
    const backoff = new Backoff(BACKOFF, Math.random);
    let timeoutMs = ACK_TIMEOUT_MS;
    const [first] = items;
    const isExpected = first?.expectLastSubjectSequence !== undefined;
    const after = first?.expectLastSubjectSequence ?? this.#endBefore(first?.subject ?? "");
    let trustedUntilMs = performance.now() + this.#options.duplicateWindowMs * ID_TRUST;
    for (let tries = 1; ; tries++) {
      if (!isExpected && performance.now() > trustedUntilMs) {
        const ours = await this.#findStored(items, after);
        if (ours !== undefined) return ours;
        trustedUntilMs = performance.now() + this.#options.duplicateWindowMs * ID_TRUST;
      }
      const attempt = await this.#attempt(items, timeoutMs);
      switch (attempt.kind) {
        case "stored":
          return sequencesUpTo(attempt.lastSequence, items.length);
        case "conflict": {
          const ours = await this.#findStored(items, after);
          if (ours !== undefined) return ours;
          throw new ConflictError(attempt.reason);
        }
        case "repeated": {
          const ours = await this.#findStored(items, after);
          if (ours !== undefined) return ours;
          if (isExpected) throw new ConflictError(attempt.reason);
          return items.map(() => ({ sequence: 0, duplicate: false }));
        }
        case "again":
          this.#warnRefused(attempt.reason);
          timeoutMs = Math.min(timeoutMs * 2, ACK_TIMEOUT_MS_MAX);
          await sleep(backoff.nextMs());
          break;
        case "refused": {
          if (attempt.code === MESSAGE_TOO_LARGE) throw new TooLargeError(attempt.reason);
          if (attempt.code === DISABLED) this.#accepted = false;
          if (this.#accepted && tries < TRIES_MAX) {
            await sleep(backoff.nextMs());
            break;
          }
          // With the same ids: should the batch be stored late, these recognise their own messages.
          return await appendEach(this.#options.append, items);
        }
      }
    }
  }

  async #attempt(items: readonly Item[], timeoutMs: number): Promise<Attempt> {
    const { connection } = this.#options;
    let answer: Msg;
    try {
      answer = await connection.whileUp(() => this.#send(items, timeoutMs));
    } catch (error) {
      if (connection.isClosed()) throw new LogClosedError("the log is closed", { cause: error });
      return { kind: "again", reason: reasonOf(error) };
    }
    return attemptOf(parseAck(answer));
  }

  /** Resolves to the answer to the last message, which commits the batch. */
  #send(items: readonly Item[], timeoutMs: number): Promise<Msg> {
    const { nc } = this.#options.connection;
    // A batch that is sent again is another batch.
    const batch = nuid.next();
    const expected = new Set<string>();
    let answer: Promise<Msg> | undefined;
    for (const [i, { subject, payload, id, expectLastSubjectSequence }] of items.entries()) {
      const set = headers();
      set.append("Nats-Batch-Id", batch);
      set.append("Nats-Batch-Sequence", `${i + 1}`);
      set.append("Nats-Msg-Id", id);
      // The server accepts an expectation for the first message of a subject only.
      if (expectLastSubjectSequence !== undefined && !expected.has(subject)) {
        set.append("Nats-Expected-Last-Subject-Sequence", `${expectLastSubjectSequence}`);
        expected.add(subject);
      }
      if (i < items.length - 1) nc.publish(subject, payload, { headers: set });
      else {
        set.append("Nats-Batch-Commit", "1");
        answer = nc.request(subject, payload, { headers: set, timeout: timeoutMs });
      }
    }
    if (answer === undefined) throw new RangeError("a batch has at least one message");
    return answer;
  }

  #endBefore(subject: string): number {
    return this.#storedUpTo.get(firstWord(subject)) ?? this.#options.endAtStart(subject);
  }

  /** The sequences of a batch that an earlier attempt has stored; undefined when none has. */
  async #findStored(items: readonly Item[], after: number): Promise<readonly Appended[] | undefined> {
    const { firstAfter } = this.#options;
    const [first] = items;
    const last = items.at(-1);
    if (first === undefined || last === undefined) return [];
    let start = await firstAfter(first.subject, after);
    // Without an expectation, messages of others may be in front of it.
    while (start !== undefined && start.id !== first.id && first.expectLastSubjectSequence === undefined)
      start = await firstAfter(first.subject, start.sequence);
    if (start?.id !== first.id) return undefined;
    const lastSequence = start.sequence + items.length - 1;
    const end = await firstAfter(last.subject, lastSequence - 1);
    if (end?.id === last.id && end.sequence === lastSequence) return sequencesUpTo(lastSequence, items.length);
    throw new ConflictError(`only a part of a batch is stored, from sequence ${start.sequence} on`);
  }
}

function attemptOf({ error, seq }: Ack): Attempt {
  if (error === undefined) return { kind: "stored", lastSequence: seq ?? 0 };
  const code = error.err_code ?? 0;
  const reason = `${error.description ?? "no reason given"} (${code})`;
  if (WRONG_LAST_SEQUENCE.has(code)) return { kind: "conflict", reason };
  if (code === HAS_DUPLICATE) return { kind: "repeated", reason };
  const passes = code !== INCOMPLETE && (code === TOO_MANY_BATCHES || error.code !== 400);
  return passes ? { kind: "again", reason } : { kind: "refused", code, reason };
}

function sequencesUpTo(last: number, count: number): readonly Appended[] {
  return Array.from({ length: count }, (_, i) => ({ sequence: last - count + 1 + i, duplicate: false }));
}

/** Behind the messages of its subject that earlier chunks have stored. */
function follow(message: Append, newest: ReadonlyMap<string, number>): Append {
  const before = newest.get(message.subject);
  return before === undefined ? message : { ...message, expectLastSubjectSequence: before };
}

/** Either each subject has an expectation, or none. */
function canBeBatched(messages: readonly Append[]): boolean {
  const expected = new Set<string>();
  const subjects = new Set<string>();
  for (const { subject, id, expectLastSubjectSequence } of messages) {
    if (id !== undefined) return false;
    // The server accepts an expectation for the first message of a subject only.
    if (expectLastSubjectSequence !== undefined && (expected.has(subject) || !subjects.has(subject))) {
      expected.add(subject);
    } else if (expectLastSubjectSequence !== undefined) return false;
    subjects.add(subject);
  }
  return expected.size === 0 || expected.size === subjects.size;
}

function* chunksOf(messages: readonly Append[]): Generator<readonly Append[]> {
  let chunk: Append[] = [];
  let bytes = 0;
  for (const message of messages) {
    if (chunk.length === MESSAGES_MAX || (chunk.length > 0 && bytes + message.payload.length > BYTES_MAX)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(message);
    bytes += message.payload.length;
  }
  if (chunk.length > 0) yield chunk;
}
