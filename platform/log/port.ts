import type { Question, Report } from "../../contracts/question.ts";
import type { StreamName } from "../../domain/subjects.ts";

/**
 * The durable log that all services meet on. Adapters: JetStream (`jetstream.ts`) and memory (`memory.ts`, for unit
 * tests and simulation); both pass `log-contract.ts`.
 */
export interface Log {
  /**
   * Stores a message at the end of its stream; resolves when the log has it (see `durability`).
   * Keeps trying while the log is away. Rejects with `ConflictError` when `expectLastSubjectSequence` does not hold,
   * with `LogClosedError` after `close`, and with `TooLargeError` when no server would take the message.
   */
  append(message: Append): Promise<Appended>;
  /** Messages of a stream in order, from a sequence on, then live. Survives reconnects without a gap or a repeat. */
  read(query: ReadQuery): LogReader;
  /** The newest message of a subject (no wildcards). */
  lastFor(stream: StreamName, subject: string): Promise<LogMessage | undefined>;
  /** What the stream holds now. */
  bounds(stream: StreamName): Promise<StreamBounds>;
  /** How many messages each matching subject has. For patterns that match few subjects. */
  countBySubject(stream: StreamName, pattern: string): Promise<ReadonlyMap<string, number>>;
  /** The largest payload that `append` takes, in bytes. */
  readonly payloadBytesMax: number;
  readonly durability: Durability;
  readonly records: Records;
  readonly blobs: Blobs;
  readonly bus: Bus;
  /** Whether the log answers now. */
  healthy(): boolean;
  close(): Promise<void>;
}

/** What an acknowledgement is worth: on disk, in the server, on several servers, or not known. */
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
  readonly sequence: number;
  readonly duplicate: boolean;
}

export interface LogMessage {
  readonly subject: string;
  readonly sequence: number;
  /** When the log stored it, whole microseconds. Never goes backward within a stream. */
  readonly storedAtUs: number;
  readonly payload: Uint8Array;
}

export interface ReadQuery {
  readonly stream: StreamName;
  /** All subjects of the stream when left out. A trailing `>` or `*` is allowed. */
  readonly subjects?: readonly string[];
  readonly from: ReadFrom;
  /** Stop asking the log for more while this many messages wait here. Default 512. */
  readonly bufferMessagesMax?: number;
}

export type ReadFrom =
  | { readonly kind: "sequence"; readonly sequence: number }
  | { readonly kind: "first" }
  /** From about when the reading starts; for an exact place use `bounds` and a sequence. */
  | { readonly kind: "new" }
  | { readonly kind: "time"; readonly atUs: number }
  /** The newest message of each subject, then live. */
  | { readonly kind: "last-per-subject" };

/** Iterate once. `close` ends the iteration. A message whose processing throws ends it with that error. */
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
  /** `expectRevision` 0 creates. Resolves to the new revision; rejects with `ConflictError` when it does not hold. */
  set(name: string, value: Uint8Array, expectRevision: number): Promise<number>;
}

/** Large named values. */
export interface Blobs {
  get(name: string): Promise<Uint8Array | undefined>;
  /** A large value in pieces, which need not fit together in one buffer. They must not change until it is put. */
  put(name: string, value: Uint8Array | readonly Uint8Array[]): Promise<void>;
  delete(name: string): Promise<void>;
}

/** Questions between services, and figures that may be lost. `contracts/question.ts` says how both are declared. */
export interface Bus {
  /** `key` for a keyed report only. A report that is too large for a message is dropped. */
  publish<Value>(report: Report<Value>, value: Value, key?: string): void;
  /**
   * Calls for each report that fits its schema, with its key ("" when it has none). Returns how to stop. `onBad` gets
   * the others' problems.
   */
  subscribe<Value>(
    report: Report<Value>,
    onValue: (value: Value, key: string) => void,
    onBad?: (problem: string, key: string) => void,
  ): () => void;
  /**
   * Resolves to the answer, whatever its size up to `ANSWER_BYTES_MAX`. Rejects with `NoAnswerError` when nobody answers
   * in time, with `RefusedError` when the answerer refuses or fails, with `BadAnswerError` when the answer does not fit
   * or breaks off, and with the signal's reason.
   */
  request<Ask, Asked, Answer>(
    question: Question<Ask, Asked, Answer>,
    ask: Ask,
    options?: { readonly timeoutMs?: number; readonly signal?: AbortSignal },
  ): Promise<Answer>;
  /** Answers questions; bad ones are refused before they come here. `onRefused` hears why. Returns how to stop. */
  respond<Ask, Asked, Answer>(
    question: Question<Ask, Asked, Answer>,
    answer: (asked: Asked) => Promise<Answer>,
    onRefused?: (error: unknown) => void,
  ): () => void;
}

/** No answer is larger, encoded as JSON: the asker holds it in memory. */
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

/** Nobody answers, or not in time. Trying again helps once the service runs. */
export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
}

/** The answerer refuses the question, or failed on it; the message is its own. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/** An answer came that does not fit its schema, or only a part of one. */
export class BadAnswerError extends Error {
  override readonly name = "BadAnswerError";
}
