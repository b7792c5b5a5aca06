import { createHash } from "node:crypto";
import { z } from "zod";
import { report } from "../../contracts/question.ts";
import type { Bus } from "../../platform/log/port.ts";
import { decodeMessage, encodeMessage } from "../store/codec/message-codec.ts";
import {
  type Copy,
  type Message,
  NEVER_EXPIRES,
  OWN_PREFIX,
  type SessionQueue,
  type SessionRecord,
  type SessionStore,
  TakenOverError,
} from "../store/port.ts";
import { subjectTokenOf } from "../store/tokens.ts";
import { Heartbeats } from "./heartbeats.ts";
import { Interest, type KnownVersion } from "./interest.ts";
import type { Cluster, ClusterEvents } from "./port.ts";

const INBOX = `${OWN_PREFIX}inbox/`;
const HEARTBEAT_MS = 1_000;
const MISSED_MAX = 15;
/** How long a SUBACK waits for the other edges. */
const KNOWN_MS_MAX = 1_000;
/** What a dead edge has left is removed after this: its clients have noticed long before. */
const FORGET_MS = 600_000;
const INBOX_READ = 256;
const LIVE = "mqtt.live";

const CONNECTED = report("mqtt.connected", z.object({ edge: z.string(), clientId: z.string() }));
const KNOWN = report("mqtt.known", z.object({ edge: z.string(), clientId: z.string(), version: z.number() }));

export interface StoreClusterOptions {
  readonly store: SessionStore;
  readonly bus: Bus;
  /** The same as the store's. */
  readonly edge: string;
  readonly nowUs: () => number;
  readonly heartbeatMs?: number;
  readonly forgetMs?: number;
}

interface Waiting {
  readonly version: number;
  readonly left: Set<string>;
  readonly done: () => void;
}

/**
 * A cluster over a store and a bus. The filters of an edge and its inbox are sessions of its own in the store: an edge
 * that was cut off reads what it has missed. Heartbeats, new clients and messages with QoS 0 go over the bus.
 */
export class StoreCluster implements Cluster {
  readonly edge: string;
  readonly #options: StoreClusterOptions;
  readonly #interest: Interest;
  readonly #heartbeats: Heartbeats;
  readonly #waiting = new Map<string, Set<Waiting>>();
  /** By record, the newest version that each edge knows. */
  readonly #acknowledged = new Map<string, Map<string, number>>();
  readonly #forgetting = new Map<string, NodeJS.Timeout>();
  #events: ClusterEvents | undefined;
  #inbox: SessionQueue | undefined;
  #stops: (() => void)[] = [];

