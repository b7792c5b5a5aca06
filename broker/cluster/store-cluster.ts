import { createHash } from "node:crypto";
import { z } from "zod";
import { report } from "../../contracts/question.ts";
import type { Bus } from "../../platform/log/port.ts";
import { atMost } from "../common/at-most.ts";
import { decodeMessage, encodeMessage } from "../store/codec/message-codec.ts";
import { type Copy, type Message, OWN_PREFIX, type SessionRecord, type SessionStore } from "../store/port.ts";
import { subjectTokenOf } from "../store/tokens.ts";
import { Departed } from "./departed.ts";
import { Heartbeats } from "./heartbeats.ts";
import { edgeOfInbox, Inbox, inboxOf } from "./inbox.ts";
import { Interest, type KnownVersion } from "./interest.ts";
import type { Cluster, ClusterEvents, ConnectedClient } from "./port.ts";
import { decodeShared, encodeShared, type SharedMessage } from "./shared-message.ts";

const HEARTBEAT_MS = 1_000;
const MISSED_MAX = 15;
/** How long a SUBACK waits for the other edges. */
const KNOWN_MS_MAX = 1_000;
/** How long an edge that starts waits until it knows what clients of the others want. */
const WELCOME_MS_MAX = 5_000;
/** The same for one of which nothing is heard. */
const SILENT_MS_MAX = 1_000;
const LIVE = "mqtt.live";
const SHARED = "mqtt.shared";

const CONNECTED = report(
  "mqtt.connected",
  z.object({ edge: z.string(), clientId: z.string(), user: z.string(), atUs: z.number() }),
);
const KNOWN = report("mqtt.known", z.object({ edge: z.string(), clientId: z.string(), version: z.number() }));
const WELCOME = report("mqtt.welcome", z.object({ edge: z.string(), to: z.string() }));

export interface StoreClusterOptions {
  readonly store: SessionStore;
  readonly bus: Bus;
  /** The same as the store's. */
  readonly edge: string;
  readonly nowUs: () => number;
  readonly nowMs: () => number;
  readonly heartbeatMs?: number | undefined;
  readonly forgetMs?: number | undefined;
  /** See `leftBehind`. */
  readonly graceSeconds?: number | undefined;
}

interface Waiting {
  readonly version: number;
  readonly left: Set<string>;
  readonly done: () => void;
}

/**
 * A cluster over a store and a bus. The filters of an edge and its inbox are sessions of its own in the store: an edge
 * that was cut off reads what it has missed. Heartbeats, new clients and messages with QoS 0 go over the bus. While an
 * edge is alone, it stores nothing but its empty inbox, by which the next one sees it.
 */
export class StoreCluster implements Cluster {
  readonly edge: string;
  readonly #options: StoreClusterOptions;
  readonly #interest: Interest;
  readonly #heartbeats: Heartbeats;
  readonly #departed: Departed;
  readonly #inbox: Inbox;
  /** Other edges that have an inbox in the store. */
  readonly #others = new Set<string>();
  readonly #waiting = new Map<string, Set<Waiting>>();
  /** By record, the newest version that each edge knows. */
  readonly #acknowledged = new Map<string, Map<string, number>>();
  readonly #welcomes = new Set<string>();
  #onWelcome: () => void = () => {};
  #events: ClusterEvents | undefined;
  #stops: (() => void)[] = [];

