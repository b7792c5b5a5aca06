import type { Logger } from "pino";
import type { Metrics } from "../../platform/metrics.ts";

/** Why a client's request was refused, or its connection dropped. The label of `weir_broker_refused_total`. */
export type Refusal =
  | "accept-failed"
  | "bad-client-id"
  | "bad-credentials"
  | "bad-length"
  | "bad-topic"
  | "bad-will"
  | "client-id-taken"
  | "drain-timeout"
  | "gate-closed"
  | "gate-full"
  | "keepalive"
  | "login-throttled"
  | "no-credentials"
  | "packet-id-zero"
  | "packet-too-large"
  | "password-queue-full"
  | "protocol-error"
  | "publish-denied"
  | "queue-full"
  | "retained-full"
  | "session-dropped"
  | "shared-subscription"
  | "slow-subscriber"
  | "stopping"
  | "subscribe-denied"
  | "system-topic"
  | "too-many-clients"
  | "too-many-subscriptions"
  | "user-changed"
  | "web-origin";

const WARN_EVERY_MS = 10_000;

/** What happens in the broker, logged and counted in one place. */
export type BrokerEvents = ReturnType<typeof createBrokerEvents>;

export function createBrokerEvents(options: {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly nowMs: () => number;
}) {
  const { metrics, nowMs } = options;
  const logger = options.logger.child({ service: "broker" });
  const clients = metrics.gauge("weir_broker_clients", "Connected MQTT clients.");
  const messages = metrics.counter("weir_broker_messages_total", "Messages received from MQTT clients.");
  const acknowledged = metrics.counter(
    "weir_broker_acknowledged_total",
    "Messages that the gate has finished; those with QoS 1 and 2 were then acknowledged.",
  );
  const refused = metrics.counter("weir_broker_refused_total", "Requests of clients that were refused.", ["reason"]);
  const inflight = metrics.gauge("weir_broker_inflight", "Messages between arrival and acknowledgement.");
  const paused = metrics.gauge("weir_broker_paused_clients", "Clients not read from because too much is in flight.");
  const warn = createLimitedWarn(logger, nowMs);

  function refuse(reason: Refusal, detail: Readonly<Record<string, unknown>>, message: string): void {
    refused.inc({ reason });
    warn(reason, detail, message);
  }

  return {
    started: (addresses: readonly string[]) => logger.info({ addresses }, "MQTT broker started"),
    stopped: () => logger.info("MQTT broker stopped"),
    stopTimedOut: (left: number) => logger.warn({ inflight: left }, "stopped with messages still unacknowledged"),
    clientConnected: (clientId: string, count: number) => {
      clients.set(count);
      logger.debug({ clientId }, "client connected");
    },
    clientDisconnected: (clientId: string, count: number) => {
      clients.set(count);
      logger.debug({ clientId }, "client disconnected");
    },
    /** Once per flush, not per message. */
    messagesMoved: (taken: number, finished: number, nowInflight: number) => {
      if (taken > 0) messages.inc(taken);
      if (finished > 0) acknowledged.inc(finished);
      inflight.set(nowInflight);
    },
    clientsPaused: (count: number) => paused.set(count),
    connectionRefused: (reason: Refusal, clientId: string, detail?: string) =>
      refuse(reason, { clientId, detail }, "connection refused"),
    acceptFailed: (error: Error) =>
      refuse(
        "accept-failed",
        { err: error },
        "connection not accepted; if the error is EMFILE, raise the limit of open files",
      ),
    connectionDropped: (reason: Refusal, clientId: string, detail?: string) =>
      refuse(reason, { clientId, detail }, "connection dropped"),
    publishRefused: (reason: Refusal, clientId: string, topic: string) =>
      refuse(reason, { clientId, topic }, "publish refused, connection dropped"),
    willDropped: (reason: Refusal, clientId: string, topic: string) =>
      refuse(reason, { clientId, topic }, "will dropped"),
    subscribeRefused: (reason: Refusal, clientId: string, filter: string) =>
      refuse(reason, { clientId, filter }, "subscription refused"),
    deliveryDropped: (clientId: string) =>
      refuse("slow-subscriber", { clientId }, "message to a slow subscriber dropped"),
    queuedMessageDropped: (clientId: string) =>
      refuse("queue-full", { clientId }, "message for an offline client dropped: its queue is full"),
    retainedNotKept: (topic: string) => refuse("retained-full", { topic }, "message not retained: no room"),
    sessionDropped: (clientId: string, detail: string) =>
      refuse("session-dropped", { clientId, detail }, "persistent session deleted"),
    usersLoaded: (file: string, users: number) => logger.info({ file, users }, "users loaded"),
    usersNotLoaded: (file: string, faults: readonly string[]) =>
      logger.error({ file, faults }, "the users file is invalid; the previous users stay in effect"),
    certificateLoaded: (file: string) => logger.info({ file }, "certificate loaded"),
    certificateNotLoaded: (file: string, error: unknown) =>
      logger.error({ file, err: error }, "the certificate is invalid; the previous one stays in use"),
    brokerFailed: (error: unknown) => logger.error({ err: error }, "broker reported an error"),
  };
}

/** Logs the first of each kind at once, then one every ten seconds at most, with the number left out. */
function createLimitedWarn(logger: Logger, nowMs: () => number) {
  const kinds = new Map<string, { lastMs: number; leftOut: number }>();
  return (kind: Refusal, detail: Readonly<Record<string, unknown>>, message: string): void => {
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
