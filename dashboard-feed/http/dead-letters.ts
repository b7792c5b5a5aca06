import { z } from "zod";
import type { DeadLetter } from "../../domain/dead-letter.ts";
import { decodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import type { Log, LogMessage } from "../../platform/log/port.ts";
import type { ApiDeps } from "./api.ts";
import { ApiError } from "./api-error.ts";
import { parseQuery, whole } from "./query.ts";

/** So much of a payload stands in the list. */
const PREVIEW_BYTES = 160;
const READ_MS_MAX = 5_000;
/** One page looks at so many letters, at most. */
const LOOK_MAX = 5_000;

const listQuery = z.strictObject({
  reason: z.string().min(1).max(256).optional(),
  /** From an earlier answer's `next`: the older ones. */
  before: z.coerce.number().int().min(1).optional(),
  limit: whole({ min: 1, max: 500, standard: 50 }),
});

/** The newest letters first, without their whole payloads. `next`, if there may be more, is the next page's `before`. */
export async function deadLetters(query: URLSearchParams, { log }: ApiDeps): Promise<string> {
  const { reason, before, limit } = parseQuery(listQuery, query, "reject");
  const { firstSequence, lastSequence, messages } = await log.bounds("DEADLETTERS");
  const letters: { readonly message: LogMessage; readonly letter: DeadLetter }[] = [];
  let end = Math.min(lastSequence + 1, before ?? Number.POSITIVE_INFINITY);
  const lowest = Math.max(firstSequence, end - LOOK_MAX);
  const step = reason === undefined ? limit : LOOK_MAX;
  while (messages > 0 && end > lowest && letters.length < limit) {
    const start = Math.max(lowest, end - step);
    const found = (await readSpan(log, start, end)).map((message) => ({ message, letter: readLetter(message) }));
    letters.push(...found.filter(({ letter }) => reason === undefined || letter.reason === reason).reverse());
    end = start;
  }
  const page = letters.slice(0, limit);
  const next = letters.length > limit ? page.at(-1)?.message.sequence : end;
  return JSON.stringify({
    total: messages,
    letters: page.map(({ message, letter }) => summaryOf(message, letter)),
    ...(next !== undefined && next > firstSequence && messages > 0 ? { next } : {}),
  });
}

/** One letter with its payload: as text where it is UTF-8, and in base64. */
export async function deadLetter(query: URLSearchParams, { log, params }: ApiDeps): Promise<string> {
  parseQuery(z.strictObject({}), query, "reject");
  const sequence = /^\d{1,15}$/.test(params.sequence ?? "") ? Number(params.sequence) : 0;
  const { firstSequence, lastSequence } = await log.bounds("DEADLETTERS");
  const kept = sequence >= firstSequence && sequence <= lastSequence;
  const [message] = kept ? await readSpan(log, sequence, sequence + 1) : [];
  if (message === undefined) {
    const detail = `no dead letter ${params.sequence}: it was never there, or is too old`;
    throw new ApiError({ status: 404, code: "unknown-letter", message: detail });
  }
  const letter = readLetter(message);
  return JSON.stringify({
    ...summaryOf(message, letter),
    text: utf8(letter.payload),
    base64: Buffer.from(letter.payload).toString("base64"),
  });
}

function summaryOf(message: LogMessage, letter: DeadLetter): Record<string, unknown> {
  const { payload, ...about } = letter;
  return {
    sequence: message.sequence,
    storedAtUs: message.storedAtUs,
    ...about,
    payloadBytes: payload.length,
    preview: Buffer.from(payload.subarray(0, PREVIEW_BYTES)).toString("utf8"),
  };
}

function utf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** One that cannot be read is shown as what it is. */
function readLetter(message: LogMessage): DeadLetter {
  try {
    return decodeDeadLetter(message.payload);
  } catch (error) {
    const detail = `this entry is no dead letter: ${error instanceof Error ? error.message : error}`;
    const { subject: topic, payload, storedAtUs: receivedAtUs } = message;
    return { reason: "unreadable", detail, topic, payload, clientId: "", receivedAtUs };
  }
}

/** The messages of `[start, end)` that are still there, in order. */
async function readSpan(log: Log, start: number, end: number): Promise<LogMessage[]> {
  const reader = log.read({ stream: "DEADLETTERS", from: { kind: "sequence", sequence: start } });
  const patience = setTimeout(() => void reader.close(), READ_MS_MAX);
  const found: LogMessage[] = [];
  try {
    for await (const messages of reader) {
      for (const message of messages) if (message.sequence < end) found.push(message);
      if ((messages.at(-1)?.sequence ?? 0) >= end - 1) break;
    }
  } finally {
    clearTimeout(patience);
    await reader.close();
  }
  return found;
}
