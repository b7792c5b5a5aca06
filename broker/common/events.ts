import type { Logger } from "pino";
import type { Counter, Gauge } from "prom-client";
import type { Metrics } from "../../platform/metrics.ts";

/** Why a client's request was refused, or the client disconnected. The label of `weir_broker_refused_total`. */
export type Refusal =
  | "accept-failed"
  | "authentication-method"
  | "bad-client-id"
  | "bad-credentials"
  | "bad-length"
  | "bad-topic"
  | "bad-will"
  | "client-id-taken"
  | "connect-timeout"
  | "drain-timeout"
  | "gate-closed"
  | "gate-full"
  | "keepalive"
  | "login-throttled"
  | "mqtt-version"
  | "no-credentials"
  | "packet-id-zero"
  | "packet-too-large"
  | "password-queue-full"
  | "protocol-error"
  | "publish-denied"
  | "queue-full"
  | "retained-full"
  | "session-dropped"
  | "session-lost"
  | "silent-connection"
  | "slow-subscriber"
  | "stopping"
  | "subscribe-denied"
  | "system-topic"
  | "taken-over"
  | "too-many-clients"
  | "too-many-subscriptions"
  | "user-changed"
  | "web-origin";

const WARN_EVERY_MS = 10_000;

/** Logs and counts broker events in one place. */
export class BrokerEvents {
  readonly #logger: Logger;
  readonly #warn: LimitedWarn;
  readonly #clients: Gauge;
  readonly #edges: Gauge;
  readonly #messages: Counter;
  readonly #acknowledged: Counter;
  readonly #refused: Counter<"reason">;
  readonly #inflight: Gauge;
  readonly #paused: Gauge;
  readonly #slowed: Counter<"limit">;

