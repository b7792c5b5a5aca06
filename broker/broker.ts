import { US_PER_MS } from "../domain/time.ts";
import { UserError } from "../domain/user-error.ts";
import { type Log, LogClosedError } from "../platform/log/port.ts";
import type { InboundMessage, PublishGate } from "../platform/publish-gate.ts";
import type { Deps, Health, Service } from "../platform/service.ts";
import { PasswordChecks } from "./auth/password-checks.ts";
import { followUsers } from "./auth/users.ts";
import { ALONE } from "./cluster/alone.ts";
import type { Cluster } from "./cluster/port.ts";
import { StoreCluster } from "./cluster/store-cluster.ts";
import { type BrokerConfig, isLoopback } from "./common/config.ts";
import { BrokerEvents } from "./common/events.ts";
import { type Drained, MqttEdge } from "./connection/mqtt-edge.ts";
import { JetStreamStore } from "./store/jetstream/jetstream-store.ts";
import { MemoryStore } from "./store/memory.ts";
import type { SessionStore, StoreLimits } from "./store/port.ts";
import { startKeepalive } from "./wire/keepalive.ts";
import { type Listeners, listen, type OnConnection } from "./wire/listeners.ts";
import { Newcomers } from "./wire/newcomers.ts";

export interface Broker extends Service {
  readonly address: {
    readonly mqttPort: number;
    readonly wsPort: number | undefined;
    readonly tlsPort: number | undefined;
  };
  /**
   * Gives a message to the clients that subscribe to its topic, as if another client had published it, and retains it
   * if it says so. Not to the gate. Resolves once the sessions that outlive their connection have it; to the reason if
   * its topic can have no subscribers.
   */
  publish(message: InboundMessage): Promise<"bad-topic" | "system-topic" | undefined>;
  /**
   * Takes no new connections, and hands its clients over: to the other edges, whose number is `others`. Resolves once
   * none is connected, after a few seconds at most. It goes on with what is not for its own clients until `stop`.
   */
  drain(): Promise<Drained & { readonly others: number }>;
}

export type BrokerDeps = Omit<Deps, "log"> & {
  /** Stores the readings of messages. */
  readonly gate: PublishGate;
  /** Where sessions and retained messages are kept, and the id of this edge there. Default: in memory. */
  readonly kept?: Kept;
};

interface Kept {
  readonly log: Log;
  readonly edge: string;
  /** Edges that are silent for 15 heartbeats are dead. Default: 1 s. */
  readonly heartbeatMs?: number;
  /** Clients of a dead edge have this long to come back before their wills are sent. Default: 60. */
  readonly graceSeconds?: number;
}

export class NoAuthenticationError extends UserError {
  override readonly name = "NoAuthenticationError";
}

const DRAIN_MS_MAX = 5_000;

/**
 * Starts the MQTT broker: users and their passwords (`auth/`), connections (`connection/mqtt-edge.ts`), listeners for
 * TCP, TLS and WebSocket (`wire/listeners.ts`), and keep-alive.
 * Invariant: every publish goes through the gate, and is acknowledged when the gate has finished with it. When the gate
 * is slow, the broker stops reading from clients; it drops no acknowledged message.
 * To follow a publish, start at `wire/link.ts` and `wire/inbound.ts`.
 * @throws NoAuthenticationError when other machines can reach the broker and no users are configured
 * @throws UsersFileError when the users file is invalid, with all its faults
 * @throws PortInUseError when a port is taken
 */