  constructor(options: StoreClusterOptions) {
    const { store, bus, edge, heartbeatMs = HEARTBEAT_MS } = options;
    this.#options = options;
    this.edge = edge;
    this.#interest = new Interest({
      ...{ store, edge },
      onKnown: (known) => bus.publish(KNOWN, { edge, ...known }),
      onFailed: (what, error) => this.#events?.onFailed(what, error),
    });
    this.#heartbeats = new Heartbeats({
      ...{ bus, edge, everyMs: heartbeatMs, missedMax: MISSED_MAX },
      onEdge: (other, state) => this.#edgeChanged(other, state),
    });
  }

  async start(events: ClusterEvents): Promise<void> {
    this.#events = events;
    const { store, bus } = this.#options;
    for (const record of [...store.sessions()]) this.sessionChanged(record.clientId, record);
    await this.#interest.start();
    await this.#openInbox();
    this.#stops = [
      bus.subscribe(CONNECTED, ({ edge, clientId }) => {
        if (edge !== this.edge) events.onTaken(clientId);
      }),
      bus.subscribe(KNOWN, ({ edge, clientId, version }) => this.#known(edge, { clientId, version })),
      bus.subscribeBytes(`${LIVE}.${subjectTokenOf(this.edge)}`, (bytes) => this.#received(bytes)),
    ];
    await this.#heartbeats.start();
  }

  async stop(): Promise<void> {
    if (this.#events === undefined) return;
    this.#heartbeats.stop();
    this.#events = undefined;
    for (const stop of this.#stops.splice(0)) stop();
    for (const timer of this.#forgetting.values()) clearTimeout(timer);
    await this.#interest.stop();
    const record = this.#options.store.session(INBOX + this.edge);
    await this.#inbox?.close();
    if (record?.edge === this.edge) await this.#remove(record);
  }

  edges(): readonly string[] {
    return [this.edge, ...this.#heartbeats.others()].sort();
  }

  isChosenFor(key: string): boolean {
    // Rendezvous hashing: when an edge goes, only what it was chosen for moves.
    let best = "";
    let bestRank = "";
    for (const edge of this.edges()) {
      const rank = createHash("sha256").update(`${edge}\u0000${key}`).digest("hex");
      if (rank <= bestRank) continue;
      bestRank = rank;
      best = edge;
    }
    return best === this.edge;
  }

  clientConnected(clientId: string): void {
    this.#options.bus.publish(CONNECTED, { edge: this.edge, clientId });
  }

  async subscribe(filter: string): Promise<void> {
    const { clientId, version } = await this.#interest.add(filter);
    const left = new Set(this.#heartbeats.others());
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
      const timer = setTimeout(waiting.done, KNOWN_MS_MAX);
      all.add(waiting);
      // Acknowledgements may have come before the record was known here.
      for (const [edge, known] of this.#acknowledged.get(clientId) ?? []) if (known >= version) left.delete(edge);
      if (left.size === 0) waiting.done();
    });
  }

  unsubscribe(filter: string): void {
    this.#interest.remove(filter);
  }

  matchesAny(topic: string): boolean {
    return this.#interest.matchesAny(topic);
  }

  inboxes({ topic, qos }: Message): readonly Copy[] {
    if (qos === 0) return [];
    return Array.from(this.#interest.edgesFor(topic), (edge) => {
      return { clientId: INBOX + edge, qos, retain: false, identifiers: [] };
    });
  }

  publish(message: Message): void {
    const edges = this.#interest.edgesFor(message.topic);
    if (edges.size === 0) return;
    const bytes = encodeMessage(message);
    for (const edge of edges) this.#options.bus.publishBytes(`${LIVE}.${subjectTokenOf(edge)}`, bytes);
  }

  sessionChanged(clientId: string, record: SessionRecord | undefined): boolean {
    if (this.#interest.changed(clientId, record)) return true;
    if (clientId === INBOX + this.edge && record === undefined && this.#inbox !== undefined) {
      // Removed while this edge was cut off for long.
      this.#inbox = undefined;
      this.#openInbox().catch((error: unknown) => this.#events?.onFailed("opening the inbox of this edge", error));
    }
    return clientId.startsWith(OWN_PREFIX);
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

  /** What is in it from an earlier run is for connections that are gone. */
  async #openInbox(): Promise<void> {
    const wish = { user: "", cleanStart: true, expirySeconds: NEVER_EXPIRES };
    const { queue } = await this.#options.store.claim(INBOX + this.edge, wish);
    this.#inbox = queue;
    let isReading = false;
    let hasMore = false;
    const read = async () => {
      hasMore = true;
      if (isReading) return;
      isReading = true;
      try {
        while (hasMore) {
          hasMore = false;
          await this.#readInbox(queue);
        }
      } catch (error) {
        this.#events?.onFailed("reading the inbox of this edge", error);
      } finally {
        isReading = false;
      }
    };
    queue.onMore(() => void read());
    void read();
  }

  async #readInbox(queue: SessionQueue): Promise<void> {
    for (;;) {
      const messages = await queue.read(INBOX_READ);
      if (messages.length === 0) return;
      for (const { ordinal, message } of messages) {
        await this.#events?.onMessage(message);
        queue.finish(ordinal);
      }
    }
  }

  #edgeChanged(edge: string, state: "joined" | "lost"): void {
    clearTimeout(this.#forgetting.get(edge));
    this.#forgetting.delete(edge);
    for (const all of this.#waiting.values()) {
      for (const waiting of [...all]) if (waiting.left.delete(edge) && waiting.left.size === 0) waiting.done();
    }
    const leaving = state === "lost" ? this.#lost(edge) : Promise.resolve();
    leaving
      .then(() => this.#events?.onEdge(edge, state))
      .catch((error: unknown) => this.#events?.onFailed(`leaving the sessions of edge ${edge}`, error));
  }

  /** The clients of a dead edge have left its sessions. If it only was cut off, it says so itself. */
  async #lost(edge: string): Promise<void> {
    const { store, nowUs, forgetMs = FORGET_MS } = this.#options;
    const timer = setTimeout(() => {
      this.#forget(edge).catch((error: unknown) => this.#events?.onFailed(`forgetting edge ${edge}`, error));
    }, forgetMs);
    timer.unref();
    this.#forgetting.set(edge, timer);
    const left = [...store.sessions()].filter((record) => {
      const { clientId, awayAtUs } = record;
      return record.edge === edge && awayAtUs === undefined && !clientId.startsWith(OWN_PREFIX);
    });
    const chosen = left.filter(({ clientId }) => this.isChosenFor(clientId));
    await Promise.all(
      chosen.map(async (record) => {
        try {
          await store.save({ ...record, awayAtUs: nowUs() });
        } catch (error) {
          // Its client came back elsewhere.
          if (!(error instanceof TakenOverError)) throw error;
        }
      }),
    );
  }

  async #forget(edge: string): Promise<void> {
    this.#forgetting.delete(edge);
    if (!this.isChosenFor(edge)) return;
    await this.#interest.forget(edge);
    const inbox = this.#options.store.session(INBOX + edge);
    if (inbox !== undefined) await this.#remove(inbox);
  }

  async #remove({ clientId, epoch }: SessionRecord): Promise<void> {
    try {
      await this.#options.store.remove(clientId, epoch);
    } catch (error) {
      if (!(error instanceof TakenOverError)) throw error;
    }
  }
}
