import { z } from "zod";
import { letterRetrySchema } from "../dead-letters.ts";

// The HTTP API's answers about dead letters. `../dead-letters.ts` has the answers about retries.

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
  source: z.string().exactOptional().describe("The topic of the source that was tried, as weir.yaml has it."),
  retryOf: z.int().min(1).exactOptional().describe("The letter whose retry produced this one."),
  payloadBytes: z.int().min(0),
  preview: z.string().describe("The payload's beginning, as text."),
  retryable: z.boolean().describe("Whether a retry can change anything."),
  advice: z.string().describe("For people: what to change so that a retry helps, or why it cannot."),
  retry: letterRetrySchema.exactOptional(),
});

export const lettersAnswer = z.object({
  total: z.int().min(0).describe("All letters in the log."),
  reasons: z.record(z.string(), z.int()).describe("Letters in the log, by reason."),
  letters: z.array(letterSummarySchema).describe("Newest first."),
  next: z.int().exactOptional().describe("Send this as `before` for the next page; left out on the last page."),
});

export const letterTopicsAnswer = z.object({
  topics: z
    .array(
      z.object({
        topic: z.string().describe("A topic, or an MQTT filter: levels in which many topics differ are `+`."),
        letters: z.int().min(1),
        reasons: z.record(z.string(), z.int()).describe("Letters by reason."),
        newest: z.int().min(1).describe("The newest letter."),
        newestAtUs: z.number(),
      }),
    )
    .describe("Most letters first, at most 100."),
  counted: z.int().min(0).describe("Letters that were counted: the newest ones, at most 5,000."),
  hasMore: z.boolean().describe("Whether there are older letters."),
});

export const letterSchema = letterSummarySchema.extend({
  text: z.union([z.string(), z.null()]).describe("Null when the payload is not UTF-8."),
  base64: z.string(),
});

export type DeadLetterSummary = z.output<typeof letterSummarySchema>;
export type DeadLetterTopics = z.output<typeof letterTopicsAnswer>;
export type DeadLetterWhole = z.output<typeof letterSchema>;
export type DeadLetterPage = z.output<typeof lettersAnswer>;