  constructor(options: StoreClusterOptions) {
    const { store, bus, edge, heartbeatMs = HEARTBEAT_MS } = options;
    this.#options = options;
    this.edge = edge;
    const onFailed = (what: string, error: unknown) => this.#events?.onFailed(what, error);
    this.#interest = new Interest({
      ...{ store, edge, onFailed },
      isShared: () => this.hasOthers(),
      onKnown: (known) => bus.publish(KNOWN, { edge, ...known }),
    });
    this.#heartbeats = new Heartbeats({
      ...{ bus, edge, everyMs: heartbeatMs, missedMax: MISSED_MAX },
      onEdge: (other, state) => this.#edgeChanged(other, state),
    });
    this.#departed = new Departed({
      ...options,
      edges: () => this.edges(),
      isChosenFor: (key) => this.isChosenFor(key),
      forgetInterest: (other) => this.#interest.forget(other),
    });
    this.#inbox = new Inbox({ store, edge, onFailed, onMessage: (message) => this.#events?.onMessage(message) });
  }

  async start(events: ClusterEvents): Promise<void> {
    this.#events = events;
    const { store, bus, heartbeatMs = HEARTBEAT_MS } = this.#options;
    for (const record of [...store.sessions()]) this.sessionChanged(record.clientId, record);
    await this.#interest.start();
    await this.#inbox.start();
    this.#stops = [
      bus.subscribe(CONNECTED, ({ edge, ...client }) => {
        if (edge !== this.edge) events.onConnected(client);
      }),
      bus.subscribe(KNOWN, ({ edge, clientId, version }) => this.#known(edge, { clientId, version })),
      bus.subscribe(WELCOME, ({ edge, to }) => {
        if (to === this.edge) this.#welcomes.add(edge);
        this.#onWelcome();
      }),
      bus.subscribeBytes(`${LIVE}.${subjectTokenOf(this.edge)}`, (bytes) => this.#received(bytes)),
      bus.subscribeBytes(`${SHARED}.${subjectTokenOf(this.edge)}`, (bytes) => this.#receivedShared(bytes)),
    ];
    await this.#heartbeats.start();
    await this.#welcomed();
    const sweeping = setInterval(() => this.#sweep(), heartbeatMs * MISSED_MAX).unref();
    this.#stops.push(() => clearInterval(sweeping));
  }

  async stop(): Promise<void> {
    if (this.#events === undefined) return;
    this.#events = undefined;
    for (const stop of this.#stops.splice(0)) stop();
    try {
      await this.#interest.stop();
      await this.#inbox.stop();
    } finally {
      // Last: what a dead edge has left, the others look after, and would change it while it is removed here.
      this.#heartbeats.stop();
    }
  }

  edges(): readonly string[] {
    return [this.edge, ...this.#heartbeats.others()].sort();
  }

  hasOthers(): boolean {
    return this.#others.size > 0 || this.#heartbeats.count > 0;
  }

  isChosenFor(key: string, among: readonly string[] = this.edges()): boolean {
    // Rendezvous hashing: when an edge goes, only what it was chosen for moves.
    let best = "";
    let bestRank = "";
    for (const edge of among) {
      const rank = createHash("sha256").update(`${edge}\u0000${key}`).digest("hex");
      if (rank <= bestRank) continue;
      bestRank = rank;
      best = edge;
    }
    return best === this.edge;
  }

  clientConnected(client: ConnectedClient): void {
    if (this.hasOthers()) this.#options.bus.publish(CONNECTED, { edge: this.edge, ...client });
  }

  async subscribe(filter: string): Promise<void> {
    await this.#shareInTime(this.#interest.add(filter));
  }

  unsubscribe(filter: string): void {
    this.#interest.remove(filter);
  }

  async known(): Promise<void> {
    if (this.hasOthers()) await this.#shareInTime(this.#interest.mark());
  }

  matchesAny(topic: string): boolean {
    return this.#interest.matchesAny(topic);
  }

  inboxes({ topic, qos }: Message, also?: ReadonlySet<string>): readonly Copy[] {
    if (qos === 0) return [];
    return Array.from(this.#edgesFor(topic, also), (edge) => {
      return { clientId: inboxOf(edge), qos, retain: false, identifiers: [] };
    });
  }

  publish(message: Message, also?: ReadonlySet<string>): void {
    const edges = this.#edgesFor(message.topic, also);
    if (edges.size === 0) return;
    const bytes = encodeMessage(message);
    for (const edge of edges) this.#options.bus.publishBytes(`${LIVE}.${subjectTokenOf(edge)}`, bytes);
  }

  share(edge: string, filter: string, message: Message): void {
    this.#options.bus.publishBytes(`${SHARED}.${subjectTokenOf(edge)}`, encodeShared({ filter, message }));
  }

  sessionChanged(clientId: string, record: SessionRecord | undefined): boolean {
    if (!clientId.startsWith(OWN_PREFIX)) return false;
    if (this.#interest.changed(clientId, record)) return true;
    const edge = edgeOfInbox(clientId);
    if (edge === this.edge) {
      if (record === undefined) this.#inbox.lost("removed");
    } else if (edge !== undefined) {
      const isFirst = record !== undefined && !this.hasOthers();
      if (record === undefined) this.#others.delete(edge);
      else this.#others.add(edge);
      if (isFirst) this.#events?.onOthers().catch((error: unknown) => this.#events?.onFailed("sharing", error));
    }
    return true;
  }

  sessionTaken(clientId: string): boolean {
    if (clientId === inboxOf(this.edge)) this.#inbox.lost("taken");
    return clientId.startsWith(OWN_PREFIX);
  }

  /** During a cut, clients here go on without the others. */
  async #shareInTime(storing: Promise<KnownVersion>): Promise<void> {
    const sharing = storing.then((known) => this.#untilKnown(known, KNOWN_MS_MAX));
    const safe = sharing.catch((error: unknown) => this.#events?.onFailed("storing subscriptions", error));
    await (this.hasOthers() ? atMost(KNOWN_MS_MAX, safe) : safe);
  }

  #edgesFor(topic: string, also: ReadonlySet<string> | undefined): ReadonlySet<string> {
    const edges = this.#interest.edgesFor(topic);
    return also === undefined ? edges : new Set([...edges, ...also]);
  }

  /** Resolves once the other live edges know a version, at the latest after `msMax`. */
  async #untilKnown(
    { clientId, version }: KnownVersion,
    msMax: number,
    edges: Iterable<string> = this.#heartbeats.others(),
  ): Promise<void> {
    const left = new Set(edges);
    if (left.size === 0) return;
    await new Promise<void>((resolve) => {
      const all = this.#waiting.get(clientId) ?? new Set();
      this.#waiting.set(clientId, all);
      const waiting: Waiting = {
        version,
        left,
        done: () => {
          clearTimeout(timer);
          all.delete(waiting);
          resolve();
        },
      };
      const timer = setTimeout(waiting.done, msMax);
      all.add(waiting);
      // Acknowledgements may have come before the record was known here.
      for (const [edge, known] of this.#acknowledged.get(clientId) ?? []) if (known >= version) left.delete(edge);
      if (left.size === 0) waiting.done();
    });
  }

  #known(edge: string, { clientId, version }: KnownVersion): void {
    if (!clientId.endsWith(`/${this.edge}`)) return;
    const versions = this.#acknowledged.get(clientId) ?? new Map<string, number>();
    this.#acknowledged.set(clientId, versions);
    versions.set(edge, version);
    for (const waiting of [...(this.#waiting.get(clientId) ?? [])]) {
      if (version < waiting.version) continue;
      waiting.left.delete(edge);
      if (waiting.left.size === 0) waiting.done();
    }
  }

  #received(bytes: Uint8Array): void {
    try {
      void this.#events?.onMessage(decodeMessage(bytes));
    } catch (error) {
      this.#events?.onFailed("reading a message of another edge", error);
    }
  }

  #receivedShared(bytes: Uint8Array): void {
    try {
      const { filter, message }: SharedMessage = decodeShared(bytes);
      this.#events?.onShared(filter, message);
    } catch (error) {
      this.#events?.onFailed("reading a shared message of another edge", error);
    }
  }

  #edgeChanged(edge: string, state: "joined" | "lost"): void {
    for (const all of this.#waiting.values()) {
      for (const waiting of [...all]) if (waiting.left.delete(edge) && waiting.left.size === 0) waiting.done();
    }
    this.#onWelcome();
    const acting = state === "lost" ? this.#departed.leaveSessions() : this.#welcome(edge);
    acting
      .catch((error: unknown) => this.#events?.onFailed(`after edge ${edge} ${state}`, error))
      .finally(() => this.#events?.onEdge(edge, state));
  }

  /** An edge that starts accepts no clients before it knows what clients here want. */
  async #welcome(edge: string): Promise<void> {
    await this.#events?.onOthers();
    const all = await this.#interest.share();
    const last = await this.#interest.mark();
    await Promise.all([...all, last].map((known) => this.#untilKnown(known, WELCOME_MS_MAX, [edge])));
    this.#options.bus.publish(WELCOME, { edge: this.edge, to: edge });
  }

  /** Edges that have an inbox may answer late. A dead one never does. */
  async #welcomed(): Promise<void> {
    const expected = new Set(this.#others);
    await new Promise<void>((resolve) => {
      const timers = [
        setTimeout(() => {
          expected.clear();
          this.#onWelcome();
        }, SILENT_MS_MAX),
        setTimeout(resolve, WELCOME_MS_MAX),
      ];
      this.#onWelcome = () => {
        if ([...expected, ...this.#heartbeats.others()].some((edge) => !this.#welcomes.has(edge))) return;
        for (const timer of timers) clearTimeout(timer);
        resolve();
      };
      this.#onWelcome();
    });
    this.#onWelcome = () => {};
  }

  #sweep(): void {
    const failed = (error: unknown) => this.#events?.onFailed("looking after dead edges", error);
    if (this.#heartbeats.isSettled) this.#departed.leaveSessions().catch(failed);
    this.#departed.forget().catch(failed);
  }
}
