import { z } from "zod";
import {
  adviceOf,
  DEAD_LETTERS_DISMISS,
  DEAD_LETTERS_RETRY,
  dismissReportSchema,
  type LetterRetry,
  type RetryOfMany,
  retryReportSchema,
  retryResultSchema,
} from "../../contracts/dead-letters.ts";
import { letterSchema, lettersAnswer, letterTopicsAnswer } from "../../contracts/http/dead-letters.ts";
import { SOURCES_TRY, trialReportSchema } from "../../contracts/trials.ts";
import {
  countByReason,
  isRetryable,
  type KeptLetter,
  LettersUnreadError,
  letterAt,
  pageOfLetters,
  retryOf,
} from "../../platform/dead-letter-log.ts";
import { countByTopic } from "../../platform/dead-letter-topics.ts";
import { ApiError } from "./api-error.ts";
import { askService, INGEST, INGEST_PROBLEMS } from "./ask-service.ts";
import { authorOf } from "./author.ts";
import { operation } from "./operation.ts";
import { whole } from "./query.ts";

/** The list shows at most this much of a payload. */
const PREVIEW_BYTES = 160;

const tag = "dead letters";
const scope = { channels: ["stats"], allSitesOnly: true } as const;
const params = z.object({
  sequence: z.string().describe("A letter's number.").meta({ type: "integer", minimum: 1 }),
});
const SLOW_PROBLEM = { 503: "The log takes too long." };
const reason = z.string().min(1).max(256).optional().describe("Only letters with this reason.");
const topic = z
  .string()
  .min(1)
  .max(1_024)
  .optional()
  .describe("Only letters whose topic matches this glob (`*`, `?`), or MQTT filter (`+`, `#`).");
const by = z.string().trim().max(150).optional().describe("Who gives the order. A token's name is added.");

export const deadLetters = operation({
  method: "GET",
  path: "/api/v1/dead-letters",
  id: "deadLetters",
  tag,
  summary: "Refused messages, newest first, without the whole payloads",
  scope,
  query: z.strictObject({
    reason,
    topic,
    before: z.coerce.number().int().min(1).optional().describe("An earlier page's `next`: only older letters."),
    limit: whole({ min: 1, max: 500, standard: 50 }),
  }),
  answer: lettersAnswer,
  problems: SLOW_PROBLEM,
  example: { query: { reason: "bad-payload", topic: "*", limit: "1" } },
  async handle({ query, log }) {
    const [page, reasons] = await unlessSlow(Promise.all([pageOfLetters(log, query, summaryOf), countByReason(log)]));
    const retries = await Promise.all(page.letters.map(({ sequence }) => retryOf(log, sequence)));
    return {
      total: Object.values(reasons).reduce((sum, count) => sum + count, 0),
      reasons,
      letters: page.letters.map((summary, i) => withRetry(summary, retries[i])),
      ...(page.next === undefined ? {} : { next: page.next }),
    };
  },
});

export const deadLetterTopics = operation({
  method: "GET",
  path: "/api/v1/dead-letters/topics",
  id: "deadLetterTopics",
  tag,
  summary: "Which topics have dead letters, and how many",
  scope,
  query: z.strictObject({ reason }),
  answer: letterTopicsAnswer,
  problems: SLOW_PROBLEM,
  example: { query: { reason: "bad-payload" } },
  async handle({ query, log }) {
    return await unlessSlow(countByTopic(log, query));
  },
});

export const dismissDeadLetters = operation({
  method: "POST",
  path: "/api/v1/dead-letters/dismiss",
  id: "dismissDeadLetters",
  tag,
  summary: "Delete letters whose messages nobody needs",
  description:
    "Give `sequences`, or `reason`, `topic`, or neither for all letters. To continue, send an answer's `before` and `next` as `before` and `after`, until an answer has no `next`.",
  scope,
  body: z.strictObject({
    sequences: z.array(z.int().min(1)).min(1).max(500).optional().describe("These letters."),
    reason,
    topic,
    before: z.int().min(1).optional().describe("Only letters with a smaller sequence."),
    after: z.int().min(0).optional().describe("Only letters with a greater sequence: an earlier answer's `next`."),
    by,
  }),
  answer: dismissReportSchema,
  problems: { ...INGEST_PROBLEMS, 422: "The ingest refuses the order and says why." },
  example: { body: { topic: "homeassistant/#" } },
  async handle({ body, grant, log }) {
    const { by: named, sequences, ...asked } = body;
    const orderedBy = authorOf(named, grant) ?? "";
    const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
    if (sequences !== undefined && Object.keys(given).length > 0) {
      throw new ApiError({ status: 400, code: "bad-body", message: "give either sequences, or reason and topic" });
    }
    const order = sequences === undefined ? { by: orderedBy, ...given } : { by: orderedBy, sequences };
    return await askService(log.bus, DEAD_LETTERS_DISMISS, order, INGEST);
  },
});

