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
  /** How many messages each subject has that fits a pattern. For patterns that few subjects fit. */
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

/** What may be lost: live figures and questions between services. Payloads are JSON values. */
export interface Bus {
  publish(subject: string, value: unknown): void;
  /** Returns how to stop. `*` matches a word, a trailing `>` the rest. */
  subscribe(subject: string, onValue: (value: unknown, subject: string) => void): () => void;
  /** Rejects with `NoAnswerError` when nobody answers in time, or with the answerer's error. */
  request(subject: string, value: unknown, options?: { readonly timeoutMs?: number }): Promise<unknown>;
  /** Returns how to stop. */
  respond(subject: string, answer: (value: unknown) => Promise<unknown>): () => void;
}

export class ConflictError extends Error {
  override readonly name = "ConflictError";
}

export class LogClosedError extends Error {
  override readonly name = "LogClosedError";
}

export class TooLargeError extends Error {
  override readonly name = "TooLargeError";
}

export class NoAnswerError extends Error {
  override readonly name = "NoAnswerError";
}
