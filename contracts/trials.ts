import { z } from "zod";
import { type Plain, question } from "./question.ts";
import { countSchema, tagsSchema } from "./values.ts";

const triedReadingSchema = z.object({
  device: z.string(),
  tags: tagsSchema,
  metric: z.string(),
  value: z.union([z.number(), z.boolean(), z.string()]),
  time: z
    .enum(["payload", "received", "wrong"])
    .describe("Where its time is from. `wrong`: the payload's time cannot be right, so it gets the time of receipt."),
  atUs: z.number().exactOptional().describe("Its time, if the payload has one."),
});

export const trialSchema = z.object({
  source: z.string().describe("The topics of the source, as weir.yaml has them."),
  outcome: z
    .enum(["read", "ignored", "other-topic", "condition", "failed", "not-asked"])
    .describe(
      "read: it takes the message. ignored: it takes it, and keeps nothing. other-topic, condition: it leaves the " +
        "message to the next source. not-asked: an earlier source takes it. failed: it could not be tried here.",
    ),
  why: z.string().describe("Why it does not fit, or what is wrong with the message; empty if all is well."),
  reason: z.string().exactOptional().describe("The source takes the message, which is then a dead letter, too."),
  position: z.int().min(0).exactOptional().describe("The first bad byte, where it is known."),
  readings: z.array(triedReadingSchema).describe("The first 40."),
  count: countSchema.describe("All readings."),
});

export const trialReportSchema = z.object({
  trials: z.array(trialSchema).describe("What each source in force makes of the message, in their order."),
  suggestion: z
    .object({
      yaml: z.string().describe("An entry of `sources` that reads the message, to copy into weir.yaml."),
      before: z.int().min(1).exactOptional().describe("It must come before the source with this number, from 1."),
    })
    .exactOptional()
    .describe("Left out if a source in force reads the message, or none that would was found."),
});
export type TrialReport = Plain<z.infer<typeof trialReportSchema>>;
export type SourceTrial = TrialReport["trials"][number];

/** What the sources in force make of a dead letter; an ingest answers. Null: there is no such letter. */
export const SOURCES_TRY = question("sources.try", {
  ask: z.strictObject({ sequence: z.int().min(1) }),
  answer: z.union([trialReportSchema, z.null()]),
});
