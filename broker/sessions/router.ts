import type { Cluster } from "../cluster/port.ts";
import type { BrokerEvents } from "../common/events.ts";
import { Hub } from "../hub/hub.ts";
import type { Message, SessionRecord, SessionStore, Subscription } from "../store/port.ts";
import { type Delivery, type Plan, Routes } from "./routes.ts";
import type { Session } from "./session.ts";
import { isShareId } from "./shared-queues.ts";
import { Shares } from "./shares.ts";
import { TopicOrder } from "./topic-order.ts";

export interface RouterOptions {
  readonly store: SessionStore;
  readonly cluster: Cluster;
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
/** The same for messages that skip the hub. */
const QUEUED_KIND = 20;

/**
 * Gives messages to their subscribers, through the hub: it has a message retained and put into the queues of stored
 * sessions, and then delivers it to connected clients. Other edges deliver it to theirs.
 */
export class Router {
  readonly #options: RouterOptions;
  readonly #hub: Hub;
  readonly #routes = new Routes();
  readonly #shares: Shares;
  readonly #order = new TopicOrder();
  /** Filters of clients here whose sessions end with their connections: other edges know them. */
  readonly #wanted = new Map<string, ReadonlySet<string>>();

  constructor(options: RouterOptions) {
    const { events, nowUs, limits, store } = options;
    this.#options = options;
    this.#hub = new Hub({
      events,
      nowUs,
      topicLevelsMax: limits.topic_levels_max,
      retain: (message) => store.retain(message.topic, message.payload.length === 0 ? null : message),
      enqueue: (message) => this.#enqueue(message, this.#routes.plan(message)),
      deliver: (message) => this.#deliver(message),
    });
    this.#shares = new Shares({
      ...options,
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
    return this.#routes.matchesAny(topic) || this.#options.cluster.matchesAny(topic);
  }

  publish(message: Message): Promise<void> {
    const { topic, qos, retain } = message;
    const isInstant = qos === 0 && !retain;
    if (isInstant && !this.#order.has(topic)) return this.#hub.publish(message);
    if (qos > 0 && !retain) {
      const plan = this.#routes.plan(message);
      if (this.#isForQueues(plan)) return this.#order.run(topic, QUEUED_KIND + qos, () => this.#enqueue(message, plan));
    }
    return this.#order.run(topic, retain ? RETAINED_KIND + qos : qos, () => this.#hub.publish(message));
  }

  /**
   * The subscriptions of a session, in place of its earlier ones. Resolves once its shared subscriptions are safe, and
   * other edges know those that are not stored.
   */
  async set(clientId: string, subscriptions: readonly Subscription[], of: "transient" | "stored"): Promise<void> {
    this.#routes.set(clientId, subscriptions);
    const filters = subscriptions.map(({ filter }) => filter);
    await this.#shares.set(clientId, filters, of === "stored");
    await this.#want(clientId, of === "stored" ? [] : filters);
  }

  /** A session has its connection from now on. */
  joined(session: Session): void {
    this.#shares.joined(session);
  }

  /** The connection of a session has ended; its queue is still open, unless another edge has it. */
  async left(session: Session): Promise<void> {
    await this.#shares.left(session);
  }

  /** A session is about to be deleted. Resolves to its record, once others have what it need not have. */
  async ended(record: SessionRecord): Promise<SessionRecord> {
    return await this.#shares.ended(record);
  }

  /** The queue of a shared subscription is known, has changed or is gone. */
  shareChanged(clientId: string, record: SessionRecord | undefined): void {
    this.#routes.set(clientId, this.#shares.queueChanged(clientId, record));
  }

  /** Another edge has claimed the queue of a shared subscription. */
  shareTaken(clientId: string): void {
    this.#shares.queueTaken(clientId);
  }

  /** Resolves once the queues of shared subscriptions fit their members, and other edges. */
  async settled(): Promise<void> {
    await this.#shares.settleAll();
  }

  edgesChanged(): void {
    this.#shares.edgesChanged();
  }

  /** Call it now and then. */
  async tidy(): Promise<void> {
    await this.#shares.tidy();
  }

  /** A record stands for a session in the store whose client may be away. */
  async enqueueFor(to: Session | SessionRecord, message: Message, copy: QueueCopy): Promise<void> {
    if ("transient" in to && to.transient !== undefined) this.#push(to, message, copy);
    else await this.#options.store.enqueue(message, [{ clientId: to.clientId, ...copy }]);
  }

  /** A message that was published at another edge: gives it to clients here that have no copy in the store. */
  deliver(message: Message): void {
    this.#deliverHere(message, this.#routes.plan(message).deliveries);
  }

  /** The same for one member here of a shared subscription. */
  deliverShared(filter: string, message: Message): void {
    this.#shares.deliverHere(filter, message);
  }

  /** Whether all who get a message have a queue in the store. The hub has nobody to give it to, and costs as much again. */
  #isForQueues({ deliveries, shares }: Plan): boolean {
    const { connected } = this.#options;
    return (
      shares.size === 0 &&
      deliveries.every(({ clientId, qos }) => qos > 0 && connected.get(clientId)?.transient === undefined)
    );
  }

  /** For stored sessions, whether connected or not, and for other edges. */
  async #enqueue(message: Message, { deliveries, shares }: Plan): Promise<void> {
    const { cluster, connected, store } = this.#options;
    const copies = this.#shares.copies(shares, message);
    for (const { clientId, qos, retain, identifiers } of deliveries) {
      const session = connected.get(clientId);
      if (qos === 0 || session?.transient !== undefined) continue;
      session?.client.announced(message.payload.length);
      copies.push({ clientId, qos, retain, identifiers });
    }
    if (cluster.hasOthers()) copies.push(...cluster.inboxes(message, this.#edgesOf(deliveries)));
    if (copies.length > 0) await store.enqueue(message, copies);
  }

  /** For connected clients: all with QoS 0, and others whose session ends with the connection. */
  #deliver(message: Message): void {
    const { cluster } = this.#options;
    const { deliveries, shares } = this.#routes.plan(message);
    this.#deliverHere(message, deliveries);
    if (shares.size > 0) this.#shares.deliver(shares, message);
    if (message.qos === 0 && cluster.hasOthers()) cluster.publish(message, this.#edgesOf(deliveries));
  }

  #deliverHere(message: Message, deliveries: readonly Delivery[]): void {
    for (const { clientId, qos, retain, identifiers } of deliveries) {
      const session = this.#options.connected.get(clientId);
      if (session === undefined) continue;
      if (qos === 0) session.client.deliver(message, { retain, identifiers });
      else if (session.transient !== undefined) this.#push(session, message, { qos, retain, identifiers });
    }
  }

  /** Other edges where clients of stored sessions are connected that get the message with QoS 0. */
  #edgesOf(deliveries: readonly Delivery[]): ReadonlySet<string> | undefined {
    const { cluster, connected, store } = this.#options;
    let edges: Set<string> | undefined;
    for (const { clientId, qos } of deliveries) {
      if (qos > 0 || connected.has(clientId)) continue;
      const { edge, awayAtUs } = store.session(clientId) ?? {};
      if (edge === undefined || awayAtUs !== undefined || edge === cluster.edge) continue;
      edges ??= new Set();
      edges.add(edge);
    }
    return edges;
  }

  async #want(clientId: string, filters: readonly string[]): Promise<void> {
    const before = this.#wanted.get(clientId);
    if (before === undefined && filters.length === 0) return;
    const { cluster } = this.#options;
    const wanted = new Set(filters.filter((filter) => !isShareId(filter)));
    if (wanted.size === 0) this.#wanted.delete(clientId);
    else this.#wanted.set(clientId, wanted);
    const added = [...wanted].filter((filter) => before?.has(filter) !== true);
    for (const filter of before ?? []) if (!wanted.has(filter)) cluster.unsubscribe(filter);
    await Promise.all(added.map((filter) => cluster.subscribe(filter)));
  }

  #push({ clientId, transient, client }: Session, message: Message, copy: QueueCopy): void {
    client.announced(message.payload.length);
    const dropped = transient?.push(message, copy) ?? 0;
    if (dropped > 0) this.#options.events.queuedMessagesDropped(clientId, dropped);
  }
}
