import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { Aedes, type AedesOptions, type AedesPublishPacket, type Client, type PublishPacket } from "aedes";
import { US_PER_MS, US_PER_SECOND } from "../../domain/time.ts";
import type { PublishGate } from "../../platform/publish-gate.ts";
import type { PasswordChecks } from "../auth/password-checks.ts";
import type { LiveUsers } from "../auth/users.ts";
import type { BrokerConfig } from "../common/config.ts";
import type { BrokerEvents, Refusal } from "../common/events.ts";
import { Sessions } from "../sessions/sessions.ts";
import { Inbound } from "../wire/inbound.ts";
import { Link } from "../wire/link.ts";
import type { Newcomers } from "../wire/newcomers.ts";
import type { ParsedPublish } from "../wire/pending-publish.ts";
import { Access, ConnectRefusedError, type ConnectRequest } from "./access.ts";
import { Deliveries } from "./deliveries.ts";
import { MessageQueue, NOBODYS_TOPIC } from "./message-queue.ts";

export interface MqttEdgeOptions {
  readonly config: BrokerConfig;
  readonly anonymous: boolean;
  readonly users: LiveUsers;
  readonly checks: PasswordChecks;
  readonly events: BrokerEvents;
  readonly gate: PublishGate;
  readonly newcomers: Pick<Newcomers, "settled" | "evictFor">;
  readonly nowMs: () => number;
  readonly nowUs: () => number;
}

type Hook<Name extends keyof AedesOptions> = NonNullable<AedesOptions[Name]>;

const CLOSE_MS_MAX = 1_000;
const CLOSE_POLL_MS = 10;
/** Only sets the threshold of Aedes' warning about listeners; our message queue has no such limit. */
const CONCURRENCY = 100;

/**
 * Aedes with our hooks. Aedes speaks MQTT; `access.ts` decides who may do what, `wire/inbound.ts` when a publish is
 * acknowledged, `deliveries.ts` which messages a slow subscriber gets, `sessions/` what outlives a connection.
 * Invariant: no publish is acknowledged before the gate has finished with it, and each client's acknowledgements are
 * in the order of its publishes. Plain publishes bypass Aedes (`wire/link.ts`, ADR 9).
 */
export class MqttEdge {
  readonly links = new Set<Link>();
  readonly sessions: Sessions;
  readonly #options: MqttEdgeOptions;
  readonly #access: Access;
  readonly #inbound: Inbound;
  readonly #deliveries: Deliveries;
  readonly #queue = new MessageQueue();
  readonly #aedes: Aedes;
  readonly #linkOf = new WeakMap<object, Link>();
  readonly #requestOf = new WeakMap<object, ConnectRequest>();
  readonly #clients = new Map<string, Client>();
  #stopping = false;

