import { z } from "zod";
import {
  DEAD_LETTERS_RETRY,
  type LetterRetry,
  type RetryOfMany,
  type RetryOfSome,
  type RetryOrder,
  type RetryReport,
} from "../../contracts/dead-letters.ts";
import {
  countByReason,
  isRetryable,
  type KeptLetter,
  letterAt,
  pageOfLetters,
  retryOf,
} from "../../platform/dead-letter-log.ts";
import type { Bus } from "../../platform/log/port.ts";
import type { ApiDeps } from "./api.ts";
import { ApiError } from "./api-error.ts";
import { askService } from "./ask.ts";
import { parseBody, parseQuery, whole } from "./query.ts";

/** So much of a payload stands in the list. */
const PREVIEW_BYTES = 160;
/** The ingest answers in half of this, or says where to go on. */
const INGEST = {
  who: "the ingest",
  service: "edge",
  code: "ingest",
  timeoutMs: 9_000,
  refusedStatus: 422,
};

export const lettersQuery = z.strictObject({
  reason: z.string().min(1).max(256).optional().describe("Only letters of this reason."),
  topic: z.string().min(1).max(1_024).optional().describe("Only letters whose topic fits this glob (`*`, `?`)."),
  before: z.coerce.number().int().min(1).optional().describe("An earlier page's `next`: the older letters."),
  limit: whole({ min: 1, max: 500, standard: 50 }),
});

interface Summary {
  readonly sequence: number;
  readonly retryable: boolean;
}

/** The newest letters first, without their whole payloads. `next`, if there may be more, is the next page's `before`. */
export async function deadLetters(query: URLSearchParams, { log }: ApiDeps): Promise<string> {
  const { reason, topic, before, limit } = parseQuery(lettersQuery, query, "reject");
  const [page, reasons] = await Promise.all([
    pageOfLetters(log, { reason, topic, before, limit }, summaryOf),
    countByReason(log),
  ]);
  const retries = await Promise.all(page.letters.map(({ sequence }) => retryOf(log, sequence)));
  return JSON.stringify({
    total: Object.values(reasons).reduce((sum, count) => sum + count, 0),
    reasons,
    letters: page.letters.map((summary, i) => withRetry(summary, retries[i])),
    ...(page.next === undefined ? {} : { next: page.next }),
  });
}

/** One letter with its payload: as text where it is UTF-8, and in base64. */
export async function deadLetter(query: URLSearchParams, { log, params }: ApiDeps): Promise<string> {
  parseQuery(z.strictObject({}), query, "reject");
  const kept = await letterAt(log, sequenceOf(params));
  if (kept === undefined) throw unknownLetter(params.sequence);
  const { payload } = kept.letter;
  return JSON.stringify({
    ...withRetry(summaryOf(kept), await retryOf(log, kept.sequence)),
    text: utf8(payload),
    base64: Buffer.from(payload).toString("base64"),
  });
}

const by = z.string().trim().max(150).optional().describe("Who gives the order; a token's name stands beside it.");

export const retryBody = z.strictObject({ by });

/** Puts one letter through the ingest again. Answered with what came of it. */
export async function retryLetter(query: URLSearchParams, deps: ApiDeps): Promise<string> {
  parseQuery(z.strictObject({}), query, "reject");
  const body = parseBody(retryBody, deps.body ?? {});
  const sequence = sequenceOf(deps.params);
  if (sequence === 0) throw unknownLetter(deps.params.sequence);
  const order: RetryOfSome = { by: authorOf(body.by, deps), sequences: [sequence] };
  const [result] = (await askIngest(deps.bus, order)).results;
  if (result === undefined || result.outcome === "not-found") throw unknownLetter(deps.params.sequence);
  if (result.outcome === "not-retryable") {
    throw new ApiError({ status: 422, code: "not-retryable", message: result.detail });
  }
  return JSON.stringify(result);
}

export const retryManyBody = z.strictObject({
  reason: z.string().min(1).max(256).optional().describe("Only letters of this reason."),
  topic: z.string().min(1).max(1_024).optional().describe("Only letters whose topic fits this glob (`*`, `?`)."),
  before: z.int().min(1).optional().describe("Only letters with a smaller sequence."),
  after: z.int().min(0).optional().describe("Only letters with a greater sequence: an earlier answer's `next`."),
  limit: z.int().min(1).max(500).default(100).describe("So many letters, at most."),
  by,
});

/** Puts letters that were not retried yet through the ingest again, oldest first. */
export async function retryLetters(query: URLSearchParams, deps: ApiDeps): Promise<string> {
  parseQuery(z.strictObject({}), query, "reject");
  const { by: who, limit, ...asked } = parseBody(retryManyBody, deps.body ?? {});
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
  const order: RetryOfMany = { by: authorOf(who, deps), limit, ...given };
  return JSON.stringify(await askIngest(deps.bus, order));
}

function askIngest(bus: Bus, order: RetryOrder): Promise<RetryReport> {
  return askService(bus, DEAD_LETTERS_RETRY, order, INGEST);
}

const outcome = z.enum(["stored", "empty", "refused"]);

export const retrySchema = z.object({
  outcome: outcome.describe(
    "stored: its readings are in the log. empty: it can be read, and no source wants anything of it. " +
      "refused: it still cannot be read, and a new letter says why.",
  ),
  by: z.string().describe("Who ordered it; empty when nobody was named."),
  atUs: z.number(),
  readings: z.int().min(0).describe("Readings that were handed to the log; those that it had already count once."),
  letter: z.int().min(1).exactOptional().describe("Of a refused one: the new letter."),
}) satisfies z.ZodType<LetterRetry>;

export const retryResultSchema = z.object({
  sequence: z.int().min(1),
  outcome: z
    .enum([...outcome.options, "already-done", "not-retryable", "not-found"])
    .describe("As in `retry`; or already-done: it was retried before, and nothing was done now."),
  detail: z.string().describe("For people."),
  retry: retrySchema.exactOptional().describe("What stands in the log of this or the earlier retry."),
});

export const reportSchema = z.object({
  results: z.array(retryResultSchema),
  before: z.int().min(1).describe("Give this as `before` to go on: letters that the retry made are then left alone."),
  next: z.int().min(0).exactOptional().describe("Give this as `after` to go on; left out when there is no more."),
}) satisfies z.ZodType<RetryReport>;

function authorOf(who: string | undefined, { grant }: ApiDeps): string {
  if (grant.name === "") return who ?? "";
  return who === undefined || who === "" ? grant.name : `${who} (${grant.name})`;
}

function sequenceOf(params: ApiDeps["params"]): number {
  return /^\d{1,15}$/.test(params.sequence ?? "") ? Number(params.sequence) : 0;
}

function unknownLetter(named: string | undefined): ApiError {
  const message = `no dead letter ${named}: it was never there, or is too old`;
  return new ApiError({ status: 404, code: "unknown-letter", message });
}

function summaryOf({ sequence, storedAtUs, letter }: KeptLetter) {
  const { payload, ...about } = letter;
  return {
    ...{ sequence, storedAtUs, ...about, payloadBytes: payload.length },
    preview: Buffer.from(payload.subarray(0, PREVIEW_BYTES)).toString("utf8"),
    retryable: isRetryable(letter),
  };
}

/** It can be retried once; `retry` says what came of it. */
function withRetry<T extends Summary>(summary: T, retry: LetterRetry | undefined): T {
  return retry === undefined ? summary : { ...summary, retryable: false, retry };
}

function utf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
