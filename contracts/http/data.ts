import { z } from "zod";
import { deviceItemSchema } from "../feed/items.ts";
import type { SeriesAnswer } from "../history.ts";

// The HTTP API's answers about readings, devices and rules. Instants end in `Us`: whole microseconds since 1970.

const figures = z.array(z.number());

export const seriesSchema = z.object({
  device: z.string(),
  metric: z.string(),
  tags: z.record(z.string(), z.string()).describe("All tags of the series."),
  fromUs: z.number(),
  toUs: z.number(),
  downSampling: z.literal("min-max-avg").describe("The values that each bucket keeps, so that no peak is lost."),
  atUs: figures.describe("Where each bucket begins, oldest first. Empty buckets are left out."),
  min: figures,
  max: figures,
  avg: figures,
  count: figures.describe("Readings in each bucket."),
}) satisfies z.ZodType<SeriesAnswer>;

const stateValue = z.union([z.number(), z.boolean(), z.string()]);

export const statesSchema = z.object({
  device: z.string(),
  metric: z.string(),
  tags: z.record(z.string(), z.string()).describe("All tags of the series."),
  fromUs: z.number(),
  toUs: z.number(),
  runs: z
    .array(
      z.object({
        fromUs: z.number().describe("The first reading with this value."),
        lastUs: z.number().describe("The last of them before another value."),
        value: stateValue,
      }),
    )
    .describe("Oldest first."),
  complete: z.boolean().describe("False: the span has older runs; ask for `to` at the first run's `fromUs`."),
  before: z
    .object({ atUs: z.number(), value: stateValue })
    .nullable()
    .describe("The newest reading before the span: the state at its start."),
});

export type StatesAnswer = Pick<z.output<typeof statesSchema>, "runs" | "complete" | "before">;

export const devicesAnswer = z.object({
  total: z.int().min(0).describe("Devices that match the filter."),
  devices: z
    .array(
      deviceItemSchema.extend({
        silentSinceUs: z.number().optional().describe("Its `silentFromUs`, if that has passed. Left out otherwise."),
      }),
    )
    .describe("By name and tags."),
  next: z.string().exactOptional().describe("Send this as `after` for the next page; left out on the last page."),
});

const inForce = {
  version: z.union([z.string(), z.null()]).describe("Null while no rule set is in force."),
  sequence: z.union([z.int(), z.null()]).describe("Position of the rule set in the readings log."),
};

export const rulesAnswer = z.object({
  ...inForce,
  rules: z.array(z.looseObject({ id: z.string() })).describe("As in docs/rules.md, with every default."),
});

export const ruleActivitySchema = z.object({
  ...inForce,
  inForceSinceUs: z
    .union([z.number(), z.null()])
    .describe("When the log stored the rule set; null when the log no longer has that entry."),
  sinceUs: z.union([z.number(), z.null()]).describe("Event time of the oldest change that was counted."),
  rules: z.array(
    z.object({
      rule: z.string(),
      fired: z.int().min(0).describe("Incidents that fired, of those that the feed keeps."),
      lastAtUs: z.number().describe("Event time of the newest change."),
    }),
  ),
});
export type RuleActivity = z.output<typeof ruleActivitySchema>;
