import { z } from "zod";
import { type Plain, report } from "./question.ts";

// What processors publish for each other. Notices only save time: nothing depends on their arrival.

const paceSchema = z.object({
  partition: z.int().min(0),
  nextUs: z.number().nullable(),
  /** The other processors should answer with their own. */
  asks: z.boolean(),
});

/** The progress of a partition that catches up: the stored time of its next entry, null when it has caught up. */
export const PACE = report("processors.pace", paceSchema);
export type PaceNotice = Plain<z.infer<typeof paceSchema>>;

/** The record of task owners has changed; the member with this id changed it. */
export const OWNERS_CHANGED = report("processors.owners", z.string());