  constructor(options: MqttEdgeOptions) {
    const { config, events, gate, nowMs, nowUs } = options;
    this.#options = options;
    this.sessions = new Sessions({
      limits: config.limits,
      events,
      nowMs,
      wasGranted: (client, filter) => this.#linkOf.get(client)?.filters.has(filter) ?? false,
    });
    this.#access = new Access({
      ...options,
      othersConnected: (clientId) => this.#clients.size - (this.#clients.has(clientId) ? 1 : 0),
      ownerOf: (clientId) => this.sessions.ownerOf(clientId),
    });
    this.#inbound = new Inbound({
      gate,
      limits: config.limits,
      events,
      nowUs,
      refusalOf: (link, topic) => this.#access.publishRefusal(link.permission, topic),
      isUnreleased: (link, messageId) => this.sessions.hasIncoming(link.clientId, messageId),
      forward: (packet) => this.#forward(packet),
    });
    this.#deliveries = new Deliveries(config.limits, events);
    this.#aedes = new Aedes(this.#aedesOptions());
    this.#listenToAedes();
  }

  async start(): Promise<void> {
    await this.#aedes.listen();
  }

  /** Accepts a new connection. */
  connection(conn: Duplex, socket: Socket): void {
    const { clients_max, connecting_max, packet_size_max, topic_levels_max } = this.#options.config.limits;
    const { newcomers } = this.#options;
    const address = socket.remoteAddress ?? "unknown";
    const isFull = this.links.size >= clients_max + connecting_max;
    if (this.#stopping || (isFull && !newcomers.evictFor(socket))) {
      this.#options.events.connectionRefused(this.#stopping ? "stopping" : "too-many-clients", "", address);
      conn.destroy();
      return;
    }
    const link = new Link({
      conn,
      address,
      control: this.#inbound,
      packetBytesMax: packet_size_max,
      topicLevelsMax: topic_levels_max,
      rateLimits: this.#options.config.limits,
      onConnect: () => newcomers.settled(socket),
    });
    link.attach();
    this.links.add(link);
    conn.once("close", () => {
      this.links.delete(link);
      this.#inbound.forget(link);
    });
    this.#linkOf.set(this.#aedes.handle(conn), link);
  }

  /** Disconnects users that were removed or changed. Their rights are decided again when they reconnect. */
  dropUsers(names: ReadonlySet<string>): void {
    for (const link of this.links) {
      if (!link.connected || !names.has(link.user)) continue;
      this.#options.events.connectionDropped("user-changed", link.clientId, link.user);
      link.drop("user-changed");
    }
  }

  /** Stops reading and waits for the messages in flight. Resolves to the number still in flight after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<number> {
    this.#stopping = true;
    await this.#inbound.drain(timeoutMs);
    return this.#inbound.inflightNow;
  }

  /** Closes all connections once their output has been sent. */
  async close(): Promise<void> {
    this.#stopping = true;
    for (const link of this.links) link.conn.end();
    const endMs = this.#options.nowMs() + CLOSE_MS_MAX;
    while (this.links.size > 0 && this.#options.nowMs() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, CLOSE_POLL_MS));
    }
    for (const link of this.links) link.conn.destroy();
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
  }

  #aedesOptions(): AedesOptions {
    const { limits } = this.#options.config;
    return {
      mq: this.#queue,
      persistence: this.sessions,
      concurrency: CONCURRENCY,
      connectTimeout: limits.connect_timeout / US_PER_MS,
      drainTimeout: limits.drain_timeout / US_PER_MS,
      maxTopicLevels: limits.topic_levels_max,
      maxInflightInbound: limits.qos2_per_client_max,
      preConnect: (client, packet, callback) => this.#preConnect(client, packet, callback),
      authenticate: (client, username, password, done) => this.#authenticate(client, username, password, done),
      authorizePublish: (client, packet, callback) => this.#authorizePublish(client, packet, callback),
      authorizeSubscribe: (client, subscription, callback) => this.#authorizeSubscribe(client, subscription, callback),
      authorizeForward: (client, packet) => this.#authorizeForward(client, packet),
    };
  }

  readonly #preConnect: Hook<"preConnect"> = (client, packet, callback) => {
    const link = this.#linkOf.get(client);
    const { will } = packet;
    const request: ConnectRequest = {
      clientId: packet.clientId,
      clean: packet.clean ?? false,
      will: will === undefined ? undefined : { topic: will.topic, qos: will.qos ?? 0 },
    };
    const fault = this.#access.malformed(request);
    if (link === undefined || fault !== undefined) {
      if (fault !== undefined) this.#dropped(link, fault, request.clientId);
      callback(new Error(fault ?? "unknown connection"), false);
      return;
    }
    this.#requestOf.set(client, request);
    link.clientId = packet.clientId;
    const { protocolVersion = 4 } = packet;
    if (protocolVersion !== 3 && protocolVersion !== 4) {
      // Aedes answers with return code 1.
      link.droppedFor = "mqtt-version";
      this.#options.events.versionRefused(protocolVersion, packet.clientId, link.address);
    }
    link.silenceMsMax = this.#silenceMsMax(packet.keepalive ?? 0);
    // `wire/keepalive.ts` does this: Aedes would also close connections that the broker has stopped reading from.
    packet.keepalive = 0;
    callback(null, true);
  };

  #silenceMsMax(keepaliveSeconds: number): number {
    const max = this.#options.config.limits.keepalive_max / US_PER_SECOND;
    const seconds = max > 0 ? Math.min(keepaliveSeconds || max, max) : keepaliveSeconds;
    return seconds * 1500;
  }

  readonly #authenticate: Hook<"authenticate"> = (client, username, password, done) => {
    const link = this.#linkOf.get(client);
    const request = this.#requestOf.get(client);
    if (link === undefined || request === undefined) {
      done(new ConnectRefusedError("protocol-error", 5), false);
      return;
    }
    this.#access.connect(link, request, { name: username, password }).then(
      () => {
        link.clientId = client.id;
        done(null, true);
      },
      (error: unknown) => {
        done(error instanceof ConnectRefusedError ? error : new ConnectRefusedError("protocol-error", 3), false);
        if (!(error instanceof ConnectRefusedError)) this.#options.events.brokerFailed(error);
      },
    );
  };

  readonly #authorizePublish: Hook<"authorizePublish"> = (client, packet, callback) => {
    const link = client === null ? undefined : this.#linkOf.get(client);
    // Aedes asks about a will after its connection has closed, or without a client when it finds an old one.
    if (client === null || link === undefined || client.closed) {
      this.#publishWill(link, packet, client?.id ?? "", callback);
      return;
    }
    this.#inbound.accept(packet, link, (error) => {
      if (!error && packet.qos < 2) markAsHandled(packet);
      callback(error);
    });
  };

  #publishWill(
    link: Link | undefined,
    will: ParsedPublish,
    clientId: string,
    callback: (error?: Error | null) => void,
  ): void {
    // A restart of the gateway says nothing about a device.
    const refusal = this.#stopping ? "stopping" : this.#willRefusal(link, will.topic);
    const sender = link?.sender ?? "";
    if (refusal === undefined && this.#inbound.acceptWill(will, { clientId, sender }, callback)) return;
    this.#options.events.willDropped(refusal ?? "gate-full", clientId, will.topic);
    callback(new Error(refusal ?? "gate-full"));
  }

  #willRefusal(link: Link | undefined, topic: string): Refusal | undefined {
    return link === undefined ? "bad-will" : this.#access.publishRefusal(link.permission, topic);
  }

  readonly #authorizeSubscribe: Hook<"authorizeSubscribe"> = (client, subscription, callback) => {
    const link = this.#linkOf.get(client);
    const { topic, qos } = subscription;
    if (link?.closed === true) {
      callback(null, null);
      return;
    }
    const refusal = link === undefined ? "protocol-error" : this.#access.subscribeRefusal(link, topic);
    if (link === undefined || refusal !== undefined) {
      this.#options.events.subscribeRefused(refusal ?? "protocol-error", client.id, topic);
      // The filter may be from a session whose user had more rights when it subscribed.
      void this.sessions.removeSubscriptions(client, [topic]);
      if (link !== undefined) this.#countRefused(link);
      callback(null, null);
      return;
    }
    link.filters.set(topic, qos);
    callback(null, subscription);
  };

  /** A packet of many thousand refused filters costs as much as one of granted ones: its connection ends. */
  #countRefused(link: Link): void {
    if (link.refusedFilters === 0) {
      // Aedes asks about all filters of a packet in one go.
      queueMicrotask(() => {
        link.refusedFilters = 0;
      });
    }
    if (++link.refusedFilters <= this.#options.config.limits.subscriptions_per_client_max) return;
    this.#dropped(link, "too-many-subscriptions", link.clientId, "one SUBSCRIBE packet");
    link.drop("too-many-subscriptions");
  }

  #authorizeForward(client: Client, packet: AedesPublishPacket): AedesPublishPacket | null {
    const link = this.#linkOf.get(client);
    if (link === undefined) return packet;
    const decision = this.#deliveries.decide(link, packet);
    if (decision.kind === "drop") return null;
    return decision.qos === packet.qos ? packet : { ...packet, qos: decision.qos };
  }

  #forward(packet: ParsedPublish): void {
    const { topic, payload, qos, retain } = packet;
    // A retained message is also for future subscribers.
    if (!retain && !this.#queue.matchesAny(topic) && !this.sessions.matchesAny(topic)) return;
    this.#aedes.publish({ cmd: "publish", topic, payload, qos, retain, dup: false }, (error) => {
      if (error) this.#options.events.brokerFailed(error);
    });
  }

  #listenToAedes(): void {
    const { events } = this.#options;
    this.#aedes.on("client", (client) => {
      // Its connection ended before it was registered: no event would remove it.
      if (client.closed) return;
      this.#clients.set(client.id, client);
      this.sessions.clientConnected(client.id, this.#linkOf.get(client)?.user ?? "");
      events.clientConnected(client.id, this.#clients.size);
    });
    this.#aedes.on("connackSent", (packet, client) => {
      const link = this.#linkOf.get(client);
      if (link === undefined || packet.returnCode !== 0) return;
      link.connected = true;
      this.#inbound.linkConnected();
    });
    this.#aedes.on("clientDisconnect", (client) => {
      // A replaced connection must not remove the one that replaced it.
      if (this.#clients.get(client.id) !== client) return;
      this.#clients.delete(client.id);
      this.sessions.clientDisconnected(client.id);
      events.clientDisconnected(client.id, this.#clients.size);
    });
    this.#aedes.on("unsubscribe", (filters, client) => {
      const link = this.#linkOf.get(client);
      for (const filter of filters) link?.filters.delete(filter);
    });
    this.#aedes.on("clientError", (client, error) => this.#clientFailed(client, error));
    this.#aedes.on("connectionError", (client, error) => this.#clientFailed(client, error));
    // Missing from Aedes' type: it reports failures of its persistence.
    this.#aedes.addListener("error", (error) => events.brokerFailed(error));
  }

  #clientFailed(client: Client, error: Error): void {
    const link = this.#linkOf.get(client);
    // Network errors are normal. Errors that the broker caused are counted where it caused them.
    if (
      link === undefined ||
      link.droppedFor !== undefined ||
      isNetworkError(error) ||
      error instanceof ConnectRefusedError
    ) {
      return;
    }
    const reason = error.message === "drain timeout" ? "drain-timeout" : "protocol-error";
    this.#dropped(link, reason, link.clientId, error.message);
  }

  #dropped(link: Link | undefined, reason: Refusal, clientId: string, detail?: string): void {
    if (link !== undefined) link.droppedFor ??= reason;
    this.#options.events.connectionDropped(reason, clientId, detail);
  }
}

/** The message is already answered and delivered: Aedes must do neither. */
function markAsHandled(packet: PublishPacket): void {
  packet.topic = NOBODYS_TOPIC;
  packet.qos = 0;
  packet.retain = false;
}

/** Socket errors have a code. So do those of the WebSocket library, but there the client broke the protocol. */
function isNetworkError(error: Error): boolean {
  return "code" in error && !String(error.code).startsWith("WS_ERR_");
}
