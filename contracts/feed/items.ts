import { z } from "zod";
import { type AlertChange, type AlertEvent, SEVERITIES } from "../../domain/alert.ts";
import type { ReadingValue, Tags } from "../../domain/reading.ts";
import type { WindowResult } from "../../domain/window-result.ts";

// Objects are loose: members that a newer writer adds pass through to the clients.

const texts = z.record(z.string(), z.string());
const readingValue = z.union([z.number(), z.boolean(), z.string()]);
const instantUs = z.number().describe("Microseconds since 1970-01-01T00:00:00Z.");
const span = z.looseObject({ startUs: instantUs, endUs: instantUs });
/** JSON has no NaN, so a value that is not a number is null. Some aggregates are texts. */
const figure = z.union([z.number(), z.string(), z.null().transform(() => Number.NaN)]);
const alertState = z.enum(["inactive", "pending", "firing", "resolved"]);

export const windowResultSchema = z.looseObject({
  rule: z.string(),
  labels: texts,
  startUs: instantUs,
  endUs: instantUs,
  revision: z.int().min(0),
  aggregates: z.record(z.string(), figure),
}) satisfies z.ZodType<WindowResult>;

export const alertChangeSchema = z.looseObject({
  id: z.string().min(1),
  incident: z.string().min(1),
  rule: z.string(),
  severity: z.enum(SEVERITIES),
  severityBefore: z
    .enum(SEVERITIES)
    .exactOptional()
    .describe("The severity before, if this change from firing to firing changes it. Left out otherwise."),
  worstSeverity: z
    .enum(SEVERITIES)
    .exactOptional()
    .describe("The greatest severity of the incident so far, where it is greater than the present one."),
  from: alertState,
  state: alertState,
  key: texts,
  labels: texts,
  annotations: texts,
  atUs: instantUs,
  processedAtUs: instantUs,
  activeAtUs: instantUs,
  value: figure,
  worst: z
    .union([z.number(), z.null().transform(() => Number.NaN)])
    .exactOptional()
    .describe(
      "The most extreme value of the incident so far, in the direction of the condition; left out where there is none.",
    ),
  title: z
    .string()
    .exactOptional()
    .describe("The incident's title: its summary when the alert fired; while it is pending, the present one."),
  firedAtUs: instantUs.exactOptional().describe("When the alert fired, in event time. Left out before."),
  notify: z.array(z.string()),
  inhibitedBy: z
    .array(z.looseObject({ rule: z.string(), equal: z.array(z.string()) }))
    .exactOptional()
    .describe("The alert is not notified while an incident of such a rule fires with equal values of these labels."),
  flapping: z.literal(true).exactOptional().describe("The alert flaps, so it keeps firing. Left out otherwise."),
  reason: z
    .enum(["forgotten", "quarantined"])
    .exactOptional()
    .describe(
      "Why the alert ended, where its condition did not end it. `forgotten`: nothing arrived for the rule's " +
        "`forget_after`. `quarantined`: the rule failed, and is skipped until it is edited.",
    ),
  muted: z
    .literal(true)
    .exactOptional()
    .describe("The rule runs in shadow mode, so its alerts are not notified. Left out otherwise."),
  evidence: z.looseObject({
    window: span,
    aggregate: z.string(),
    value: figure,
    parts: z
      .array(
        z.looseObject({
          name: z.string(),
          aggregate: z.string(),
          window: span,
          value: figure,
        }),
      )
      .exactOptional()
      .describe("For a condition over several series: the window of each of them."),
    condition: z.string(),
    watermarkUs: z
      .union([instantUs, z.null().transform(() => Number.NaN)])
      .describe("Microseconds since 1970; null for an absence."),
    input: z.looseObject({
      stream: z.enum(["READINGS", "GROUPS"]).exactOptional().describe("READINGS when left out."),
      partition: z.int(),
      sequence: z.int(),
    }),
  }),
}) satisfies z.ZodType<AlertChange>;

/** An entry of the alerts log. */
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

/** The newest value of a series. */
export interface ReadingItem {
  readonly device: string;
  readonly metric: string;
  readonly tags: Tags;
  readonly atUs: number;
  readonly value: ReadingValue;
}

