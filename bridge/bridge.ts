import { Backoff, type BackoffLimits } from "../domain/backoff.ts";
import { reasonOf } from "../domain/reason.ts";
import { bridgeSubject } from "../domain/subjects.ts";
import { sleep } from "../platform/async/sleep.ts";
import type { Clock } from "../platform/clock.ts";
import type { Environment } from "../platform/files/secret-values.ts";
import type { Log } from "../platform/log/port.ts";
import type { InboundMessage } from "../platform/publish-gate.ts";
import { type BridgeConfig, echoOf, type IncomingConfig, type OutgoingConfig } from "./common/config.ts";
import type { BridgeEvents } from "./common/events.ts";
import type { Failure } from "./common/reasons.ts";
import { connectSettings, passwordOf, readTls } from "./connect-settings.ts";
import { type BrokerFacts, Connection } from "./connection/connection.ts";
import { Incoming, type RemoteMessage } from "./connection/incoming.ts";
import type { TlsSecrets } from "./connection/open-stream.ts";
import { Place } from "./outbox/place.ts";
import { Sender } from "./outbox/sender.ts";
import { type Refused, Subscriptions } from "./subscriptions.ts";
import { TopicMap } from "./topics/topic-map.ts";

export interface BridgeDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly events: BridgeEvents;
  /** Where messages that come in go. */
  readonly accept: (message: InboundMessage, to: IncomingConfig["to"], done: (error?: Error) => void) => void;
  /** Names this gateway; the same after a restart. */
  readonly member: string;
  /** Names this start of it. */
  readonly id: string;
  /** Where to look up secrets; by default the environment of the process. */
  readonly environment?: Environment;
}

type State =
  | { readonly kind: "starting" }
  | { readonly kind: "standby"; readonly member: string }
  | { readonly kind: "connected"; readonly version: 4 | 5; readonly refused: readonly Refused[] }
  | { readonly kind: "failed"; readonly failure: Failure };

interface Current {
  readonly connection: Connection;
  readonly incoming: Incoming;
  sender: Sender | undefined;
}

const RECONNECT: BackoffLimits = { firstMs: 1_000, maxMs: 15_000 };
const STOP_MS_MAX = 5_000;
const LOOK_MS = 5_000;

/** One bridge: its connection, both directions, and its place. A lost connection is retried forever. */
export class Bridge {
  readonly config: BridgeConfig;
  readonly outgoing: TopicMap<OutgoingConfig>;
  readonly #incoming: TopicMap<IncomingConfig>;
  readonly #deps: BridgeDeps;
  readonly #password: string | undefined;
  readonly #subscriptions: Subscriptions;
  readonly #stopping = new AbortController();
  /** With random pauses: when a broker restarts, its gateways must not all connect at once. */
  readonly #backoff = new Backoff(RECONNECT, Math.random);
  #state: State = { kind: "starting" };
  #current: Current | undefined;
  #running: Promise<void> | undefined;

  /** @throws SecretError without the password */
  constructor(config: BridgeConfig, deps: BridgeDeps) {
    this.config = config;
    this.#deps = deps;
    this.#password = passwordOf(config, deps.environment ?? process.env);
    this.#incoming = new TopicMap(config.in.map((extra) => ({ from: extra.remote, to: extra.local, extra })));
    this.outgoing = new TopicMap(config.out.map((extra) => ({ from: extra.local, to: extra.remote, extra })));
    this.#subscriptions = new Subscriptions(config, this.#incoming.filters(), deps.events);
  }

  start(): void {
    this.#deps.events.started(this.config.name);
    this.#running = this.#run();
  }

  /** What a person should know; undefined if it works. */
  problem(): string | undefined {
    const { name, url } = this.config;
    switch (this.#state.kind) {
      case "starting":
        return `bridge ${name}: connecting to ${url}`;
      case "standby":
        return undefined;
      case "connected": {
        const refused = this.#state.refused.map(({ filter, why }) => `${filter}: ${why}`);
        return refused.length === 0 ? undefined : `bridge ${name}: ${url} refuses subscriptions: ${refused.join("; ")}`;
      }
      case "failed":
        return `bridge ${name}: not connected to ${url}: ${this.#state.failure.text}`;
    }
  }

