import { z } from "zod";
import { type Plain, report } from "./question.ts";

// What processors publish for one another. Both only save time: nothing depends on them arriving.

const paceSchema = z.object({
  partition: z.int().min(0),
  nextUs: z.number().nullable(),
  /** The others should answer with theirs. */
  asks: z.boolean(),
});

/** How far a partition that catches up is: the stored time of its next entry, null when it has caught up. */
export const PACE = report("processors.pace", paceSchema);
export type PaceNotice = Plain<z.infer<typeof paceSchema>>;

/** The record of who owns which task has changed; by the member of this id. */
export const OWNERS_CHANGED = report("processors.owners", z.string());
