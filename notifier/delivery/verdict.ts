import type { DeliveryOutcome } from "../../contracts/notifications.ts";
import { isMuted } from "../../domain/alert.ts";
import { type ChangeEntry, isEnd } from "../common/change-entry.ts";
import type { LaneAlert } from "../common/lane-types.ts";
import type { Inhibition } from "../inhibition/inhibition.ts";

/**
 * What to do with the oldest change that waits of an alert. Whoever was told that an incident began, or may have been,
 * is told its end: at any age, silenced or inhibited or not. `wait`: what holds it may still turn up.
 */
export function verdict(
  alert: Pick<LaneAlert, "waiting" | "told">,
  entry: ChangeEntry,
  given: {
    readonly collapse: boolean;
    readonly maxAgeUs: number;
    readonly nowUs: number;
    readonly silenced: boolean;
    readonly inhibition: Inhibition;
  },
): "tell" | "wait" | Extract<DeliveryOutcome, "silenced" | "inhibited" | "muted" | "skipped" | "collapsed"> {
  const { incident, state } = entry.change;
  const begun = alert.told?.incident === incident;
  if (!begun && isMuted(entry.change)) return "muted";
  if (isEnd(entry.change)) return begun ? "tell" : "collapsed";
  const later = alert.waiting.filter((each) => each !== entry && each.change.incident === incident);
  const over = later.some((each) => isEnd(each.change));
  const overtaken = over || (state === "pending" && later.length > 0);
  if (overtaken && given.nowUs - entry.storedAtUs > given.maxAgeUs) return "skipped";
  if (overtaken && given.collapse && !begun) return "collapsed";
  if (given.silenced) return "silenced";
  switch (given.inhibition.kind) {
    case "held":
      return "inhibited";
    case "wait":
      return "wait";
    case "free":
      return "tell";
  }
}
