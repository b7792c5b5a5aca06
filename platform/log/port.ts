import type { Question, Report } from "../../contracts/question.ts";
import type { StreamName } from "../../domain/subjects.ts";

/**
 * The durable log that connects all services. Adapters: JetStream (`jetstream.ts`) and memory (`memory.ts`, for unit
 * tests and simulation); both pass `log-contract.ts`.
 */
export interface Log {
  /**
   * Stores a message at the end of its stream; resolves when the log has it (see `durability`). Keeps trying while
   * the log is unreachable. Rejects with `ConflictError` when `expectLastSubjectSequence` does not match, with
   * `LogClosedError` after `close`, and with `TooLargeError` when no server would accept the message.
   */
  append(message: Append): Promise<Appended>;
  /**
   * Stores messages of one stream, those of a subject in their order; resolves when the log has them all. An expected
   * sequence counts before the first message of its subject, and later ones follow it. Much faster than one `append`
   * for each, where the log can store many in one step: all subjects need an expected sequence for that, or none.
   * Rejects like `append`; some may then be stored.
   */
  appendAll(messages: readonly Append[]): Promise<readonly Appended[]>;
  /** Messages of a stream in order, from a sequence on, then live. Survives reconnects without a gap or a repeat. */
  read(query: ReadQuery): LogReader;
  /**
   * The messages with these sequences, in their order, without those that do not exist. Faster than `read` where they
   * lie far apart.
   */
  readEach(stream: StreamName, sequences: readonly number[]): Promise<readonly LogMessage[]>;
  /** The newest message of a subject (no wildcards). */
  lastFor(stream: StreamName, subject: string): Promise<LogMessage | undefined>;
  /** The newest message of a stream. Its sequence may be below that of the bounds: purged messages count there. */
  newest(stream: StreamName): Promise<LogMessage | undefined>;
  /** The current bounds of the stream. */
  bounds(stream: StreamName): Promise<StreamBounds>;
  /** Deletes the messages of a subject (a trailing `>` or `*` is allowed) before a sequence. */
  purge(stream: StreamName, subject: string, beforeSequence: number): Promise<void>;
  /** Deletes one message; nothing if it does not exist. */
  remove(stream: StreamName, sequence: number): Promise<void>;
  /** The number of messages of each matching subject. For patterns that match few subjects. */
  countBySubject(stream: StreamName, pattern: string): Promise<ReadonlyMap<string, number>>;
  /** The largest payload that `append` accepts, in bytes. */
  readonly payloadBytesMax: number;
  readonly durability: Durability;
  readonly records: Records;
  readonly blobs: Blobs;
  readonly bus: Bus;
  /** Whether the log answers now. */
  healthy(): boolean;
  close(): Promise<void>;
}

/** What an acknowledgement guarantees: on disk, in the server, on several servers, or unknown. */
export type Durability = "synced" | "stored" | "replicated" | "unknown";

export interface Append {
  readonly subject: string;
  readonly payload: Uint8Array;
  /** A second append with the same id within the log's duplicate window is not stored again. */
  readonly id?: string;
  /** Compare-and-set: the sequence of the newest message on this subject, 0 for none. */
  readonly expectLastSubjectSequence?: number;
}

export interface Appended {
  /** 0 when the message was stored and deleted before its acknowledgement arrived. */
  readonly sequence: number;
  readonly duplicate: boolean;
}

export interface LogMessage {
  readonly subject: string;
  readonly sequence: number;
  /** When the log stored it, in whole microseconds. Never decreases within a stream. */
  readonly storedAtUs: number;
  readonly payload: Uint8Array;
}

export interface ReadQuery {
  readonly stream: StreamName;
  /** Default: all subjects of the stream. A trailing `>` or `*` is allowed. */
  readonly subjects?: readonly string[];
  readonly from: ReadFrom;
  /** Whether payloads may be left out, and then are empty: where only subjects and sequences matter. */
  readonly headersOnly?: boolean;
  /** Pause requests to the log while this many messages wait here. Default 512. */
  readonly bufferMessagesMax?: number;
}

