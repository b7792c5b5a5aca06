import { z } from "zod";
import { durationField } from "../platform/files/schemas.ts";
import { storeConfigSchema } from "./stores.ts";

/** The settings that do not depend on the kind of store. */
export const storageFields = {
  raw: z.boolean().default(true).describe("Store every reading, not only windows and alerts."),
  retention: durationField("1m", "36500d")
    .optional()
    .describe("Results older than this are deleted from the store (or the bucket). If omitted, nothing is deleted."),
  batch_rows_max: z.int().min(1).max(200_000).default(10_000).describe("Rows of one write."),
  linger: durationField("1ms", "1m")
    .prefault("200ms")
    .describe("How long a reading may wait to be written together with others."),
  series_max: z
    .int()
    .min(1_000)
    .default(500_000)
    .describe("Number of series whose names are kept in memory. Others are looked up each time."),
};

export const storageConfigSchema = z.strictObject({
  ...storageFields,
  log_retention: durationField("1s", "36500d")
    .optional()
    .describe("How long the log keeps messages. Determines the time left when storage lags behind."),
  /** The first one that has a history answers questions. */
  stores: z.array(storeConfigSchema()).min(1),
});

export type StorageConfig = z.output<typeof storageConfigSchema>;
