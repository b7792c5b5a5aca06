import { Readable } from "node:stream";
import { US_PER_MS } from "../../domain/time.ts";
import type { BrokerEvents } from "../common/events.ts";
import { type OutgoingPacket, type OutgoingPublish, OutgoingQueue } from "./outgoing-queue.ts";
import { Retained, type RetainedMessage } from "./retained.ts";
import { failedWith, type Settled, settledWith } from "./settled.ts";
import { TopicTrie } from "./topic-trie.ts";

interface SessionLimits {
  readonly sessions_max: number;
  readonly session_expiry: number;
  readonly queued_per_session_max: number;
  readonly queued_size_max: number;
  readonly qos2_per_client_max: number;
  readonly retained_max: number;
  readonly retained_size_max: number;
}

export interface SessionsOptions {
  readonly limits: SessionLimits;
  readonly events: BrokerEvents;
  readonly nowMs: () => number;
  /** Aedes stores every filter of a SUBSCRIBE, even refused ones. Only filters that pass this check are kept. */
  readonly wasGranted: (client: SessionClient, filter: string) => boolean;
}

export interface SessionClient {
  readonly id: string;
  readonly clean: boolean;
}

interface Subscription {
  readonly topic: string;
  readonly qos: number;
}

interface Subscriber {
  readonly clientId: string;
  readonly topic: string;
  readonly qos: number;
}

interface Session {
  readonly owner: string;
  readonly subscriptions: Map<string, number>;
  readonly outgoing: OutgoingQueue;
  /** Packet ids of QoS 2 messages that the broker has and the client has not released yet. */
  readonly incoming: Set<number>;
}

interface Numbered {
  readonly messageId?: number | undefined;
}

interface Will {
  brokerId?: string;
  clientId?: string;
}

const NO_SUBSCRIBERS: Settled<readonly Subscriber[]> = settledWith([]);
const DONE: Settled<void> = settledWith(undefined);

