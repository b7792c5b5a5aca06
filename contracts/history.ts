import { z } from "zod";
import type { AlertChange } from "../domain/alert.ts";
import { alertChangeSchema } from "./feed/items.ts";
import { incidentEventSchema } from "./incident-events.ts";
import { type Plain, question } from "./question.ts";
import { countSchema, instantUsSchema, nothingSchema, tagsSchema } from "./values.ts";

// Questions about the past, answered by the storage service. All spans are `[fromUs, toUs)` in event time.

const ORDER = { error: "fromUs must be before toUs" };
const name = z.string().min(1).max(1024);

/**
 * A series: with `tags`, the one with exactly these tags. Without, the only one of the device and metric; if there are
 * several, the answer lists them.
 */
const which = { device: name, metric: name, tags: tagsSchema.exactOptional() };

/** Several series have this device and metric, so `tags` must say which one. */
const ambiguousSchema = z.object({
  kind: z.literal("ambiguous"),
  /** The tags of some of the series: at most `CANDIDATES_MAX`. */
  candidates: z.array(tagsSchema),
  /** False: there are more series than `candidates` lists. */
  complete: z.boolean(),
});
export const CANDIDATES_MAX = 50;

const seriesQuerySchema = z
  .strictObject({
    ...which,
    fromUs: instantUsSchema,
    toUs: instantUsSchema,
    /** The most buckets in an answer. */
    pointsMax: z.number().int().min(1).max(5_000),
  })
  .refine(({ fromUs, toUs }) => fromUs < toUs, ORDER);

/** JSON has no NaN, which is sent as null. */
const figures = z.array(z.union([z.number(), z.null().transform(() => Number.NaN)]));

/** Raw readings in equal buckets of time; empty buckets are left out. Arrays of one length, oldest first. */
const bucketsSchema = z.object({
  atUs: figures,
  min: figures,
  max: figures,
  avg: figures,
  count: figures,
});

const seriesAnswerSchema = z.discriminatedUnion("kind", [
  /** `tags` are those of the series. The buckets of an unknown series are empty. */
  z.object({ kind: z.literal("found"), tags: tagsSchema, buckets: bucketsSchema }),
  ambiguousSchema,
]);

const statesQuerySchema = z
  .strictObject({
    ...which,
    fromUs: instantUsSchema,
    toUs: instantUsSchema,
    /** The most runs in an answer. */
    limit: z.number().int().min(1).max(10_000),
  })
  .refine(({ fromUs, toUs }) => fromUs < toUs, ORDER);

const value = z.union([z.number(), z.boolean(), z.string()]);

/** Consecutive readings with equal values. */
const runSchema = z.object({
  /** The time of its first reading in the span, */
  fromUs: z.number(),
  /** and of its last. */
  lastUs: z.number(),
  value,
});

const statesAnswerSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("found"),
    tags: tagsSchema,
    /** Oldest first. Of more runs than the limit, the newest. */
    runs: z.array(runSchema),
    /** False: the span has older runs. Ask for a span that ends at the first run's `fromUs` for those. */
    complete: z.boolean(),
    /** The newest reading before the span, which says the state at its start. Null: there is none. */
    before: z.object({ atUs: z.number(), value }).nullable(),
  }),
  ambiguousSchema,
]);

/** The position of a change in the order of alert changes: newest first, and by id within an instant. */
const alertCursorSchema = z.strictObject({ atUs: z.number(), id: z.string() });

const alertsQuerySchema = z
  .strictObject({
    fromUs: instantUsSchema,
    toUs: instantUsSchema,
    /** The most changes in an answer. An answer that would be large has fewer. */
    limit: z.number().int().min(1).max(10_000),
    /** An earlier answer's `next`. */
    after: alertCursorSchema.exactOptional(),
  })
  .refine(({ fromUs, toUs }) => fromUs < toUs, ORDER);

/** All changes of one incident. */
const incidentQuerySchema = z.strictObject({ incident: z.string().min(1), after: alertCursorSchema.exactOptional() });

const alertsPageSchema: z.ZodType<AlertsPage> = z.object({
  /** Newest first, and by descending id within an instant. */
  changes: z.array(alertChangeSchema),
  /** Send this as `after` for the next page. Null: there are no more changes. */
  next: alertCursorSchema.nullable(),
});

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
/** The states of a series of texts or booleans over time. */
export const HISTORY_STATES = question("history.states", { ask: statesQuerySchema, answer: statesAnswerSchema });
export const HISTORY_ALERTS = question("history.alerts", { ask: alertsQuerySchema, answer: alertsPageSchema });
export const HISTORY_INCIDENT = question("history.incident", { ask: incidentQuerySchema, answer: alertsPageSchema });
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
/** The buckets. */
export type SeriesAnswer = Plain<z.infer<typeof bucketsSchema>>;
export type SeriesFound = Plain<z.infer<typeof seriesAnswerSchema>>;
export type StatesQuery = Plain<z.infer<typeof statesQuerySchema>>;
export type StatesFound = Plain<z.infer<typeof statesAnswerSchema>>;
export type StateRun = Plain<z.infer<typeof runSchema>>;
export type Ambiguous = Plain<z.infer<typeof ambiguousSchema>>;
export type AlertsQuery = Plain<z.infer<typeof alertsQuerySchema>>;
export type IncidentQuery = Plain<z.infer<typeof incidentQuerySchema>>;
export type AlertCursor = Plain<z.infer<typeof alertCursorSchema>>;
export type IncidentEventsQuery = Plain<z.infer<typeof incidentEventsQuerySchema>>;
export type ReadingsExtent = Plain<z.infer<typeof extentSchema>>;
export type ReadingsQuery = Plain<z.infer<typeof readingsQuerySchema>>;
export interface AlertsPage {
  readonly changes: readonly AlertChange[];
  readonly next: AlertCursor | null;
}
/** Where the next page begins. */
export type NextPage = Pick<ReadingsQuery, "fromUs" | "skip">;

export interface ReadingsPage {
  /** A LogEntry of these readings, by their times; undefined when there are none. */
  readonly frame: Uint8Array | undefined;
  readonly count: number;
  /** Undefined: no more readings before `toUs`. */
  readonly next: NextPage | undefined;
}