export const readingItemSchema = z.looseObject({
  device: z.string(),
  metric: z.string(),
  tags: texts,
  atUs: instantUs,
  value: readingValue,
}) satisfies z.ZodType<ReadingItem>;

/** The newest value of a device's metric. */
export interface DeviceMetric {
  readonly atUs: number;
  readonly value: ReadingValue;
  /** Receive time of its newest reading. Left out, like the next, where it equals the device's. */
  readonly seenUs?: number | undefined;
  /** From this instant on the metric is silent, unless a reading arrives before. */
  readonly silentFromUs?: number | undefined;
  /** No rule has a condition on its values. Left out otherwise. */
  readonly unwatched?: true | undefined;
}

/** A device: a name with all its tags. Devices of one name at two sites are two devices. */
export interface DeviceItem {
  readonly device: string;
  readonly tags: Tags;
  /** Receive time of its newest reading. */
  readonly lastSeenUs: number;
  /** From this instant on the device is silent, unless it sends before. */
  readonly silentFromUs: number;
  /** When the device said that it is gone, as at the end of a Sparkplug session. Left out once it sends again. */
  readonly goneUs?: number | undefined;
  /** The longest usual interval between its readings; left out while its rhythm is not known. */
  readonly expectedEveryUs?: number | undefined;
  /** No rule watches the device, not even for silence. Left out otherwise. */
  readonly unwatched?: true | undefined;
  readonly readings: number;
  /** Readings whose clock was wrong: ahead of the gateway's, or fallen back. */
  readonly clockAhead: number;
  /** Readings that corrected a closed window. Left out, like the next two, until a processor reports some. */
  readonly lateApplied?: number | undefined;
  /** Readings that were too late for any window. */
  readonly lateDropped?: number | undefined;
  /** Duplicates. */
  readonly duplicates?: number | undefined;
  /** How many of its metrics the item leaves out. */
  readonly metricsOmitted?: number | undefined;
  readonly metrics: Readonly<Record<string, DeviceMetric>>;
}

const silentFromUs = instantUs.describe("Silent from this instant on, unless a reading arrives before.");
const unwatched = z.literal(true).optional();

const deviceMetricSchema = z.looseObject({
  atUs: instantUs,
  value: readingValue,
  seenUs: instantUs
    .optional()
    .describe("Receive time of its newest reading. Left out, like `silentFromUs`, where it equals the device's."),
  silentFromUs: silentFromUs.optional(),
  unwatched: unwatched.describe("No rule has a condition on its values. Left out otherwise."),
}) satisfies z.ZodType<DeviceMetric>;

export const deviceItemSchema = z.looseObject({
  device: z.string(),
  tags: texts,
  lastSeenUs: instantUs.describe("Receive time of its newest reading."),
  silentFromUs,
  goneUs: instantUs
    .optional()
    .describe("When it said that it is gone, as at the end of a Sparkplug session. Left out once it sends again."),
  expectedEveryUs: z
    .number()
    .optional()
    .describe(
      "The longest usual interval between its readings, in microseconds. Left out while its rhythm is not known.",
    ),
  unwatched: unwatched.describe("No rule watches the device, not even for silence. Left out otherwise."),
  readings: z.int().min(0),
  clockAhead: z
    .int()
    .min(0)
    .describe(
      "Readings whose time is in doubt: clocks ahead, clocks that fell back, local times that autumn brings twice.",
    ),
  lateApplied: z.int().min(0).optional().describe("Readings that corrected a closed window."),
  lateDropped: z.int().min(0).optional().describe("Readings that were too late for any window."),
  duplicates: z.int().min(0).optional().describe("Duplicate readings."),
  metricsOmitted: z
    .int()
    .min(1)
    .optional()
    .describe("How many of its metrics are left out: an item lists 250. The readings channel has them all."),
  metrics: z.record(z.string(), deviceMetricSchema),
}) satisfies z.ZodType<DeviceItem>;

/** The metrics of one process. Counters only grow; a rate is the difference of two items over their time. */
export interface StatsItem {
  readonly instance: string;
  readonly atUs: number;
  /** `name` or `name{label="value"}` as in Prometheus. */
  readonly values: Readonly<Record<string, number>>;
}

export const statsItemSchema = z.looseObject({
  instance: z.string(),
  atUs: instantUs,
  values: z.record(z.string(), z.number()),
}) satisfies z.ZodType<StatsItem>;
