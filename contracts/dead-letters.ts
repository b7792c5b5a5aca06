import { z } from "zod";
import { type Plain, question } from "./question.ts";
import { countSchema } from "./values.ts";

/** A message could not become readings: the same bytes may be readings once the configuration is fixed. */
export const RETRYABLE_REASONS: readonly string[] = [
  "unknown-topic",
  "bad-topic",
  "bad-payload",
  "bad-timestamp",
  "bad-name",
  "too-large",
  "too-many-devices",
  "too-many-series",
  "unknown-schema",
  "reading-failed",
];

/** By reason: what a person has to change so that a retry helps. */
const ADVICE: Readonly<Record<string, string>> = {
  "unknown-topic":
    "A retry helps once a source of weir.yaml takes the topic. If nobody needs the message, add a source with the topic and `ignore: true`, and dismiss the letters.",
  "bad-topic": "A retry helps once another source takes the topic; else the device must send to another topic.",
  "bad-payload":
    "A retry helps if the source's `format` or mapping is wrong: change it in weir.yaml. If the device sends broken bytes, fix the device; a retry cannot help.",
  "bad-timestamp":
    "A retry helps once `timestamp` of the source says where the time is and how it is written. If the device's own time is wrong, `timestamp: received` does without it.",
  "bad-name":
    "A retry helps once `ingest.limits.name_size_max` allows the name. A name with control characters cannot be allowed: fix the device.",
  "too-large": "A retry helps once `ingest.limits` allow the message; else the device must send smaller messages.",
  "too-many-devices":
    "A retry helps once `ingest.limits.devices_max` or `devices_per_user_max` allow more, or once silent devices are forgotten.",
  "too-many-series":
    "A retry helps once `ingest.limits.series_max` or `series_per_device_max` allow more. Check that no name of a metric holds a value.",
  "unknown-schema": "A retry helps once the schema is in the registry.",
  "reading-failed": "This is a bug of Weir: please report it. A retry helps once a version without it runs.",
};

/** What to change so that a retry of a letter helps, or why it cannot. */
export function adviceOf({ reason, isCut }: { readonly reason: string; readonly isCut: boolean }): string {
  const advice = ADVICE[reason];
  if (advice === undefined) return "A retry cannot help: it is not a message of a device.";
  if (isCut) return "A retry cannot help: the message was larger than the log takes, and only its beginning is kept.";
  return advice;
}

const by = z.string().max(200);
const sequence = z.int().min(1);

const retryOfSomeSchema = z.strictObject({ by, sequences: z.array(sequence).min(1).max(500) });

const retryOfManySchema = z.strictObject({
  by,
  limit: z.int().min(1).max(500),
  reason: z.string().min(1).exactOptional(),
  /** A glob with `*` and `?`. */
  topic: z.string().min(1).exactOptional(),
  /** Only letters with a smaller sequence. A retry can make new letters: this keeps it from retrying those too. */
  before: sequence.exactOptional(),
  /** Only letters with a greater sequence: an earlier report's `next`. */
  after: z.int().min(0).exactOptional(),
});

/** These letters, or the matching letters of a stretch of the log: oldest first, so that readings keep their order. */
const retryOrderSchema = z.union([retryOfSomeSchema, retryOfManySchema]);

const dismissalOfManySchema = z.strictObject({
  by,
  reason: z.string().min(1).exactOptional(),
  /** A glob with `*` and `?`, or an MQTT filter with `+` and `#`. */
  topic: z.string().min(1).exactOptional(),
  before: sequence.exactOptional(),
  after: z.int().min(0).exactOptional(),
});

export const dismissReportSchema = z.object({
  dismissed: countSchema.describe("Letters that were deleted."),
  before: z.int().min(0).describe("Send this as `before` to continue: newer letters are then kept."),
  next: z.int().min(0).exactOptional().describe("Send this as `after` to continue; left out when no letters are left."),
});

/** Answered by the ingest. Letters are deleted: nobody needs their messages. */
export const DEAD_LETTERS_DISMISS = question("dead-letters.dismiss", {
  ask: z.union([retryOfSomeSchema, dismissalOfManySchema]),
  answer: dismissReportSchema,
});

/** What the log holds about a letter's retry. A letter is retried at most once. */
export const letterRetrySchema = z.object({
  outcome: z
    .enum(["stored", "empty", "refused"])
    .describe(
      "stored: its readings are in the log. empty: it can be read, but no source wants any of it. " +
        "refused: it still cannot be read, and a new letter says why.",
    ),
  by: z.string().describe("Who ordered it; empty when no name was given."),
  atUs: z.number(),
  readings: countSchema.describe("Readings that went to the log; duplicates count once."),
  letter: sequence.exactOptional().describe("Of a refused letter: the new letter, which names this one."),
});

export const retryResultSchema = z.object({
  sequence,
  outcome: z
    .enum(["stored", "empty", "refused", "already-done", "not-retryable", "not-found"])
    .describe(
      "As in `retry`; or already-done: it was retried before, so this order did nothing. not-retryable: it is not a " +
        "message of a device. not-found: it never existed, or is too old.",
    ),
  detail: z.string().describe("For people: what happened, and what to do."),
  retry: letterRetrySchema.exactOptional().describe("What the log holds about this or an earlier retry."),
});

export const retryReportSchema = z.object({
  results: z
    .array(retryResultSchema)
    .describe("One for each letter that was retried or requested by its sequence, in the log's order."),
  before: z
    .int()
    .min(0)
    .describe("Send this as `before` to continue: new letters from this retry are then not retried."),
  next: z.int().min(0).exactOptional().describe("Send this as `after` to continue; left out when no letters are left."),
});

/** Answered by the ingest, which refuses an order that is not valid. */
export const DEAD_LETTERS_RETRY = question("dead-letters.retry", { ask: retryOrderSchema, answer: retryReportSchema });

export type RetryOfSome = Plain<z.infer<typeof retryOfSomeSchema>>;
export type RetryOfMany = Plain<z.infer<typeof retryOfManySchema>>;
export type RetryOrder = RetryOfSome | RetryOfMany;
export type DismissalOfMany = Plain<z.infer<typeof dismissalOfManySchema>>;
export type DismissOrder = RetryOfSome | DismissalOfMany;
export type DismissReport = Plain<z.infer<typeof dismissReportSchema>>;
export type LetterRetry = Plain<z.infer<typeof letterRetrySchema>>;
export type RetryResult = Plain<z.infer<typeof retryResultSchema>>;
export type RetryReport = Plain<z.infer<typeof retryReportSchema>>;