  constructor({ logger, metrics, nowMs }: BrokerEventsOptions) {
    this.#logger = logger.child({ service: "broker" });
    this.#warn = createLimitedWarn(this.#logger, nowMs);
    this.#clients = metrics.gauge("weir_broker_clients", "Connected MQTT clients.");
    this.#edges = metrics.gauge(
      "weir_broker_edges",
      "Edges that are alive and form one broker, as this one sees them.",
    );
    this.#edges.set(1);
    this.#messages = metrics.counter("weir_broker_messages_total", "Messages received from MQTT clients.");
    this.#acknowledged = metrics.counter(
      "weir_broker_acknowledged_total",
      "Messages that the gate has finished; those with QoS 1 and 2 were then acknowledged.",
    );
    this.#refused = metrics.counter("weir_broker_refused_total", "Requests of clients that were refused.", ["reason"]);
    this.#inflight = metrics.gauge("weir_broker_inflight", "Messages between arrival and acknowledgement.");
    this.#paused = metrics.gauge(
      "weir_broker_paused_clients",
      "Clients that the broker has stopped reading from because too much is in flight.",
    );
    this.#slowed = metrics.counter(
      "weir_broker_slowed_total",
      "Times that the broker stopped reading from a client that published more messages or bytes a second than it may.",
      ["limit"],
    );
  }

  /** The client publishes faster than it may: the broker reads it more slowly. */
  clientSlowed(limit: "messages" | "bytes", clientId: string): void {
    this.#slowed.inc({ limit });
    this.#warn("slowed", { clientId }, `a client publishes more ${limit} a second than it may; it is read more slowly`);
  }

  started(addresses: readonly string[]): void {
    this.#logger.info({ addresses }, "MQTT broker started");
  }

  /** `others`: how many edges take its clients. */
  draining(others: number): void {
    this.#logger.info({ otherEdges: others }, "no new connections; clients are handed over");
  }

  stopped(): void {
    this.#logger.info("MQTT broker stopped");
  }

  stopTimedOut(left: number): void {
    this.#logger.warn({ inflight: left }, "stopped with messages still unacknowledged");
  }

  /** `edges`: how many are alive, with this one. */
  edgeChanged(edge: string, state: "joined" | "lost", edges: number): void {
    this.#edges.set(edges);
    const message = state === "joined" ? "another edge has joined" : "another edge is gone: its sessions are left";
    this.#logger.info({ edge, edges }, message);
  }

  clientConnected(clientId: string, count: number): void {
    this.#clients.set(count);
    this.#logger.debug({ clientId }, "client connected");
  }

  clientDisconnected(clientId: string, count: number): void {
    this.#clients.set(count);
    this.#logger.debug({ clientId }, "client disconnected");
  }

  /** Once per flush, not per message. */
  messagesMoved(taken: number, finished: number, nowInflight: number): void {
    if (taken > 0) this.#messages.inc(taken);
    if (finished > 0) this.#acknowledged.inc(finished);
    this.#inflight.set(nowInflight);
  }

  clientsPaused(count: number): void {
    this.#paused.set(count);
  }

  connectionRefused(reason: Refusal, clientId: string, detail?: string): void {
    this.#refuse(reason, { clientId, detail }, "connection refused");
  }

  versionRefused(level: number, clientId: string, address: string): void {
    const message =
      `connection refused: the client speaks MQTT of protocol level ${level}; ` +
      "set it to MQTT 3.1.1 (level 4) or MQTT 5 (level 5)";
    this.#refuse("mqtt-version", { clientId, address }, message);
  }

  acceptFailed(error: Error): void {
    const message = "connection not accepted; if the error is EMFILE, raise the limit of open files";
    this.#refuse("accept-failed", { err: error }, message);
  }

  connectionDropped(reason: Refusal, clientId: string, detail?: string): void {
    this.#refuse(reason, { clientId, detail }, "connection dropped");
  }

  /** The connection ends where the protocol has no way to refuse. */
  publishRefused(reason: Refusal, clientId: string, topic: string, connection: "ends" | "stays"): void {
    const message = connection === "ends" ? "publish refused, connection dropped" : "publish refused";
    this.#refuse(reason, { clientId, topic }, message);
  }

  willDropped(reason: Refusal, clientId: string, topic: string): void {
    this.#refuse(reason, { clientId, topic }, "will dropped");
  }

  subscribeRefused(reason: Refusal, clientId: string, filter: string): void {
    this.#refuse(reason, { clientId, filter }, "subscription refused");
  }

  deliveryDropped(clientId: string): void {
    this.#refuse("slow-subscriber", { clientId }, "message to a slow subscriber dropped");
  }

  queuedMessagesDropped(clientId: string, count: number): void {
    this.#refused.inc({ reason: "queue-full" }, count - 1);
    this.#refuse("queue-full", { clientId }, "messages for a client dropped: its queue is full");
  }

  /** A message that one subscriber can never get. */
  undeliverable(reason: Refusal, clientId: string, topic: string): void {
    this.#refuse(reason, { clientId, topic }, "message not delivered to this client");
  }

  retainedNotKept(topic: string): void {
    this.#refuse("retained-full", { topic }, "message not retained: no room");
  }

  sessionDropped(clientId: string, detail: string): void {
    this.#refuse("session-dropped", { clientId, detail }, "persistent session deleted");
  }

  usersLoaded(file: string, users: number): void {
    this.#logger.info({ file, users }, "users loaded");
  }

  usersNotLoaded(file: string, faults: readonly string[]): void {
    this.#logger.error({ file, faults }, "the users file is invalid; the previous users stay in effect");
  }

  certificateLoaded(file: string): void {
    this.#logger.info({ file }, "certificate loaded");
  }

  certificateNotLoaded(file: string, error: unknown): void {
    this.#logger.error({ file, err: error }, "the certificate is invalid; the previous one stays in use");
  }

  /** It is tried again, or is lost alone. */
  storeFailed(what: string, error: unknown): void {
    this.#logger.error({ what, err: error }, "the store of sessions and retained messages failed");
  }

  brokerFailed(error: unknown): void {
    this.#logger.error({ err: error }, "broker reported an error");
  }

  #refuse(reason: Refusal, detail: Detail, message: string): void {
    this.#refused.inc({ reason });
    this.#warn(reason, detail, message);
  }
}

export interface BrokerEventsOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
}

type Detail = Readonly<Record<string, unknown>>;
type LimitedWarn = (kind: Refusal | "slowed", detail: Detail, message: string) => void;

/** Logs the first of each kind at once, then at most one every ten seconds, with the number omitted. */
function createLimitedWarn(logger: Logger, nowMs: () => number): LimitedWarn {
  const kinds = new Map<string, { lastMs: number; leftOut: number }>();
  return (kind, detail, message) => {
    const state = kinds.get(kind) ?? { lastMs: Number.NEGATIVE_INFINITY, leftOut: 0 };
    kinds.set(kind, state);
    if (nowMs() - state.lastMs < WARN_EVERY_MS) {
      state.leftOut++;
      return;
    }
    const more = state.leftOut > 0 ? { likeThisSinceLast: state.leftOut } : {};
    logger.warn({ reason: kind, ...detail, ...more }, message);
    state.lastMs = nowMs();
    state.leftOut = 0;
  };
}
