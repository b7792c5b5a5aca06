import { z } from "zod";
import { matchersSchema } from "../../contracts/notifications.ts";
import { parseDurationUs, US_PER_DAY, US_PER_SECOND } from "../../domain/time.ts";
import { durationField } from "../../platform/files/schemas.ts";

const YEAR_US = 365 * US_PER_DAY;

/** The repeat interval; undefined for `never`. */
const repeatInterval = z
  .string()
  .transform((text, context) => {
    if (text === "never") return undefined;
    const us = parseDurationUs(text);
    if (us !== undefined && us >= US_PER_SECOND && us <= YEAR_US) return us;
    const message = us === undefined ? `"${text}" is not a duration` : `cannot be ${text}`;
    const help = us === undefined ? "write for example 30m, 4h, or never" : "write 1s to 365d, or never";
    context.addIssue({ code: "custom", message, params: { help } });
    return z.NEVER;
  })
  .meta({ "x-weir": { kind: "`never`, or a duration", min: "1s", max: "365d" } });

const GROUPING = {
  group_by: z
    .array(z.string().min(1))
    .max(20)
    .optional()
    .describe(
      "Alerts with equal values of these labels share notifications; `[]` groups all alerts. If omitted, each alert has its own notification, sent at once.",
    ),
  group_wait: durationField("0s", "1d").prefault("30s").describe("How long a new group waits for more of its alerts."),
  group_interval: durationField("0s", "7d").prefault("5m").describe("Pause between two notifications of a group."),
  repeat_interval: repeatInterval
    .prefault("4h")
    .describe(
      "How often to repeat the notification of a firing alert that nobody has acknowledged; `never` to send it once.",
    ),
  states: z
    .array(z.enum(["pending", "firing", "resolved", "inactive"]))
    .min(1)
    .default(["firing", "resolved"])
    .describe("Which changes to send."),
};

export const groupingSchema = z.strictObject(GROUPING);
export type GroupingConfig = z.output<typeof groupingSchema>;

/** `receiverName`: the schema of a receiver's name. */
export function routeSchema(receiverName: z.ZodString) {
  return z.strictObject({
    match: matchersSchema
      .default({})
      .describe(
        "Which alerts, by `rule`, `severity` or any label. A value is an exact text, a list, or a glob with `*` and `?`. All must match.",
      ),
    receivers: z
      .array(receiverName)
      .min(1)
      .describe("Receivers to notify, besides those that the rule names in `notify`."),
    ...GROUPING,
  });
}
export type RouteConfig = z.output<ReturnType<typeof routeSchema>>;
