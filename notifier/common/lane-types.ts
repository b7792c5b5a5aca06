import { z } from "zod";
import type { Delivery, DeliveryOutcome } from "../../contracts/notifications.ts";
import type { Tags } from "../../domain/reading.ts";
import type { Inhibition } from "../inhibition/inhibition.ts";
import type { Grouping, Route } from "../routing/router.ts";
import type { ChangeEntry } from "./change-entry.ts";

/** A message to a target: one alert's change, or those of a group. It keeps its id over tries and restarts. */
export interface Flight {
  readonly id: string;
  readonly kind: "change" | "repeat";
  readonly group: string;
  readonly labels: Tags;
  readonly grouped: boolean;
  /** Which time it is told; 0 for the first. */
  readonly repeat: number;
  readonly entries: readonly ChangeEntry[];
  readonly startedAtUs: number;
  attempts: number;
  error: string | undefined;
}

/** A flight as it is remembered: its changes stand in the log. */
export const flightRecordSchema = z.strictObject({
  id: z.string(),
  kind: z.enum(["change", "repeat"]),
  group: z.string(),
  labels: z.record(z.string(), z.string()),
  grouped: z.boolean(),
  repeat: z.number(),
  changes: z.array(z.strictObject({ alert: z.string(), sequence: z.number() })),
  startedAtUs: z.number(),
  attempts: z.number(),
});
export type FlightRecord = z.output<typeof flightRecordSchema>;

/** What the target was last told of an alert. */
const toldSchema = z.strictObject({
  incident: z.string(),
  state: z.enum(["pending", "firing", "resolved", "inactive"]),
  /** Whether the target took it; one that was given up may have been taken all the same. */
  delivered: z.boolean(),
  atUs: z.number(),
  repeats: z.number(),
});
export type Told = z.output<typeof toldSchema>;

/** The newest message on an alert's delivery subject. */
export const deliveryRecordSchema = z.strictObject({
  /** Changes up to this sequence are done with. */
  settled: z.number(),
  told: toldSchema.optional(),
  /** Of what is told now and lately, oldest first. */
  deliveries: z.array(z.unknown().transform((value) => value as Delivery)),
});
export type DeliveryRecord = z.output<typeof deliveryRecordSchema>;

/** An alert as one target sees it. */
export interface LaneAlert {
  readonly name: string;
  /** Changes that are not decided yet, in order. */
  readonly waiting: ChangeEntry[];
  /** The change since which it fires; undefined while it does not. */
  firing: ChangeEntry | undefined;
  /** The newest change that was taken in. */
  seen: number;
  settled: number;
  told: Told | undefined;
  deliveries: readonly Delivery[];
  group: Group;
  /** Its oldest change waits for what inhibits it, and is not looked at in this span. */
  restsFromUs: number;
  restsUntilUs: number;
}

/** Alerts that go out together. Has at most one message on its way, so that nothing overtakes. */
export interface Group {
  readonly key: string;
  readonly labels: Tags;
  readonly grouping: Grouping;
  readonly alerts: Set<LaneAlert>;
  busy: boolean;
  /** When it was last told of. */
  toldAtUs: number | undefined;
}

export interface LaneOptions {
  /** `ops.webhook` */
  readonly receiver: string;
  readonly route: Route;
  readonly collapse: boolean;
  readonly maxAgeUs: number;
  /** Alertmanager does the repeating itself. */
  readonly repeats: boolean;
  readonly waitingMax: number;
  readonly isSilenced: (entry: ChangeEntry, nowUs: number) => boolean;
  /** `overAtUs`: when the change's incident ended, if it did. */
  readonly inhibition: (entry: ChangeEntry, nowUs: number, overAtUs?: number) => Inhibition;
  readonly isAcknowledged: (entry: ChangeEntry) => boolean;
  readonly onSettled: (outcome: DeliveryOutcome, entry: ChangeEntry) => void;
}

/** What became of a message that was on its way: it had arrived, it flies again, or the log has deleted its alerts. */
export type Resumed =
  | { readonly kind: "arrived" }
  | { readonly kind: "lost" }
  | { readonly kind: "flying"; readonly flight: Flight };
