import { US_PER_MS } from "../domain/time.ts";
import { UserError } from "../domain/user-error.ts";
import type { Log } from "../platform/log/port.ts";
import type { InboundMessage, PublishGate } from "../platform/publish-gate.ts";
import type { Deps, Health, Service } from "../platform/service.ts";
import { PasswordChecks } from "./auth/password-checks.ts";
import { followUsers } from "./auth/users.ts";
import { type BrokerConfig, isLoopback } from "./common/config.ts";
import { BrokerEvents } from "./common/events.ts";
import { MqttEdge } from "./connection/mqtt-edge.ts";
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
}

export type BrokerDeps = Omit<Deps, "log"> & {
  /** Stores the readings of messages. */
  readonly gate: PublishGate;
  /** Where sessions and retained messages are kept, and the id of this edge there. Default: in memory. */
  readonly kept?: { readonly log: Log; readonly edge: string };
};

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
  edge = new MqttEdge({ config, anonymous, users, checks, events, gate, store, newcomers, nowMs, nowUs });
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

  async function stop(): Promise<void> {
    listeners.close();
    const left = await edge?.drain(DRAIN_MS_MAX);
    if (left !== undefined && left > 0) events.stopTimedOut(left);
    closeAll();
    await edge?.close();
    events.stopped();
  }

  let stopped: Promise<void> | undefined;
  return {
    name: "broker",
    address: { mqttPort, wsPort, tlsPort },
    publish: (message) => edge.publish(message),
    health: () => healthOf(stopped !== undefined, links.size),
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

function healthOf(stopping: boolean, connections: number): Health {
  return stopping ? { ready: false, detail: "stopping" } : { ready: true, detail: `${connections} connections` };
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
  return new JetStreamStore({ ...kept, limits, nowUs, onFailed: (what, error) => events.storeFailed(what, error) });
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
