import { createHash } from "node:crypto";
import type { Delivery, DeliveryOutcome } from "../../contracts/notifications.ts";
import { isEnd, type LoggedChange } from "../common/logged-change.ts";
import type { Grouping } from "../routes/route.ts";
import type { InFlight, Notified, QueuedAlert } from "./queue-types.ts";

const DELIVERIES_MAX = 8;

/** Whether the last notification was the end of an incident. */
export function isOver({ state }: Notified): boolean {
  return state === "resolved" || state === "inactive";
}

/** Whether the target knows that this change's incident fires. */
export function isNotified({ notified }: Pick<QueuedAlert, "notified">, { change }: LoggedChange): boolean {
  return notified?.incident === change.incident && notified.state === "firing";
}

/** Whether anything but this change keeps the alert in its group. */
export function isOpen(
  { firing, notified }: Pick<QueuedAlert, "firing" | "notified">,
  besides?: LoggedChange,
): boolean {
  return (firing !== undefined && firing !== besides) || (notified !== undefined && !isOver(notified));
}

/**
 * Whether this change ends an incident that the target was notified of, or that waits. Its end is sent even if the
 * routes have changed.
 */
export function isAwaitedEnd({ notified, waiting }: QueuedAlert, { change }: LoggedChange): boolean {
  if (!isEnd(change)) return false;
  if (notified?.incident === change.incident && notified.state !== change.state) return true;
  return waiting.some((each) => each.change.incident === change.incident);
}

/** Whether an alert fires without a notification because it was silenced or inhibited. */
export function wasHeldBack({ deliveries }: Pick<QueuedAlert, "deliveries">, { change }: LoggedChange): boolean {
  return deliveries.some(
    (each) => each.change === change.id && (each.outcome === "silenced" || each.outcome === "inhibited"),
  );
}

/** The same for the same changes, repeat and target, so that receivers can recognize it. Contains no dots. */
export function notificationId(receiver: string, changes: readonly LoggedChange[], repeat: number): string {
  const hash = createHash("sha256").update(receiver).update(`\0${repeat}`);
  for (const { alert, sequence, storedAtUs, change } of changes) {
    // The time distinguishes a new log from an earlier one, whose first alerts have the same names.
    hash.update(`\0${alert}\0${sequence}\0${storedAtUs}\0${change.id}`);
  }
  return `msg_${hash.digest("hex").slice(0, 32)}`;
}

/** The outcome of a change. `inFlight`: the notification that carried it. */
export function deliveryOf(
  receiver: string,
  { change }: LoggedChange,
  what: { readonly outcome: DeliveryOutcome; readonly inFlight?: InFlight | undefined; readonly atUs: number },
): Delivery {
  const { outcome, inFlight, atUs } = what;
  const { id, incident, state } = change;
  const { attempts = 0, error } = inFlight ?? {};
  return {
    ...{ receiver, incident, change: id, state, outcome, attempts, repeats: inFlight?.notification.repeat ?? 0 },
    ...(error === undefined ? {} : { error }),
    ...(inFlight === undefined ? {} : { notification: inFlight.notification.id }),
    atUs,
  };
}

/**
 * Adds a decision to an alert's newest deliveries. A change has one delivery, which counts its repeats. `unrecorded`: how
 * many of the newest are not in the log yet. They are kept in any case, because the log is their history.
 */
export function withDelivery(
  deliveries: readonly Delivery[],
  delivery: Delivery,
  { inhibitedBy, unrecorded }: { readonly inhibitedBy: readonly string[] | undefined; readonly unrecorded: number },
): Delivery[] {
  const before = deliveries.find(({ change }) => change === delivery.change);
  const attempts = (before?.attempts ?? 0) + delivery.attempts;
  const by = inhibitedBy ?? before?.inhibitedBy;
  const decided = { ...delivery, attempts, ...(by === undefined ? {} : { inhibitedBy: by }) };
  return [...deliveries.filter((each) => each !== before), decided].slice(-Math.max(DELIVERIES_MAX, unrecorded));
}

/** Whether the notification with this id had this outcome before the restart. */
export function arrivedWith({ outcome, notification }: Delivery, id: string): boolean {
  return notification === id && (outcome === "delivered" || outcome === "failed");
}

/** The grouping of an alert whose route is unknown because the routes have changed. */
export const UNROUTED: Grouping = {
  route: "",
  labels: undefined,
  waitUs: 0,
  intervalUs: 0,
  repeatUs: undefined,
  states: new Set(["resolved"] as const),
};
