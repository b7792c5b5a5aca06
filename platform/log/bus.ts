import { z } from "zod";
import type { Report } from "../../contracts/question.ts";
import { reasonOf } from "../../domain/reason.ts";
import { ANSWER_BYTES_MAX, BadAnswerError, type Bus, RefusedError, TooLargeError } from "./port.ts";

const REQUEST_TIMEOUT_MS = 5_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** How an adapter carries the bus's JSON, as bytes. */
export interface BusTransport {
  /** The largest question or report in bytes. Answers have no such limit: the transport splits them. */
  readonly messageBytesMax: () => number;
  readonly publish: (subject: string, bytes: Uint8Array) => void;
  /** `*` matches a word, a trailing `>` the rest. Returns a function that stops it. */
  readonly subscribe: (subject: string, onBytes: (bytes: Uint8Array, subject: string) => void) => () => void;
  /**
   * Rejects with `NoAnswerError`, with `BadAnswerError` when the answer is incomplete, and with the signal's reason.
   */
  readonly request: (subject: string, bytes: Uint8Array, options: RequestOptions) => Promise<Uint8Array>;
  /** `answer` never rejects. Returns a function that stops it. */
  readonly respond: (subject: string, answer: (bytes: Uint8Array) => Promise<Uint8Array>) => () => void;
  /** Called when something is dropped, for the log. */
  readonly onDropped: (problem: string) => void;
}

export interface RequestOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

const envelope = z.union([z.object({ error: z.string() }), z.object({ value: z.unknown() })]);

/** A bus over a transport: encodes, and checks received data against the schemas of questions and reports. */
export function createBus(transport: BusTransport): Bus {
  function publishBytes(subject: string, bytes: Uint8Array): void {
    const max = transport.messageBytesMax();
    if (bytes.length <= max) transport.publish(subject, bytes);
    else transport.onDropped(`a report on ${subject} has ${bytes.length} bytes, at most ${max}`);
  }

  return {
    publish: (report, value, key) => publishBytes(subjectOf(report, key), toBytes(value)),
    publishBytes,
    subscribeBytes: (subject, onBytes) => transport.subscribe(subject, onBytes),
    subscribe(report, onValue, onBad) {
      return transport.subscribe(subjectOf(report, ">"), (bytes, subject) => {
        const key = report.keyed ? subject.slice(report.subject.length + 1) : "";
        const read = parse(report.schema, bytes);
        if (read.ok) onValue(read.value, key);
        else if (onBad === undefined) transport.onDropped(`not a report on ${subject}: ${read.problem}`);
        else onBad(read.problem, key);
      });
    },
    async request({ subject, ask, answer }, value, { timeoutMs = REQUEST_TIMEOUT_MS, signal } = {}) {
      // Checked here as well, so that the stack of a bad question is the asker's.
      const checked = ask.safeParse(value);
      if (!checked.success) throw new RefusedError(notUnderstood(checked.error));
      const bytes = toBytes(value);
      const max = transport.messageBytesMax();
      if (bytes.length > max) {
        throw new TooLargeError(`the question on ${subject} has ${bytes.length} bytes, at most ${max}`);
      }
      signal?.throwIfAborted();
      const answered = parse(envelope, await transport.request(subject, bytes, { timeoutMs, signal }));
      if (!answered.ok) throw new BadAnswerError(`no answer to ${subject}: ${answered.problem}`);
      if ("error" in answered.value) throw new RefusedError(answered.value.error);
      const result = answer.safeParse(answered.value.value);
      if (result.success) return result.data;
      throw new BadAnswerError(`the answer on ${subject} is not as expected: ${z.prettifyError(result.error)}`);
    },
    respond({ subject, ask }, answer, onRefused) {
      return transport.respond(subject, async (bytes) => {
        try {
          const asked = parse(ask, bytes);
          if (!asked.ok) throw new RefusedError(asked.problem);
          return boundedAnswer(subject, await answer(asked.value));
        } catch (error) {
          onRefused?.(error);
          return errorAnswer(reasonOf(error));
        }
      });
    },
  };
}

/** Sent instead of an answer. */
export function errorAnswer(error: string): Uint8Array {
  return toBytes({ error });
}

function boundedAnswer(subject: string, value: unknown): Uint8Array {
  const bytes = toBytes({ value: value ?? null });
  if (bytes.length <= ANSWER_BYTES_MAX) return bytes;
  throw new TooLargeError(
    `the answer on ${subject} has ${bytes.length} bytes, at most ${ANSWER_BYTES_MAX}; ask for less`,
  );
}

function subjectOf({ subject, keyed }: Pick<Report<unknown>, "subject" | "keyed">, key: string | undefined): string {
  if (!keyed) return subject;
  if (key === undefined || key === "") throw new Error(`reports on ${subject} need a key`);
  return `${subject}.${key}`;
}

type Parsed<Value> = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly problem: string };

function parse<Value>(schema: z.ZodType<Value>, bytes: Uint8Array): Parsed<Value> {
  let json: unknown;
  try {
    json = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    return { ok: false, problem: `not JSON: ${reasonOf(error)}` };
  }
  const result = schema.safeParse(json);
  return result.success ? { ok: true, value: result.data } : { ok: false, problem: notUnderstood(result.error) };
}

function notUnderstood(error: z.ZodError): string {
  return `not understood: ${z.prettifyError(error)}`;
}

function toBytes(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value ?? null));
}
