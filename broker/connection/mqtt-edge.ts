import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { US_PER_SECOND } from "../../domain/time.ts";
import type { InboundMessage, PublishGate } from "../../platform/publish-gate.ts";
import type { PasswordChecks } from "../auth/password-checks.ts";
import type { LiveUsers } from "../auth/users.ts";
import type { Cluster } from "../cluster/port.ts";
import { atMost } from "../common/at-most.ts";
import type { BrokerConfig } from "../common/config.ts";
import type { BrokerEvents, Refusal } from "../common/events.ts";
import { Sessions } from "../sessions/sessions.ts";
import type { Message, SessionStore } from "../store/port.ts";
import { Inbound } from "../wire/inbound.ts";
import { Link } from "../wire/link.ts";
import type { Newcomers } from "../wire/newcomers.ts";
import { REASON } from "../wire/packets/reason-codes.ts";
import type { PendingPublish } from "../wire/pending-publish.ts";
import { topicFault } from "../wire/topics.ts";
import { Access } from "./access.ts";
import { TOPIC_ALIAS_MAX } from "./connect.ts";
import { Connection } from "./connection.ts";

export interface MqttEdgeOptions {
  readonly config: BrokerConfig;
  readonly anonymous: boolean;
  readonly users: LiveUsers;
  readonly checks: PasswordChecks;
  readonly events: BrokerEvents;
  readonly gate: PublishGate;
  readonly store: SessionStore;
  readonly cluster: Cluster;
  readonly newcomers: Pick<Newcomers, "settled" | "evictFor">;
  readonly nowMs: () => number;
  readonly nowUs: () => number;
}

export interface Drained {
  readonly clients: number;
  /** Messages from clients that were not acknowledged in time: their clients send them again. */
  readonly unfinished: number;
}

/** Other edges get the clients of one that drains a few hundred at a time. */
const HANDED_AT_ONCE = 200;
const RELEASE_MS_MAX = 2_000;
const CLOSE_MS_MAX = 1_000;
const CLOSE_POLL_MS = 10;

/**
 * All connections. A connection's `wire/link.ts` reads its packets, `wire/inbound.ts` decides when a publish is
 * acknowledged, `access.ts` who may do what, `outgoing.ts` when deliveries are written, and `sessions/` keeps what
 * outlives a connection.
 * Invariant: no publish is acknowledged before the gate has finished with it, and each client's acknowledgements are
 * in the order of its publishes.
 */
export class MqttEdge {
  readonly links = new Set<Link>();
  readonly #connections = new Set<Connection>();
  readonly #options: MqttEdgeOptions;
  readonly #access: Access;
  readonly #inbound: Inbound;
  readonly #sessions: Sessions;
  #stopping = false;

