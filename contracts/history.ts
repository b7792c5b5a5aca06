import { z } from "zod";
import type { AlertChange } from "../domain/alert.ts";
import { alertChangeSchema } from "./feed/items.ts";
import { incidentEventSchema } from "./incident-events.ts";
import { type Plain, question } from "./question.ts";
import { countSchema, instantUsSchema, nothingSchema } from "./values.ts";

// Questions about the past, answered by the storage service. All spans are `[fromUs, toUs)` in event time.

const ORDER = { error: "fromUs must be before toUs" };
const name = z.string().min(1).max(1024);

const seriesQuerySchema = z
  .strictObject({
    device: name,
    metric: name,
    fromUs: instantUsSchema,
    toUs: instantUsSchema,
    /** The most buckets in an answer. */
    pointsMax: z.number().int().min(1).max(5_000),
  })
  .refine(({ fromUs, toUs }) => fromUs < toUs, ORDER);

/** JSON has no NaN, which is sent as null. */
const figures = z.array(z.union([z.number(), z.null().transform(() => Number.NaN)]));

/** Raw readings in equal buckets of time; empty buckets are left out. Arrays of one length, oldest first. */
const seriesAnswerSchema = z.object({
  atUs: figures,
  min: figures,
  max: figures,
  avg: figures,
  count: figures,
});

const alertsQuerySchema = z
  .strictObject({
    fromUs: instantUsSchema,
    toUs: instantUsSchema,
    /** Newest first, at most this many alert changes. */
    limit: z.number().int().min(1).max(10_000),
  })
  .refine(({ fromUs, toUs }) => fromUs < toUs, ORDER);

const alertsAnswerSchema: z.ZodType<readonly AlertChange[]> = z.array(alertChangeSchema);

const extentSchema = z.object({ fromUs: z.number(), toUs: z.number() });

/** Asks for a page of all readings of a span. */
const readingsQuerySchema = z
  .strictObject({
    fromUs: instantUsSchema,
    toUs: instantUsSchema,
    /** The number of readings at `fromUs` itself that were on earlier pages. */
    skip: z.number().int().min(0),
    /** The most readings in an answer, */
    limit: z.number().int().min(1).max(100_000),
    /** and about the most bytes. */
    bytesMax: z.number().int().min(1).max(16_777_216),
  })
  .refine(({ fromUs, toUs }) => fromUs < toUs, ORDER);

const readingsPageSchema = z.object({
  /** A LogEntry in base 64; empty when there are no readings. */
  frame: z.string(),
  count: countSchema,
  next: z.object({ fromUs: z.number(), skip: countSchema }).nullable(),
});

/** The incidents of one page. */
const incidentEventsQuerySchema = z.strictObject({ incidents: z.array(z.string().min(1)).min(1).max(1_000) });

export const HISTORY_SERIES = question("history.series", { ask: seriesQuerySchema, answer: seriesAnswerSchema });
export const HISTORY_ALERTS = question("history.alerts", { ask: alertsQuerySchema, answer: alertsAnswerSchema });
/** What people and the notifier did about these incidents: each event once, in its newest state, oldest first. */
export const HISTORY_INCIDENT_EVENTS = question("history.incident_events", {
  ask: incidentEventsQuerySchema,
  answer: z.array(incidentEventSchema),
});
/** The span that has readings; null when there are none. */
export const HISTORY_EXTENT = question("history.extent", { ask: nothingSchema, answer: extentSchema.nullable() });
/** Raw readings in order of time, page by page. */
export const HISTORY_READINGS = question("history.readings", { ask: readingsQuerySchema, answer: readingsPageSchema });

export type SeriesQuery = Plain<z.infer<typeof seriesQuerySchema>>;
export type SeriesAnswer = Plain<z.infer<typeof seriesAnswerSchema>>;
export type AlertsQuery = Plain<z.infer<typeof alertsQuerySchema>>;
export type IncidentEventsQuery = Plain<z.infer<typeof incidentEventsQuerySchema>>;
export type ReadingsExtent = Plain<z.infer<typeof extentSchema>>;
export type ReadingsQuery = Plain<z.infer<typeof readingsQuerySchema>>;
/** Where the next page begins. */
export type NextPage = Pick<ReadingsQuery, "fromUs" | "skip">;

export interface ReadingsPage {
  /** A LogEntry of these readings, by their times; undefined when there are none. */
  readonly frame: Uint8Array | undefined;
  readonly count: number;
  /** Undefined: no more readings before `toUs`. */
  readonly next: NextPage | undefined;
}
