import { covers } from "../auth/topic-permission.ts";
import type { BrokerEvents } from "../common/events.ts";
import type { Link } from "../wire/link.ts";

/** A message on its way to a subscriber. */
export interface Delivery {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  /** Set if the session's queue holds it. */
  readonly messageId?: number | undefined;
}

export interface DeliveryLimits {
  readonly subscriber_backlog_size_max: number;
  readonly subscriber_backlog_size_close: number;
}

export type Forwarding = { readonly kind: "drop" } | { readonly kind: "send"; readonly qos: 0 | 1 | 2 };

const DROP: Forwarding = { kind: "drop" };

/**
 * Decides on each delivery to a connected subscriber. A subscriber that reads too slowly loses QoS 0 messages until
 * it catches up, and is disconnected when too many bytes of QoS 1 or 2 wait for it. It never delays a publisher.
 */
export class Deliveries {
  readonly #limits: DeliveryLimits;
  readonly #events: BrokerEvents;

  constructor(limits: DeliveryLimits, events: BrokerEvents) {
    this.#limits = limits;
    this.#events = events;
  }

  decide(link: Link, delivery: Delivery): Forwarding {
    const waiting = link.conn.writableLength;
    const qos = grantedQos(link, delivery);
    // Queued messages are written one at a time as the subscriber reads. Its rights may have changed since they were
    // queued.
    if (delivery.messageId !== undefined) return qos === undefined ? DROP : send(qos);
    if (waiting === 0) link.behind = false;
    if (waiting > this.#limits.subscriber_backlog_size_max) link.behind = true;
    if (!link.behind) return send(qos ?? 0);
    if (qos !== undefined && qos > 0 && waiting <= this.#limits.subscriber_backlog_size_close) return send(qos);
    if (qos === undefined || qos === 0) {
      this.#events.deliveryDropped(link.clientId);
    } else if (link.droppedFor === undefined) {
      this.#events.connectionDropped("slow-subscriber", link.clientId, `${waiting} bytes wait`);
      link.drop("slow-subscriber");
    }
    return DROP;
  }
}

const SEND = [
  { kind: "send", qos: 0 },
  { kind: "send", qos: 1 },
  { kind: "send", qos: 2 },
] as const;

function send(qos: 0 | 1 | 2): Forwarding {
  return SEND[qos];
}

/**
 * Aedes sends at the publisher's QoS whenever the filter has a wildcard, but it must not exceed the granted QoS.
 * Undefined when no granted filter matches.
 */
function grantedQos(link: Link, { topic, qos, messageId }: Delivery): 0 | 1 | 2 | undefined {
  if (qos === 0 && messageId === undefined) return 0;
  let granted = -1;
  let levels: string[] | undefined;
  for (const [filter, filterQos] of link.filters) {
    if (filterQos <= granted) continue;
    levels ??= topic.split("/");
    if (filter === topic || covers(filter.split("/"), levels)) granted = filterQos;
    if (granted >= qos) return qos;
  }
  if (granted < 0) return undefined;
  return granted === 0 ? 0 : 1;
}