export const deadLetter = operation({
  method: "GET",
  path: "/api/v1/dead-letters/{sequence}",
  id: "deadLetter",
  tag,
  summary: "One dead letter with its payload",
  scope,
  params,
  answer: letterSchema,
  problems: { 404: "The letter does not exist, or is too old.", ...SLOW_PROBLEM },
  example: { params: { sequence: "1" } },
  async handle({ params, log }) {
    const kept = await unlessSlow(letterAt(log, sequenceOf(params.sequence)));
    if (kept === undefined) throw unknownLetter(params.sequence);
    const { payload } = kept.letter;
    return {
      ...withRetry(summaryOf(kept), await retryOf(log, kept.sequence)),
      text: utf8(payload),
      base64: Buffer.from(payload).toString("base64"),
    };
  },
});

export const deadLetterTrial = operation({
  method: "GET",
  path: "/api/v1/dead-letters/{sequence}/trial",
  id: "deadLetterTrial",
  tag,
  summary: "What each source in force makes of a letter, why it does not fit, and a source that would",
  description: "Nothing is stored: the message is only tried. `weir sources try --letter` shows the same.",
  scope,
  params,
  answer: trialReportSchema,
  problems: { ...INGEST_PROBLEMS, 404: "The letter does not exist, or is too old.", 422: "The ingest cannot try it." },
  example: { params: { sequence: "1" } },
  async handle({ params, log }) {
    const sequence = sequenceOf(params.sequence);
    const report = sequence === 0 ? null : await askService(log.bus, SOURCES_TRY, { sequence }, INGEST);
    if (report === null) throw unknownLetter(params.sequence);
    return report;
  },
});

export const retryDeadLetters = operation({
  method: "POST",
  path: "/api/v1/dead-letters/retry",
  id: "retryDeadLetters",
  tag,
  summary: "Retry the letters that were not retried yet, oldest first",
  description:
    "To continue, send an answer's `before` and `next` as `before` and `after`, until an answer has no `next`.",
  scope,
  body: z.strictObject({
    reason,
    topic,
    before: z.int().min(1).optional().describe("Only letters with a smaller sequence."),
    after: z.int().min(0).optional().describe("Only letters with a greater sequence: an earlier answer's `next`."),
    limit: z.int().min(1).max(500).default(100).describe("The largest number of letters."),
    by,
  }),
  answer: retryReportSchema,
  problems: { ...INGEST_PROBLEMS, 422: "The ingest refuses the order and says why." },
  example: { body: { reason: "bad-payload", limit: 10 } },
  async handle({ body, grant, log }) {
    const { by: named, limit, ...asked } = body;
    const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
    const order: RetryOfMany = { by: authorOf(named, grant) ?? "", limit, ...given };
    return await askService(log.bus, DEAD_LETTERS_RETRY, order, INGEST);
  },
});

export const retryDeadLetter = operation({
  method: "POST",
  path: "/api/v1/dead-letters/{sequence}/retry",
  id: "retryDeadLetter",
  tag,
  summary: "Retry one letter, as if its message had just arrived",
  description: "A letter can be retried once. A second order gets the first outcome, and `already-done`.",
  scope,
  params,
  body: z.strictObject({ by }),
  answer: retryResultSchema,
  problems: {
    ...INGEST_PROBLEMS,
    404: "The letter does not exist.",
    422: "The letter is not a device's message, and cannot be retried.",
  },
  example: { params: { sequence: "1" }, body: {} },
  async handle({ params, body, grant, log }) {
    const sequence = sequenceOf(params.sequence);
    if (sequence === 0) throw unknownLetter(params.sequence);
    const order = { by: authorOf(body.by, grant) ?? "", sequences: [sequence] };
    const [result] = (await askService(log.bus, DEAD_LETTERS_RETRY, order, INGEST)).results;
    if (result === undefined || result.outcome === "not-found") throw unknownLetter(params.sequence);
    if (result.outcome === "not-retryable") {
      throw new ApiError({ status: 422, code: "not-retryable", message: result.detail });
    }
    return result;
  },
});

async function unlessSlow<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    if (!(cause instanceof LettersUnreadError)) throw cause;
    throw new ApiError({ status: 503, code: "log-slow", message: cause.message }, { cause });
  }
}

interface Summary {
  readonly sequence: number;
  readonly retryable: boolean;
}

/** 0 for a name that is not a number, because no letter has the number 0. */
function sequenceOf(named: string): number {
  return /^\d{1,15}$/.test(named) ? Number(named) : 0;
}

function unknownLetter(named: string): ApiError {
  const message = `no dead letter ${named}: it never existed, or is too old`;
  return new ApiError({ status: 404, code: "unknown-letter", message });
}

function summaryOf({ sequence, storedAtUs, letter }: KeptLetter) {
  const { payload, ...about } = letter;
  return {
    ...{ sequence, storedAtUs, ...about, payloadBytes: payload.length },
    preview: Buffer.from(payload.subarray(0, PREVIEW_BYTES)).toString("utf8"),
    retryable: isRetryable(letter),
    advice: adviceOf({ reason: letter.reason, isCut: letter.wholeBytes !== undefined }),
  };
}

/** A letter can be retried once; `retry` is the outcome. */
function withRetry<T extends Summary>(summary: T, retry: LetterRetry | undefined): T {
  return retry === undefined ? summary : { ...summary, retryable: false, retry };
}

function utf8(bytes: Uint8Array): string | null {
  try {
    // With a byte order mark, so that positions still count.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}