  /**
   * Acknowledges the messages that are in the log by then; the broker resends the others at the next start.
   * Idempotent.
   */
  async stop(): Promise<void> {
    if (!this.#stopping.signal.aborted) {
      this.#stopping.abort();
      const current = this.#current;
      if (current !== undefined) {
        await Promise.all([current.incoming.settle(STOP_MS_MAX), current.sender?.settle(STOP_MS_MAX)]);
        await current.connection.disconnect(STOP_MS_MAX);
      }
    }
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const { log, member, id, events } = this.#deps;
      const { name } = this.config;
      const place = new Place({ records: log.records, bridge: name, member, id });
      try {
        await place.take(signal, (holder) => this.#standBy(holder));
        if (signal.aborted) break;
        this.#state = { kind: "starting" };
        await this.#runConnections(place);
        if (!signal.aborted) events.tookOver(name);
      } catch (error) {
        events.failed(name, error);
        this.#state = { kind: "failed", failure: { kind: "gateway", text: reasonOf(error) } };
        await sleep(this.#backoff.nextMs(), { signal });
      } finally {
        await place.release();
      }
    }
  }

  #standBy(member: string): void {
    if (this.#state.kind === "standby" && this.#state.member === member) return;
    this.#state = { kind: "standby", member };
    this.#deps.events.standsBy(this.config.name, member);
  }

  async #runConnections(place: Place): Promise<void> {
    const { events } = this.#deps;
    const { name, url } = this.config;
    const signal = AbortSignal.any([this.#stopping.signal, place.lost]);
    const stopWatching = this.#watchOutbox(place);
    // Another edge runs it now: one client id can have one connection only.
    place.lost.addEventListener("abort", () => this.#current?.connection.drop({ kind: "gateway", text: "taken over" }));
    try {
      while (!signal.aborted) {
        const failure = await this.#connect(place);
        if (signal.aborted) return;
        this.#state = { kind: "failed", failure };
        events.disconnected(name, url, failure);
        await sleep(this.#backoff.nextMs(), { signal });
      }
    } finally {
      stopWatching();
    }
  }

  /** Resolves when the connection has failed or ended. */
  async #connect(place: Place): Promise<Failure> {
    const { name, version } = this.config;
    let tls: TlsSecrets;
    try {
      tls = await readTls(this.config);
    } catch (error) {
      return { kind: "configuration", text: reasonOf(error) };
    }
    if (version !== "3.1.1") {
      const failure = await this.#connectWith(5, tls, place);
      if (version === "5" || failure.otherVersion === undefined || this.#stopping.signal.aborted) return failure;
      this.#deps.events.olderVersion(name, failure.text);
    }
    const failure = await this.#connectWith(4, tls, place);
    const echo = echoOf(this.config);
    return failure.otherVersion && echo !== undefined ? { kind: "configuration", text: echo } : failure;
  }

  async #connectWith(version: 4 | 5, tls: TlsSecrets, place: Place): Promise<Failure> {
    const connection: Connection = new Connection(
      connectSettings(this.config, { version, tls, password: this.#password }),
      {
        onConnected: (facts) => {
          this.#onConnected({ current, version, facts, place }).catch((error: unknown) => {
            connection.drop({ kind: "gateway", text: reasonOf(error) });
          });
        },
        onIncoming: (packet) => current.incoming.onPacket(packet),
        onPuback: (packet) => current.sender?.onPuback(packet),
      },
    );
    const incoming = new Incoming(connection, (message, done) => this.#accept(message, done));
    const current: Current = { connection, incoming, sender: undefined };
    this.#current = current;
    connection.start();
    const failure = await connection.ended;
    incoming.ended();
    current.sender?.ended();
    return failure;
  }

  async #onConnected(opened: {
    readonly current: Current;
    readonly version: 4 | 5;
    readonly facts: BrokerFacts;
    readonly place: Place;
  }): Promise<void> {
    const { current, version, facts, place } = opened;
    const { events, log } = this.#deps;
    const { name, url } = this.config;
    const refused = await this.#subscriptions.subscribe(current.connection, facts, place);
    if (refused === undefined || !current.connection.writable) return;
    this.#backoff.reset();
    this.#state = { kind: "connected", version, refused };
    events.connected(name, url, version === 5 ? "5" : "3.1.1");
    if (this.config.out.length === 0) return;
    current.sender = new Sender({
      log,
      bridge: name,
      connection: current.connection,
      version,
      facts,
      onProgress: (cursor) => place.update({ cursor }),
      onSent: () => events.sent(name),
      onDropped: (reason, topic, why) => events.dropped(name, reason, { topic, why }),
    });
    await current.sender.run(place.cursor);
  }

  #accept(message: RemoteMessage, done: (error?: Error) => void): void {
    const { clock, events, accept } = this.#deps;
    const { name } = this.config;
    // Of a subscription that the configuration no longer has: it becomes a dead letter, if no source takes it.
    const mapped = this.#incoming.apply(message.topic);
    const inbound: InboundMessage = {
      ...message,
      topic: mapped?.topic ?? message.topic,
      clientId: `bridge:${name}`,
      sender: `bridge:${name}`,
      receivedAtUs: clock.nowUs(),
      bridge: name,
    };
    accept(inbound, mapped?.extra.to ?? "readings", (error) => {
      if (error === undefined) events.received(name);
      done(error);
    });
  }

  /** Counts what waits, and notices when it was deleted before it could go out. */
  #watchOutbox(place: Place): () => void {
    const { log, events } = this.#deps;
    const { name, out } = this.config;
    if (out.length === 0) return () => {};
    async function look(): Promise<void> {
      const [{ firstSequence }, last] = await Promise.all([
        log.bounds("BRIDGES"),
        log.lastFor("BRIDGES", bridgeSubject(name)),
      ]);
      const { sequence } = place.cursor;
      const newest = Math.max(place.newest, last?.sequence ?? 0);
      const kept = Math.min(firstSequence, newest + 1);
      if (kept > sequence) {
        events.expired(name, kept - sequence);
        place.update({ cursor: { sequence: kept, index: 0 } });
      }
      place.update({ newest });
      events.waiting(name, Math.max(newest - place.cursor.sequence + 1, 0));
    }
    // While the log is away, the next look follows.
    const timer = setInterval(() => look().catch(() => {}), LOOK_MS);
    timer.unref();
    return () => clearInterval(timer);
  }
}