  constructor(options: MqttEdgeOptions) {
    const { cluster, config, events, gate, nowUs, store } = options;
    this.#options = options;
    this.#sessions = new Sessions({
      store,
      cluster,
      limits: config.limits,
      events,
      nowUs,
      publishWill: (will, of) => this.#publishWill(will, of),
    });
    this.#access = new Access({
      ...options,
      othersConnected: (clientId) => this.#sessions.size - (this.#sessions.isConnected(clientId) ? 1 : 0),
      ownerOf: (clientId) => this.#sessions.ownerOf(clientId),
    });
    this.#inbound = new Inbound({
      gate,
      limits: config.limits,
      events,
      nowUs,
      refusalOf: (link, topic) => this.#access.publishRefusal(link.permission, topic),
      forward: (publish) => this.#forward(publish),
    });
  }

  async start(): Promise<void> {
    await this.#sessions.start();
  }

  /** Accepts a new connection. */
  connection(conn: Duplex, socket: Socket): void {
    const { config, events, newcomers, nowMs, nowUs } = this.#options;
    const { clients_max, connecting_max, packet_size_max, topic_levels_max } = config.limits;
    const address = socket.remoteAddress ?? "unknown";
    const isFull = this.links.size >= clients_max + connecting_max;
    if (this.#stopping || (isFull && !newcomers.evictFor(socket))) {
      events.connectionRefused(this.#stopping ? "stopping" : "too-many-clients", "", address);
      conn.destroy();
      return;
    }
    const link = new Link({
      conn,
      address,
      control: this.#inbound,
      packetBytesMax: packet_size_max,
      topicLevelsMax: topic_levels_max,
      topicAliasMax: TOPIC_ALIAS_MAX,
      rateLimits: config.limits,
      nowMs,
    });
    const connection = new Connection({
      link,
      config,
      events,
      access: this.#access,
      inbound: this.#inbound,
      sessions: this.#sessions,
      nowUs,
      onConnect: () => newcomers.settled(socket),
    });
    this.links.add(link);
    this.#connections.add(connection);
    conn.on("error", (error) => this.#failed(link, error));
    conn.once("close", () => {
      this.links.delete(link);
      this.#connections.delete(connection);
      this.#inbound.forget(link);
      connection.closed();
    });
    link.start(connection);
  }

  /** Disconnects users that were removed or changed. Their rights are decided again when they reconnect. */
  dropUsers(names: ReadonlySet<string>): void {
    for (const { link } of this.#connections) {
      if (!link.connected || !names.has(link.user)) continue;
      this.#options.events.connectionDropped("user-changed", link.clientId, link.user);
      link.handler?.end("user-changed", REASON.administrative, "the user was changed or removed");
    }
  }

  /**
   * Hands the clients over: stops reading, waits until what is in flight both ways is finished, and closes their
   * connections. Other edges have the sessions from then on. No connection is accepted any more.
   * @returns how many clients, and how many messages were not finished after `timeoutMs`
   */
  async drain(timeoutMs: number): Promise<Drained> {
    this.#stopping = true;
    this.#sessions.stopping();
    const clients = this.#sessions.size;
    const endMs = this.#options.nowMs() + timeoutMs;
    await this.#inbound.drain(timeoutMs);
    const unfinished = this.#inbound.inflightNow;
    const late = sleep(Math.max(0, endMs - this.#options.nowMs()), undefined, { ref: false });
    const to = this.#options.cluster.edges().length > 1 ? "another-edge" : "later";
    const all = [...this.#connections];
    for (let i = 0; i < all.length; i += HANDED_AT_ONCE) {
      await Promise.all(
        all.slice(i, i + HANDED_AT_ONCE).map(async (connection) => {
          await Promise.race([connection.finish(), late]);
          connection.shutDown(to);
        }),
      );
    }
    await this.#untilClosed();
    const releasing = this.#sessions.release().catch((error: unknown) => this.#options.events.brokerFailed(error));
    // Without the log, other edges notice by themselves.
    await atMost(RELEASE_MS_MAX, releasing);
    return { clients, unfinished };
  }

  /** After `drain`. */
  async close(): Promise<void> {
    this.#stopping = true;
    this.#sessions.stopping();
    for (const connection of this.#connections) connection.shutDown("later");
    await this.#untilClosed();
    await this.#sessions.stop();
  }

  /** Until their output has been sent, or a second has passed. */
  async #untilClosed(): Promise<void> {
    const endMs = this.#options.nowMs() + CLOSE_MS_MAX;
    while (this.links.size > 0 && this.#options.nowMs() < endMs) await sleep(CLOSE_POLL_MS);
    for (const link of this.links) link.conn.destroy();
  }

  /** A message of the gateway itself. Resolves to the reason if no client can get it. */
  async publish(inbound: InboundMessage): Promise<"bad-topic" | "system-topic" | undefined> {
    const { topic, payload, qos, retain, properties, clientId, receivedAtUs } = inbound;
    const fault = topicFault(topic, this.#options.config.limits.topic_levels_max);
    if (fault !== undefined) return fault;
    if (!retain && !this.#sessions.matchesAny(topic)) return undefined;
    await this.#sessions.publish({
      topic,
      payload: Buffer.from(payload),
      // QoS 2 needs a packet id, by which a repeat is recognized.
      qos: qos === 2 ? 1 : qos,
      retain,
      publisher: clientId,
      receivedAtUs,
      ...(properties === undefined ? {} : { properties: detached(properties) }),
    });
    return undefined;
  }

  #forward(publish: PendingPublish): Promise<void> | undefined {
    const { topic, payload, qos, retain, properties, clientId, receivedAtUs, expirySeconds } = publish;
    // A retained message is also for future subscribers.
    if (!retain && !this.#sessions.matchesAny(topic)) return undefined;
    const message: Message = {
      topic,
      // The payload is a view of the socket's buffer. A copy does not keep the whole buffer in memory.
      payload: Buffer.from(payload),
      qos,
      retain,
      publisher: clientId,
      receivedAtUs,
      ...(properties === undefined ? {} : { properties: detached(properties) }),
      ...(expirySeconds === undefined ? {} : { expiresAtUs: receivedAtUs + expirySeconds * US_PER_SECOND }),
      ...(qos < 2 ? {} : { origin: publish.origin ?? `${receivedAtUs} ${publish.messageId} ${clientId}` }),
    };
    return this.#sessions.publish(message);
  }

  async #publishWill(will: Message, { clientId, user }: { clientId: string; user: string }): Promise<void> {
    const { topic, payload, qos, retain, properties, receivedAtUs, expiresAtUs } = will;
    const dropped = (refusal: Refusal) => this.#options.events.willDropped(refusal, clientId, topic);
    const permission = this.#access.permissionOf(user, clientId);
    const refusal = permission === undefined ? "bad-will" : this.#access.publishRefusal(permission, topic);
    if (refusal !== undefined) {
      dropped(refusal);
      return;
    }
    const expirySeconds = expiresAtUs === undefined ? undefined : (expiresAtUs - receivedAtUs) / US_PER_SECOND;
    const fields = { topic, payload, qos, retain, messageId: 0, properties, expirySeconds };
    // After a crash it may be published again: it must have the same origin then.
    const of = { clientId, sender: user === "" ? clientId : user, origin: `will ${receivedAtUs} ${clientId}` };
    await new Promise<void>((resolve) => {
      const isTaken = this.#inbound.acceptWill(fields, of, (error) => {
        if (error !== undefined) dropped("gate-closed");
        resolve();
      });
      if (isTaken) return;
      dropped("gate-full");
      resolve();
    });
  }

  /** Network errors are normal. Errors of the WebSocket library mean that the client broke the protocol. */
  #failed(link: Link, error: Error): void {
    const isNetwork = "code" in error && !String(error.code).startsWith("WS_ERR_");
    if (!isNetwork && link.droppedFor === undefined) {
      link.droppedFor = "protocol-error";
      this.#options.events.connectionDropped("protocol-error", link.clientId, error.message);
    }
    link.conn.destroy();
  }
}

/** A copy whose bytes are its own. */
function detached<Properties extends { readonly correlationData?: Uint8Array }>(properties: Properties): Properties {
  const { correlationData } = properties;
  return correlationData === undefined ? properties : { ...properties, correlationData: Buffer.from(correlationData) };
}
