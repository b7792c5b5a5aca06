import { z } from "zod";
import { type AlertChange, type AlertEvent, SEVERITIES } from "../../domain/alert.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import type { DeviceItem, ReadingItem, StatsItem } from "./protocol.ts";

// Objects are loose: a newer writer may say more, and what it says goes through.

const texts = z.record(z.string(), z.string());
const readingValue = z.union([z.number(), z.boolean(), z.string()]);
/** JSON has no NaN: a figure that is none comes as null, and goes out as it came. Some aggregates are texts. */
const figure = z.union([z.number(), z.string(), z.null().transform(() => Number.NaN)]);
const alertState = z.enum(["inactive", "pending", "firing", "resolved"]);

export const windowResultSchema = z.looseObject({
  rule: z.string(),
  labels: texts,
  startUs: z.number(),
  endUs: z.number(),
  revision: z.int().min(0),
  aggregates: z.record(z.string(), figure),
}) satisfies z.ZodType<WindowResult>;

export const alertChangeSchema = z.looseObject({
  id: z.string().min(1),
  incident: z.string().min(1),
  rule: z.string(),
  severity: z.enum(SEVERITIES),
  from: alertState,
  state: alertState,
  key: texts,
  labels: texts,
  annotations: texts,
  atUs: z.number(),
  processedAtUs: z.number(),
  activeAtUs: z.number(),
  value: figure,
  notify: z.array(z.string()),
  inhibitedBy: z.array(z.looseObject({ rule: z.string(), equal: z.array(z.string()) })).exactOptional(),
  flapping: z.literal(true).exactOptional(),
  muted: z.literal(true).exactOptional(),
  evidence: z.looseObject({
    window: z.looseObject({ startUs: z.number(), endUs: z.number() }),
    aggregate: z.string(),
    value: figure,
    parts: z
      .array(
        z.looseObject({
          name: z.string(),
          aggregate: z.string(),
          window: z.looseObject({ startUs: z.number(), endUs: z.number() }),
          value: figure,
        }),
      )
      .exactOptional(),
    condition: z.string(),
    // An absence has none.
    watermarkUs: z.union([z.number(), z.null().transform(() => Number.NaN)]),
    input: z.looseObject({
      stream: z.enum(["READINGS", "GROUPS"]).exactOptional(),
      partition: z.int(),
      sequence: z.int(),
    }),
  }),
}) satisfies z.ZodType<AlertChange>;

/** What stands in the alerts log. */
export const alertEventSchema = z.looseObject({
  specversion: z.literal("1.0"),
  id: z.string(),
  source: z.string(),
  type: z.literal("weir.alert.v1"),
  subject: z.string(),
  time: z.string(),
  datacontenttype: z.literal("application/json"),
  data: alertChangeSchema,
}) satisfies z.ZodType<AlertEvent>;

export const readingItemSchema = z.looseObject({
  device: z.string(),
  metric: z.string(),
  tags: texts,
  atUs: z.number(),
  value: readingValue,
}) satisfies z.ZodType<ReadingItem>;

export const deviceItemSchema = z.looseObject({
  device: z.string(),
  tags: texts,
  lastSeenUs: z.number(),
  readings: z.int().min(0),
  clockAhead: z.int().min(0),
  lateApplied: z.int().min(0).optional(),
  lateDropped: z.int().min(0).optional(),
  duplicates: z.int().min(0).optional(),
  metrics: z.record(z.string(), z.looseObject({ atUs: z.number(), value: readingValue })),
}) satisfies z.ZodType<DeviceItem>;

export const statsItemSchema = z.looseObject({
  instance: z.string(),
  atUs: z.number(),
  values: z.record(z.string(), z.number()),
}) satisfies z.ZodType<StatsItem>;
