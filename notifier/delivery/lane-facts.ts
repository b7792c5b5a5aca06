import { createHash } from "node:crypto";
import type { Delivery, DeliveryOutcome } from "../../contracts/notifications.ts";
import type { ChangeEntry } from "../common/change-entry.ts";
import type { Flight, LaneAlert, Told } from "../common/lane-types.ts";
import type { Grouping } from "../routing/router.ts";

/** Whether what was told last was the end of an incident. */
export function isOver({ state }: Told): boolean {
  return state === "resolved" || state === "inactive";
}

/** The same for the same changes, repeat and target, so that a message can be known by it. Holds no dot. */
export function messageId(receiver: string, entries: readonly ChangeEntry[], repeat: number): string {
  const hash = createHash("sha256").update(receiver).update(`\0${repeat}`);
  for (const { alert, sequence, storedAtUs, change } of entries) {
    // The time tells a log from one that was begun anew, whose first alerts have the same names.
    hash.update(`\0${alert}\0${sequence}\0${storedAtUs}\0${change.id}`);
  }
  return `msg_${hash.digest("hex").slice(0, 32)}`;
}

/** What became of a change, but for when. */
export function deliveryOf(
  receiver: string,
  { change }: ChangeEntry,
  outcome: DeliveryOutcome,
  flight: Flight | undefined,
): Omit<Delivery, "atUs"> {
  const { id, incident, state } = change;
  const { attempts = 0, repeat = 0, error } = flight ?? {};
  return {
    ...{ receiver, incident, change: id, state, outcome, attempts, repeats: repeat },
    ...(error === undefined ? {} : { error }),
    ...(flight === undefined ? {} : { notification: flight.id }),
  };
}

/** Whether a change was decided by this message. */
export function arrivedWith({ outcome, notification }: Delivery, id: string): boolean {
  return notification === id && (outcome === "delivered" || outcome === "failed");
}

/** Whether an alert fires untold because of a silence, or of what inhibits it. */
export function wasHeld(alert: LaneAlert, { change }: ChangeEntry): boolean {
  const held = ({ outcome }: Delivery): boolean => outcome === "silenced" || outcome === "inhibited";
  return alert.deliveries.some((each) => each.change === change.id && held(each));
}

/** How an alert is told whose route is not known (any more). */
export const ALONE: Grouping = {
  route: "",
  labels: undefined,
  waitUs: 0,
  intervalUs: 0,
  repeatUs: undefined,
  states: new Set(["resolved"] as const),
};
