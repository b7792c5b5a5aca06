import { z } from "zod";
import { durationField } from "../../platform/files/schemas.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

/** The name of a receiver or of a target. */
export const nameSchema = z.string().regex(NAME, "must be letters, digits, - and _ (64 at most)");

export function durationBetween(min: string, max: string, standard: string) {
  return durationField(min, max).prefault(standard);
}

/** Keys of every kind of target. Spread them into a kind's schema; a kind may replace them. */
export const TARGET_SETTINGS = {
  name: nameSchema
    .optional()
    .describe("Name of the target in logs, metrics and Weir's own records. Default: its kind, numbered."),
  timeout: durationBetween("100ms", "10m", "10s").describe("An attempt that takes longer has failed."),
  concurrency: z
    .int()
    .min(1)
    .max(16)
    .default(4)
    .describe("Notifications in flight at a time. After a crash, this many may arrive twice (with the same id)."),
  collapse: z
    .boolean()
    .default(true)
    .describe("Skip an incident that began and ended before it could be sent. `false`: send both changes, in order."),
  retry: z
    .strictObject({
      first: durationBetween("10ms", "1h", "1s").describe(
        "The longest pause after the first failure; it doubles each time.",
      ),
      max: durationBetween("10ms", "1d", "5m").describe("The longest pause between two attempts."),
      attempts: z
        .int()
        .min(1)
        .max(100_000)
        .default(500)
        .describe("Number of attempts. After the last one, the notification becomes a dead letter."),
      within: durationBetween("1s", "30d", "6h").describe(
        "How long to retry. After that, the notification becomes a dead letter.",
      ),
    })
    .prefault({})
    .describe("What to do when the target does not accept a notification."),
};

const settingsSchema = z.object(TARGET_SETTINGS);

/** The settings common to all targets. */
export type TargetSettings = z.output<typeof settingsSchema>;