export async function startBroker(config: BrokerConfig, deps: BrokerDeps): Promise<Broker> {
  const { clock, gate, logger, metrics } = deps;
  const nowMs = () => performance.now();
  const anonymous = config.anonymous ?? (config.users_file === undefined && isLoopback(config.bind));
  if (!anonymous && config.users_file === undefined) throw noAuthentication(config.bind);
  const events = new BrokerEvents({ logger, metrics, nowMs });
  let edge: MqttEdge | undefined;
  const onChange = (names: ReadonlySet<string>) => edge?.dropUsers(names);
  const users = await followUsers({ file: config.users_file, events, onChange });
  const checks = new PasswordChecks(config.limits, nowMs);
  const newcomers = new Newcomers({
    max: config.limits.connecting_max,
    perAddressMax: config.limits.connecting_per_address_max,
    nowMs,
    onEvicted: (address) => events.connectionDropped("silent-connection", "", address),
  });
  const nowUs = () => clock.nowUs();
  const store = createStore(config, deps, events);
  const cluster = createCluster(store, deps, nowMs);
  edge = new MqttEdge({ config, anonymous, users, checks, events, gate, store, cluster, newcomers, nowMs, nowUs });
  const { links } = edge;
  const { connect_timeout, drain_timeout } = config.limits;
  const closers = [
    users.stop,
    () => newcomers.stop(),
    startKeepalive({
      links,
      events,
      nowMs,
      connectTimeoutMs: connect_timeout / US_PER_MS,
      drainTimeoutMs: drain_timeout / US_PER_MS,
    }),
  ];
  const closeAll = () => {
    for (const close of closers.splice(0)) close();
  };
  let listeners: Listeners;
  try {
    await edge.start();
    const onConnection: OnConnection = (conn, socket) => edge.connection(conn, socket);
    listeners = await listen({ config, events, newcomers, onConnection });
  } catch (error) {
    closeAll();
    await edge.close();
    throw error;
  }
  const { mqttPort, wsPort, tlsPort } = listeners;
  events.started(addresses(config.bind, { mqttPort, wsPort, tlsPort }));

  const end = createEnd({ edge, listeners, cluster, events, closeAll });
  return {
    name: "broker",
    address: { mqttPort, wsPort, tlsPort },
    publish: (message) => edge.publish(message),
    drain: () => end.drain(),
    health: () => end.health(),
    stop: () => end.stop(),
  };
}

interface EndParts {
  readonly edge: MqttEdge;
  readonly listeners: Listeners;
  readonly cluster: Cluster;
  readonly events: BrokerEvents;
  readonly closeAll: () => void;
}

/** Drains once, and stops once. */
function createEnd({ edge, listeners, cluster, events, closeAll }: EndParts) {
  let drained: ReturnType<Broker["drain"]> | undefined;
  let stopped: Promise<void> | undefined;
  async function startDrain() {
    listeners.close();
    const others = cluster.edges().length - 1;
    events.draining(others);
    const outcome = await edge.drain(DRAIN_MS_MAX);
    if (outcome.unfinished > 0) events.stopTimedOut(outcome.unfinished);
    return { ...outcome, others };
  }
  const drain = () => {
    drained ??= startDrain();
    return drained;
  };
  async function stop(): Promise<void> {
    await drain();
    closeAll();
    await edge.close();
    events.stopped();
  }
  return {
    drain,
    health: () => healthOf({ isStopping: stopped !== undefined, isDraining: drained !== undefined }, edge.links.size),
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

function healthOf(
  { isStopping, isDraining }: { readonly isStopping: boolean; readonly isDraining: boolean },
  connections: number,
): Health {
  if (isStopping) return { ready: false, detail: "stopping" };
  if (isDraining) return { ready: false, detail: `drained: ${connections} connections are left` };
  return { ready: true, detail: `${connections} connections` };
}

function noAuthentication(bind: string): NoAuthenticationError {
  return new NoAuthenticationError(
    `broker.bind is ${bind}, where other machines can reach it, and there is no broker.users_file: ` +
      "name a users file, bind to 127.0.0.1, or set broker.anonymous to true to accept everyone",
  );
}

function addresses(bind: string, ports: Readonly<Broker["address"]>): string[] {
  const host = bind.includes(":") ? `[${bind}]` : bind;
  const all = [`mqtt://${host}:${ports.mqttPort}`];
  if (ports.tlsPort !== undefined) all.push(`mqtts://${host}:${ports.tlsPort}`);
  if (ports.wsPort !== undefined) all.push(`ws://${host}:${ports.wsPort}/mqtt`);
  return all;
}

function createStore(config: BrokerConfig, { kept, clock }: BrokerDeps, events: BrokerEvents): SessionStore {
  const limits = storeLimits(config);
  const nowUs = () => clock.nowUs();
  if (kept === undefined) return new MemoryStore({ limits, edge: "memory", nowUs });
  const onFailed = (what: string, error: unknown) => {
    // It goes on after the next start.
    if (!(error instanceof LogClosedError)) events.storeFailed(what, error);
  };
  return new JetStreamStore({ ...kept, limits, nowUs, onFailed });
}

/** All edges on one log are one broker. */
function createCluster(store: SessionStore, { kept, clock }: BrokerDeps, nowMs: () => number): Cluster {
  if (kept === undefined) return ALONE;
  return new StoreCluster({ ...kept, store, bus: kept.log.bus, nowMs, nowUs: () => clock.nowUs() });
}

function storeLimits({ limits }: BrokerConfig): StoreLimits {
  return {
    sessionsMax: limits.sessions_max,
    queuedPerSessionMax: limits.queued_per_session_max,
    queuedBytesMax: limits.queued_size_max,
    retainedMax: limits.retained_max,
    retainedBytesMax: limits.retained_size_max,
  };
}
