import { z } from "zod";

/** On the bus: what became of readings that were not simply on time, by device. Absolute counts, told when they change. */
export const DEVICE_LEDGERS = "processors.ledgers";

const count = z.int().min(0);

export const deviceLedgersSchema = z.record(
  z.string(),
  z.object({ lateApplied: count, lateDropped: count, duplicates: count }),
);

export type DeviceLedgersReport = z.infer<typeof deviceLedgersSchema>;
