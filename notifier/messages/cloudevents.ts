import type { AlertEvent } from "../../domain/alert.ts";
import { formatInstantUs } from "../../domain/time.ts";
import type { LoggedChange } from "../common/logged-change.ts";
import type { Notification } from "../common/notification.ts";

export const CLOUDEVENTS_JSON = "application/cloudevents+json; charset=utf-8";

/**
 * A notification as a CloudEvent. A single alert is the event that the log stores, with its id; a repeat has its own
 * id, and its number in `weirrepeat`. The alerts of a group form one event of another type, with the notification's
 * id.
 */
export function cloudEventOf(notification: Notification): Record<string, unknown> {
  const { changes, repeat } = notification;
  const [first] = changes;
  if (first === undefined) throw new TypeError("a notification without alerts");
  if (!notification.grouped) {
    const event = eventOf(first);
    return repeat === 0 ? { ...event } : { ...event, id: `${event.id}-again-${repeat}`, weirrepeat: repeat };
  }
  const newest = changes.reduce((a, b) => (b.sequence > a.sequence ? b : a), first);
  return {
    specversion: "1.0",
    id: notification.id,
    source: "/weir/notifier",
    type: "weir.alerts.v1",
    subject: notification.receiver,
    time: formatInstantUs(newest.change.processedAtUs),
    datacontenttype: "application/json",
    data: {
      receiver: notification.receiver,
      group: notification.labels,
      repeat,
      changes: changes.map(({ change }) => change),
    },
  };
}

function eventOf({ change, source }: LoggedChange): AlertEvent {
  return {
    specversion: "1.0",
    id: change.id,
    source,
    type: "weir.alert.v1",
    subject: change.incident,
    time: formatInstantUs(change.processedAtUs),
    datacontenttype: "application/json",
    data: change,
  };
}
