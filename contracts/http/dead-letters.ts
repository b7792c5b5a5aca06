import { z } from "zod";
import type { LetterRetry, RetryReport } from "../dead-letters.ts";

// What the HTTP API answers about dead letters.

const outcome = z.enum(["stored", "empty", "refused"]);

export const letterRetrySchema = z.object({
  outcome: outcome.describe(
    "stored: its readings are in the log. empty: it can be read, but no source wants any of it. " +
      "refused: it still cannot be read, and a new letter says why.",
  ),
  by: z.string().describe("Who ordered it; empty when nobody was named."),
  atUs: z.number(),
  readings: z.int().min(0).describe("Readings that went to the log; those that it already had count once."),
  letter: z.int().min(1).exactOptional().describe("Of a refused one: the new letter."),
}) satisfies z.ZodType<LetterRetry>;

export const retryResultSchema = z.object({
  sequence: z.int().min(1),
  outcome: z
    .enum([...outcome.options, "already-done", "not-retryable", "not-found"])
    .describe("As in `retry`; or already-done: it was retried before, and nothing happened now."),
  detail: z.string().describe("For people."),
  retry: letterRetrySchema.exactOptional().describe("What the log holds about this or the earlier retry."),
});

export const retryReportSchema = z.object({
  results: z.array(retryResultSchema),
  before: z
    .int()
    .min(1)
    .describe("Send this as `before` to continue: new letters from this retry are then left alone."),
  next: z.int().min(0).exactOptional().describe("Send this as `after` to continue; left out when there are no more."),
}) satisfies z.ZodType<RetryReport>;

export const letterSummarySchema = z.object({
  sequence: z.int().min(1),
  storedAtUs: z.number(),
  reason: z
    .string()
    .describe("unknown-topic, bad-topic, bad-payload, bad-timestamp, too-large, write-refused, notification..."),
  detail: z.string().describe("For people."),
  topic: z.string(),
  clientId: z.string(),
  receivedAtUs: z.number(),
  position: z.int().exactOptional().describe("The first bad byte, where it is known."),
  retryOf: z.int().min(1).exactOptional().describe("The letter whose retry produced this one."),
  payloadBytes: z.int().min(0),
  preview: z.string().describe("The payload's beginning, as text."),
  retryable: z.boolean().describe("Whether a retry can change anything."),
  retry: letterRetrySchema.exactOptional(),
});

export const lettersAnswer = z.object({
  total: z.int().min(0).describe("All letters in the log."),
  reasons: z.record(z.string(), z.int()).describe("Letters in the log, by reason."),
  letters: z.array(letterSummarySchema).describe("Newest first."),
  next: z.int().exactOptional().describe("Send this as `before` for the next page; left out on the last page."),
});

export const letterSchema = letterSummarySchema.extend({
  text: z.union([z.string(), z.null()]).describe("Null when the payload is not UTF-8."),
  base64: z.string(),
});

export type DeadLetterSummary = z.output<typeof letterSummarySchema>;
export type DeadLetterWhole = z.output<typeof letterSchema>;
export type DeadLetterPage = z.output<typeof lettersAnswer>;
