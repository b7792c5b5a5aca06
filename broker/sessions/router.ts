import type { BrokerEvents } from "../common/events.ts";
import { Hub } from "../hub/hub.ts";
import type { Message, SessionRecord, SessionStore, Subscription } from "../store/port.ts";
import { Routes } from "./routes.ts";
import type { Session } from "./session.ts";
import { Shares } from "./shares.ts";
import { TopicOrder } from "./topic-order.ts";

export interface RouterOptions {
  readonly store: SessionStore;
  readonly limits: {
    readonly queued_per_session_max: number;
    readonly queued_size_max: number;
    readonly topic_levels_max: number;
  };
  readonly events: BrokerEvents;
  readonly nowUs: () => number;
  readonly connected: ReadonlyMap<string, Session>;
}

/** A message for the queue of one session. */
export interface QueueCopy {
  readonly qos: 1 | 2;
  readonly retain: boolean;
  readonly identifiers: readonly number[];
}

export type QueueProgress = Pick<Shares, "sent" | "received" | "finished" | "hasRoom">;

/** Kinds for `TopicOrder`: the QoS, and this much more with the retain flag. */
const RETAINED_KIND = 10;

/**
 * Gives messages to their subscribers, through the hub: it has a message retained and put into the queues of stored
 * sessions, and then delivers it to connected clients.
 */
export class Router {
  readonly #options: RouterOptions;
  readonly #hub: Hub;
  readonly #routes = new Routes();
  readonly #shares: Shares;
  readonly #order = new TopicOrder();

  constructor(options: RouterOptions) {
    const { events, nowUs, limits, store, connected } = options;
    this.#options = options;
    this.#hub = new Hub({
      events,
      nowUs,
      topicLevelsMax: limits.topic_levels_max,
      retain: (message) => store.retain(message.topic, message.payload.length === 0 ? null : message),
      enqueue: (message) => this.#enqueue(message),
      deliver: (message) => this.#deliver(message),
    });
    this.#shares = new Shares({
      store,
      connected,
      events,
      queuedMax: limits.queued_per_session_max,
      queuedBytesMax: limits.queued_size_max,
      give: (to, message, copy) => this.enqueueFor(to, message, copy),
    });
  }

  async start(): Promise<void> {
    await this.#hub.start();
  }

  async stop(): Promise<void> {
    await this.#hub.close();
  }

  get progress(): QueueProgress {
    return this.#shares;
  }

  /** Whether a message to this topic has anywhere to go. */
  matchesAny(topic: string): boolean {
    return this.#routes.matchesAny(topic);
  }

  publish(message: Message): Promise<void> {
    const { topic, qos, retain } = message;
    const isInstant = qos === 0 && !retain;
    if (isInstant && !this.#order.has(topic)) return this.#hub.publish(message);
    return this.#order.run(topic, retain ? RETAINED_KIND + qos : qos, () => this.#hub.publish(message));
  }

  /** The subscriptions of a session, in place of its earlier ones. Resolves once its shared subscriptions are safe. */
  async set(clientId: string, subscriptions: readonly Subscription[], of: "transient" | "stored"): Promise<void> {
    this.#routes.set(clientId, subscriptions);
    const filters = subscriptions.map(({ filter }) => filter);
    await this.#shares.set(clientId, filters, of === "stored");
  }

  /** The connection of a session has ended; its queue is still open. */
  async left(session: Session): Promise<void> {
    await this.#shares.left(session);
  }

  /** A record stands for a session in the store whose client may be away. */
  async enqueueFor(to: Session | SessionRecord, message: Message, copy: QueueCopy): Promise<void> {
    if ("transient" in to && to.transient !== undefined) this.#push(to, message, copy);
    else await this.#options.store.enqueue(message, [{ clientId: to.clientId, ...copy }]);
  }

  /** For stored sessions, whether connected or not. */
  async #enqueue(message: Message): Promise<void> {
    const { connected, store } = this.#options;
    const { deliveries, shares } = this.#routes.plan(message);
    const copies = this.#shares.copies(shares, message);
    for (const { clientId, qos, retain, identifiers } of deliveries) {
      const session = connected.get(clientId);
      if (qos === 0 || session?.transient !== undefined) continue;
      session?.client.announced(message.payload.length);
      copies.push({ clientId, qos, retain, identifiers });
    }
    if (copies.length > 0) await store.enqueue(message, copies);
  }

  /** For connected clients: all with QoS 0, and others whose session ends with the connection. */
  #deliver(message: Message): void {
    const { deliveries, shares } = this.#routes.plan(message);
    for (const { clientId, qos, retain, identifiers } of deliveries) {
      const session = this.#options.connected.get(clientId);
      if (session === undefined) continue;
      if (qos === 0) session.client.deliver(message, { retain, identifiers });
      else if (session.transient !== undefined) this.#push(session, message, { qos, retain, identifiers });
    }
    if (shares.size > 0) this.#shares.deliver(shares, message);
  }

  #push({ clientId, transient, client }: Session, message: Message, copy: QueueCopy): void {
    client.announced(message.payload.length);
    const dropped = transient?.push(message, copy) ?? 0;
    if (dropped > 0) this.#options.events.queuedMessagesDropped(clientId, dropped);
  }
}
