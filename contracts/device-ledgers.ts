import { z } from "zod";
import { type Plain, question, report } from "./question.ts";
import { countSchema, nothingSchema, tagsSchema } from "./values.ts";

const deviceLedgersSchema = z.record(
  z.string(),
  z.object({ lateApplied: countSchema, lateDropped: countSchema, duplicates: countSchema }),
);

/** Readings that were not simply on time, by device (`deviceKey`): absolute counts, published when they change. */
export const DEVICE_LEDGERS = report("processors.ledgers", deviceLedgersSchema);
export type DeviceLedgersReport = Plain<z.infer<typeof deviceLedgersSchema>>;

const deviceCountsSchema = z.object({
  messages: countSchema,
  stored: countSchema,
  deadLettered: countSchema,
  dropped: countSchema,
  readings: countSchema,
  clockAhead: countSchema,
  clockBehind: countSchema,
});

/** What became of each device's messages at this edge: `messages = stored + deadLettered + dropped + in flight`. */
export const INGEST_LEDGER = question("ingest.ledger", {
  ask: nothingSchema,
  answer: z.array(z.object({ device: z.string(), tags: tagsSchema, counts: deviceCountsSchema })),
});