export type ReadFrom =
  | { readonly kind: "sequence"; readonly sequence: number }
  | { readonly kind: "first" }
  /** From about the start of the reading; for an exact position use `bounds` and a sequence. */
  | { readonly kind: "new" }
  | { readonly kind: "time"; readonly atUs: number }
  /** The newest message of each subject, then live. */
  | { readonly kind: "last-per-subject" };

/**
 * Iterate once. `close` ends the iteration. If the processing of a message throws, the iteration ends with that
 * error.
 */
export interface LogReader extends AsyncIterable<readonly LogMessage[]> {
  close(): Promise<void>;
}

export interface StreamBounds {
  /** 1 when the stream was never written. */
  readonly firstSequence: number;
  /** 0 when the stream was never written. */
  readonly lastSequence: number;
  readonly messages: number;
  readonly bytes: number;
  readonly firstAtUs: number;
  readonly lastAtUs: number;
}

/** Small named values with compare-and-set, at most 512 KiB each. Names: letters, digits, `-_.`. */
export interface Records {
  get(name: string): Promise<{ readonly value: Uint8Array; readonly revision: number } | undefined>;
  /** `expectRevision` 0 creates. Resolves to the new revision; rejects with `ConflictError` when it does not match. */
  set(name: string, value: Uint8Array, expectRevision: number): Promise<number>;
}

/** Large named values. */
export interface Blobs {
  get(name: string): Promise<Uint8Array | undefined>;
  /** A large value in pieces, which need not fit into one buffer. They must not change until it is put. */
  put(name: string, value: Uint8Array | readonly Uint8Array[]): Promise<void>;
  delete(name: string): Promise<void>;
}

/** Questions between services, and figures that may be lost. `contracts/question.ts` says how to declare both. */
export interface Bus {
  /** `key` for a keyed report only. A report that is too large for a message is dropped. */
  publish<Value>(report: Report<Value>, value: Value, key?: string): void;
  /**
   * Calls for each report that matches its schema, with its key ("" when it has none). Returns a function that stops
   * it. `onBad` gets the problems of the others.
   */
  subscribe<Value>(
    report: Report<Value>,
    onValue: (value: Value, key: string) => void,
    onBad?: (problem: string, key: string) => void,
  ): () => void;
  /** For bytes that are no JSON: a message too large is dropped, as a report is. `subject` has no wildcards. */
  publishBytes(subject: string, bytes: Uint8Array): void;
  /** Calls for each, with its subject. `*` matches a word, a trailing `>` the rest. Returns a function that stops it. */
  subscribeBytes(subject: string, onBytes: (bytes: Uint8Array, subject: string) => void): () => void;
  /**
   * Resolves to the answer, of any size up to `ANSWER_BYTES_MAX`. Rejects with `NoAnswerError` without an answer in
   * time, with `RefusedError` when the answerer refuses or fails, with `BadAnswerError` when the answer does not
   * match its schema or is incomplete, and with the signal's reason.
   */
  request<Ask, Asked, Answer>(
    question: Question<Ask, Asked, Answer>,
    ask: Ask,
    options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal },
  ): Promise<Answer>;
  /**
   * Answers questions; bad ones are refused before they arrive here. `onRefused` receives the reason. Returns a
   * function that stops it.
   */
  respond<Ask, Asked, Answer>(
    question: Question<Ask, Asked, Answer>,
    answer: (asked: Asked) => Promise<Answer>,
    onRefused?: (error: unknown) => void,
  ): () => void;
}

/** The largest answer, encoded as JSON: the asker holds it in memory. */
export const ANSWER_BYTES_MAX = 64 * 1_048_576;

export class ConflictError extends Error {
  override readonly name = "ConflictError";
}

export class LogClosedError extends Error {
  override readonly name = "LogClosedError";
}

export class TooLargeError extends Error {
  override readonly name = "TooLargeError";
}

/** No service answers, or not in time. Retrying helps once the service runs. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
}

/** The answerer refuses the question, or fails on it; the message is the answerer's. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/** An answer arrived that does not match its schema, or only a part of one. */
export class BadAnswerError extends Error {
  override readonly name = "BadAnswerError";
}
