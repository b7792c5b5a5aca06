import type { AlertEvent } from "../../domain/alert.ts";
import { formatInstantUs } from "../../domain/time.ts";
import type { ChangeEntry } from "../common/change-entry.ts";
import type { Message } from "./target.ts";

export const CLOUDEVENTS_JSON = "application/cloudevents+json; charset=utf-8";

/**
 * A single alert is its CloudEvent as it stands in the log, id and all; told again it says which time in `weirrepeat`. The
 * alerts of a group come as one event of another type, whose id is the message's.
 */
export function cloudEventOf(message: Message): Record<string, unknown> {
  const [first] = message.entries;
  if (first === undefined) throw new TypeError("a message of no alerts");
  if (!message.grouped) {
    const event = eventOf(first);
    return message.repeat === 0
      ? { ...event }
      : { ...event, id: `${event.id}-again-${message.repeat}`, weirrepeat: message.repeat };
  }
  const newest = message.entries.reduce((a, b) => (b.sequence > a.sequence ? b : a), first);
  return {
    specversion: "1.0",
    id: message.id,
    source: "/weir/notifier",
    type: "weir.alerts.v1",
    subject: message.receiver,
    time: formatInstantUs(newest.change.processedAtUs),
    datacontenttype: "application/json",
    data: {
      receiver: message.receiver,
      group: message.labels,
      repeat: message.repeat,
      changes: message.entries.map(({ change }) => change),
    },
  };
}

function eventOf({ change, source }: ChangeEntry): AlertEvent {
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
