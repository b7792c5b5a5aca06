import { z } from "zod";
import { type Plain, question } from "./question.ts";
import { alertStateSchema, countSchema, figureSchema, nothingSchema, severitySchema, tagsSchema } from "./values.ts";

// Questions and orders about alerts and their notifications, answered by the notifier.

const by = z.string().trim().min(1, "say who").max(200);
const text = z.string().trim().max(2_000);
const incident = z.string().min(1);

/**
 * The labels that an alert must have: the group's and the rule's labels, and `rule`, `severity` and `incident`. A
 * value is exact, a glob with `*` and `?`, or a list of these; all labels must match.
 */
export const matchersSchema = z.record(
  z.string().min(1),
  z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
);

/** Matching alerts are not notified while it lasts: `[fromUs, untilUs)`. */
export const silenceSchema = z.object({
  id: z.string(),
  matchers: matchersSchema,
  fromUs: z.number(),
  untilUs: z.number(),
  by: z.string(),
  why: z.string(),
  createdAtUs: z.number(),
});

const newSilenceSchema = z.strictObject({
  matchers: matchersSchema.refine((matchers) => Object.keys(matchers).length > 0, {
    error: 'name at least one label, such as rule or device; { rule: "*" } is everything',
  }),
  /** Default: now. */
  fromUs: z.int().exactOptional(),
  untilUs: z.int(),
  by,
  why: text.min(1, "say why"),
});

const silencesQuerySchema = z.strictObject({
  /** All by default. */
  limit: z.int().min(1).exactOptional(),
  /** The last silence of an earlier answer: those after it. */
  after: z.strictObject({ fromUs: z.number(), id: z.string() }).exactOptional(),
});

const silenceRemovalSchema = z.strictObject({ id: z.string().min(1), by });

/** A person handles an incident: it is no longer repeated. Its end is still notified. */
export const acknowledgementSchema = z.object({
  incident: z.string(),
  by: z.string(),
  note: z.string(),
  atUs: z.number(),
});

const newAcknowledgementSchema = z.strictObject({ incident, by, note: text.default("") });

/** An incident that is pending or firing. */
export const openAlertSchema = z.object({
  incident: z.string(),
  rule: z.string(),
  severity: severitySchema,
  state: alertStateSchema,
  key: tagsSchema,
  labels: tagsSchema,
  annotations: tagsSchema,
  value: figureSchema,
  activeAtUs: z.number().describe("Event time at which the condition first held."),
  atUs: z.number(),
  acknowledgement: acknowledgementSchema.exactOptional(),
  silencedBy: z.array(z.string()).describe("Ids of the silences that apply now."),
  inhibitedBy: z
    .array(z.string())
    .describe("Incidents of other rules that inhibit it now (`inhibited_by`), ten at most."),
});

/** The most open alerts in one answer. */
export const OPEN_ALERTS_MAX = 5_000;

const openAlertsQuerySchema = z.strictObject({
  matchers: matchersSchema.exactOptional(),
  /** Only incidents that are acknowledged, silenced or inhibited. */
  marked: z.literal(true).exactOptional(),
  limit: z.int().min(1).max(OPEN_ALERTS_MAX),
  /** The last incident of the page before. */
  after: z.strictObject({ activeAtUs: z.number(), incident: z.string() }).exactOptional(),
});

/** What became of one alert change at one target of a receiver. */
export const deliverySchema = z.object({
  receiver: z.string().describe("Receiver and target: `ops.webhook`."),
  incident: z.string(),
  change: z.string().describe("The change's id."),
  state: alertStateSchema,
  outcome: z
    .enum(["waiting", "sending", "delivered", "failed", "silenced", "inhibited", "muted", "skipped", "collapsed"])
    .describe(
      "delivered: the receiver accepted it. failed: the notifier gave up, and stored a dead letter. silenced, inhibited, muted: not sent on " +
        "purpose. skipped: too old, and already ended. collapsed: began and ended before it was sent. waiting, sending: not " +
        "decided yet.",
    ),
  attempts: countSchema.describe("Attempts, including those for repeats."),
  repeats: countSchema.describe("How often it was repeated while it was open."),
  error: z.string().exactOptional(),
  inhibitedBy: z
    .array(z.string())
    .exactOptional()
    .describe("The incidents that prevented or delayed the notification."),
  notification: z.string().exactOptional().describe("The message that carried it: its `webhook-id`."),
  atUs: z.number(),
});

/** Open alerts, longest open first, and by incident. An answer with fewer than `limit` is the last page. */
export const ALERTS_LIST = question("notifications.alerts", {
  ask: openAlertsQuerySchema,
  answer: z.array(openAlertSchema),
});
export const ALERTS_ACKNOWLEDGE = question("notifications.acknowledge", {
  ask: newAcknowledgementSchema,
  answer: acknowledgementSchema,
});
/** The deliveries of an incident, oldest first. */
export const DELIVERIES_LIST = question("notifications.deliveries", {
  ask: z.strictObject({ incident }),
  answer: z.array(deliverySchema),
});
/** Those that begin first come first, and by id within an instant. */
export const SILENCES_LIST = question("notifications.silences", {
  ask: silencesQuerySchema,
  answer: z.array(silenceSchema),
});
export const SILENCES_ADD = question("notifications.silences.add", { ask: newSilenceSchema, answer: silenceSchema });
/** Answered with the silence that ended. */
export const SILENCES_REMOVE = question("notifications.silences.remove", {
  ask: silenceRemovalSchema,
  answer: silenceSchema,
});

const ownBrokerSchema = z.object({
  host: z.string(),
  port: z.int(),
  /** The name of its machine, if `host` is right on that machine only: elsewhere, the name is the address. */
  machine: z.string().exactOptional(),
  /** Messages of clients with such an id go to subscribers only and never become readings. */
  clientIdPrefix: z.string(),
});

/** The address of Weir's own broker; the edge answers. */
export const OWN_BROKER = question("broker.address", { ask: nothingSchema, answer: ownBrokerSchema });

export type Matchers = Plain<z.infer<typeof matchersSchema>>;
export type Silence = Plain<z.infer<typeof silenceSchema>>;
export type NewSilence = Plain<z.input<typeof newSilenceSchema>>;
export type SilencesQuery = Plain<z.infer<typeof silencesQuerySchema>>;
export type SilenceRemoval = Plain<z.infer<typeof silenceRemovalSchema>>;
export type Acknowledgement = Plain<z.infer<typeof acknowledgementSchema>>;
export type NewAcknowledgement = Plain<z.input<typeof newAcknowledgementSchema>>;
export type OpenAlert = Plain<z.infer<typeof openAlertSchema>>;
export type OpenAlertsQuery = Plain<z.infer<typeof openAlertsQuerySchema>>;
export type Delivery = Plain<z.infer<typeof deliverySchema>>;
export type DeliveryOutcome = Delivery["outcome"];
export type DeliveriesQuery = { readonly incident: string };
export type OwnBroker = Plain<z.infer<typeof ownBrokerSchema>>;
