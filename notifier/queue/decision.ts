import type { DeliveryOutcome } from "../../contracts/notifications.ts";
import { isMuted } from "../../domain/alert.ts";
import { isEnd, type LoggedChange } from "../common/logged-change.ts";
import type { Inhibition } from "../inhibition/inhibitions.ts";
import type { QueuedAlert } from "./queue-types.ts";

/** `send` it; `wait`, because its cause may still arrive; or the reason why it is not sent. */
export type Decision =
  | "send"
  | "wait"
  | Extract<DeliveryOutcome, "silenced" | "inhibited" | "muted" | "skipped" | "collapsed">;

/**
 * Decides on the oldest waiting change of an alert. A target that was, or may have been, notified of an incident's
 * beginning is also notified of its end, whatever its age, silences and inhibitions.
 */
export function decide(
  alert: Pick<QueuedAlert, "waiting" | "notified">,
  logged: LoggedChange,
  given: {
    readonly collapse: boolean;
    readonly maxAgeUs: number;
    readonly nowUs: number;
    readonly silenced: boolean;
    readonly inhibition: Inhibition;
  },
): Decision {
  const { incident, state } = logged.change;
  const begun = alert.notified?.incident === incident;
  if (!begun && isMuted(logged.change)) return "muted";
  if (isEnd(logged.change)) return begun ? "send" : "collapsed";
  const later = alert.waiting.filter((each) => each !== logged && each.change.incident === incident);
  const ended = later.some((each) => isEnd(each.change));
  const overtaken = ended || (state === "pending" && later.length > 0);
  if (overtaken && given.nowUs - logged.storedAtUs > given.maxAgeUs) return "skipped";
  if (overtaken && given.collapse && !begun) return "collapsed";
  if (given.silenced) return "silenced";
  switch (given.inhibition.kind) {
    case "inhibited":
      return "inhibited";
    case "wait":
      return "wait";
    case "none":
      return "send";
  }
}