/**
 * The state that outlives a connection, in memory and bounded: subscriptions and queues of persistent sessions,
 * unfinished QoS 2 messages, retained messages and wills. It implements Aedes' persistence, so Aedes sets the names
 * and arguments of its methods.
 */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, Session>();
  /** Sessions without a connection, with the time they lost it, oldest first. */
  readonly #away = new Map<string, number>();
  /** Connected clients and their users. */
  readonly #connected = new Map<string, string>();
  readonly #subscribers = new TopicTrie<Subscriber>();
  readonly #retained: Retained;
  readonly #wills = new Map<string, Will>();
  /** SUBSCRIBE packets on their way into a session, by their filters. */
  readonly #adding = new WeakMap<readonly Subscription[], Promise<void>>();
  #brokerId = "";
  #queuedBytes = 0;

  constructor(options: SessionsOptions) {
    this.#options = options;
    const { retained_max, retained_size_max } = options.limits;
    this.#retained = new Retained({ messagesMax: retained_max, bytesMax: retained_size_max });
  }

  async setup(broker: { readonly id: string }): Promise<void> {
    this.#brokerId = broker.id;
  }

  /** Whether a persistent session, connected or not, subscribes to the topic. */
  matchesAny(topic: string): boolean {
    return this.#subscribers.matchesAny(topic);
  }

  /** The user whose connection or session has this client id. */
  ownerOf(clientId: string): string | undefined {
    return this.#connected.get(clientId) ?? this.#sessions.get(clientId)?.owner;
  }

  clientConnected(clientId: string, user: string): void {
    this.#connected.set(clientId, user);
    this.#away.delete(clientId);
  }

  clientDisconnected(clientId: string): void {
    this.#connected.delete(clientId);
    if (this.#sessions.has(clientId)) this.#away.set(clientId, this.#options.nowMs());
  }

  /** Deletes sessions that have been offline for too long. */
  expire(): void {
    const oldestMs = this.#options.nowMs() - this.#options.limits.session_expiry / US_PER_MS;
    for (const [clientId, sinceMs] of this.#away) {
      if (sinceMs > oldestMs) return;
      this.#drop(clientId);
      this.#options.events.sessionDropped(clientId, "expired");
    }
  }

  storeRetained(message: RetainedMessage): Settled<void> {
    if (!this.#retained.store(message)) this.#options.events.retainedNotKept(message.topic);
    return DONE;
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.#retained.matching(filters));
  }

  addSubscriptions(client: SessionClient, subscriptions: readonly Subscription[]): Promise<void> {
    // Aedes calls this for each filter of a packet, each time with all of them. By the next microtask it has asked
    // about each, so one pass is enough: a pass for each call would take quadratic time.
    let adding = this.#adding.get(subscriptions);
    if (adding === undefined) {
      adding = Promise.resolve().then(() => this.#addGranted(client, subscriptions));
      this.#adding.set(subscriptions, adding);
    }
    return adding;
  }

  #addGranted(client: SessionClient, subscriptions: readonly Subscription[]): void {
    const session = this.#sessionFor(client.id);
    for (const { topic, qos } of subscriptions) {
      if (!this.#options.wasGranted(client, topic)) continue;
      this.#unlist(client.id, topic);
      session.subscriptions.set(topic, qos);
      if (qos > 0) this.#subscribers.add(topic, { clientId: client.id, topic, qos });
    }
  }

  async removeSubscriptions(client: SessionClient, filters: readonly string[]): Promise<void> {
    const session = this.#sessions.get(client.id);
    for (const filter of filters) {
      if (session?.subscriptions.delete(filter) === true) this.#unlist(client.id, filter);
    }
  }

  async subscriptionsByClient(client: { readonly id: string }): Promise<Subscription[]> {
    const session = this.#sessions.get(client.id);
    return Array.from(session?.subscriptions ?? [], ([topic, qos]) => ({ topic, qos }));
  }

  /** A client connected with a clean session: deletes any earlier session. */
  async cleanSubscriptions(client: SessionClient): Promise<void> {
    this.#drop(client.id);
  }

  subscriptionsByTopic(topic: string): Settled<readonly Subscriber[]> {
    if (!this.#subscribers.matchesAny(topic)) return NO_SUBSCRIBERS;
    // A client with overlapping filters gets one copy, at the highest QoS of the filters.
    const byClient = new Map<string, Subscriber>();
    for (const subscriber of this.#subscribers.match(topic)) {
      const other = byClient.get(subscriber.clientId);
      if (other === undefined || other.qos < subscriber.qos) byClient.set(subscriber.clientId, subscriber);
    }
    return settledWith([...byClient.values()]);
  }

  outgoingEnqueueCombi(subscribers: readonly Subscriber[], packet: OutgoingPublish): Settled<void> {
    for (const { clientId, qos } of subscribers) this.#enqueue(clientId, packet, Math.min(qos, packet.qos));
    return DONE;
  }

  async outgoingEnqueue(subscriber: { readonly clientId: string }, packet: OutgoingPublish): Promise<void> {
    this.#enqueue(subscriber.clientId, packet, packet.qos);
  }

  outgoingUpdate(client: SessionClient, packet: OutgoingPacket): Settled<void> {
    const session = this.#sessions.get(client.id);
    if (session === undefined || packet.messageId === undefined) return DONE;
    const before = session.outgoing.bytes;
    if (packet.cmd === "pubrel") session.outgoing.received(packet.messageId);
    else session.outgoing.sent(packet.brokerCounter, packet.messageId);
    this.#queuedBytes += session.outgoing.bytes - before;
    return DONE;
  }

  async outgoingClearMessageId(client: SessionClient, packet: Numbered): Promise<OutgoingPacket | undefined> {
    const session = this.#sessions.get(client.id);
    if (session === undefined || packet.messageId === undefined) return undefined;
    const before = session.outgoing.bytes;
    const done = session.outgoing.done(packet.messageId);
    this.#queuedBytes += session.outgoing.bytes - before;
    return done;
  }

  outgoingStream(client: SessionClient): Readable {
    return Readable.from(this.#sessions.get(client.id)?.outgoing.packets() ?? []);
  }

  hasIncoming(clientId: string, messageId: number): boolean {
    return this.#sessions.get(clientId)?.incoming.has(messageId) ?? false;
  }

  incomingStorePacket(client: SessionClient, packet: Numbered): Settled<void> {
    const { incoming } = this.#sessionFor(client.id);
    if (incoming.size >= this.#options.limits.qos2_per_client_max) {
      return failedWith(new Error("too many QoS 2 messages without a release"));
    }
    if (packet.messageId !== undefined) incoming.add(packet.messageId);
    return DONE;
  }

  incomingGetPacket(client: SessionClient, packet: Numbered): Settled<Numbered> {
    if (packet.messageId !== undefined && this.hasIncoming(client.id, packet.messageId)) return settledWith(packet);
    return failedWith(NO_SUCH_PACKET);
  }

  incomingDelPacket(client: SessionClient, packet: Numbered): Settled<void> {
    if (packet.messageId !== undefined) this.#sessions.get(client.id)?.incoming.delete(packet.messageId);
    return DONE;
  }

  /** The connection of a clean session started or ended. */
  async cleanIncoming(client: SessionClient): Promise<void> {
    const session = this.#sessions.get(client.id);
    session?.incoming.clear();
    if (session !== undefined && session.subscriptions.size === 0 && session.outgoing.size === 0) this.#drop(client.id);
  }

  async putWill(client: SessionClient, will: Will): Promise<void> {
    will.brokerId = this.#brokerId;
    will.clientId = client.id;
    this.#wills.set(client.id, will);
  }

  async delWill(client: { readonly id: string }): Promise<Will | undefined> {
    const will = this.#wills.get(client.id);
    this.#wills.delete(client.id);
    return will;
  }

  /** Aedes asks for the wills of other brokers that died. In memory there are none. */
  streamWill(): Readable {
    return Readable.from([]);
  }

  #enqueue(clientId: string, packet: OutgoingPublish, qos: number): void {
    const { outgoing } = this.#sessionFor(clientId);
    const { queued_per_session_max, queued_size_max } = this.#options.limits;
    if (outgoing.size >= queued_per_session_max || this.#queuedBytes >= queued_size_max) {
      this.#options.events.queuedMessageDropped(clientId);
      return;
    }
    const before = outgoing.bytes;
    const { brokerId, brokerCounter, topic, retain } = packet;
    const payload = Buffer.from(packet.payload);
    outgoing.add({ cmd: "publish", brokerId, brokerCounter, topic, payload, qos, retain, dup: false });
    this.#queuedBytes += outgoing.bytes - before;
  }

  #sessionFor(clientId: string): Session {
    const existing = this.#sessions.get(clientId);
    if (existing !== undefined) return existing;
    this.#makeRoom();
    const session: Session = {
      owner: this.#connected.get(clientId) ?? "",
      subscriptions: new Map(),
      outgoing: new OutgoingQueue(),
      incoming: new Set(),
    };
    this.#sessions.set(clientId, session);
    if (!this.#connected.has(clientId)) this.#away.set(clientId, this.#options.nowMs());
    return session;
  }

  #makeRoom(): void {
    if (this.#sessions.size < this.#options.limits.sessions_max) return;
    // The number of clients bounds the connected sessions, so the one that has been offline the longest is evicted.
    const [oldest] = this.#away.keys();
    if (oldest === undefined) return;
    this.#drop(oldest);
    this.#options.events.sessionDropped(oldest, "too-many-sessions");
  }

  #drop(clientId: string): void {
    const session = this.#sessions.get(clientId);
    this.#away.delete(clientId);
    if (session === undefined) return;
    for (const filter of session.subscriptions.keys()) this.#unlist(clientId, filter);
    this.#queuedBytes -= session.outgoing.bytes;
    this.#sessions.delete(clientId);
  }

  #unlist(clientId: string, filter: string): void {
    this.#subscribers.remove(filter, (subscriber) => subscriber.clientId === clientId);
  }
}

const NO_SUCH_PACKET = new Error("no such packet");
