import type { Copy, Message, SessionRecord } from "../store/port.ts";

/**
 * Several edges on one log. Stored sessions are the store's: any edge puts messages into their queues. This is about
 * the rest: which edges are alive, clients whose sessions end with their connections, and their subscriptions. One
 * adapter (`store-cluster.ts`) works over any store and bus; several of them in one process share both in tests. The
 * other (`alone.ts`) is for an edge that has no log.
 */
export interface Cluster {
  /** The id of this edge. */
  readonly edge: string;
  /** After the store has started. Resolves once the other edges have this one in mind, and it has what they want. */
  start(events: ClusterEvents): Promise<void>;
  /** Other edges see at once that this one is gone. */
  stop(): Promise<void>;
  /** The edges that are alive as far as this one sees, with this one; sorted. */
  edges(): readonly string[];
  /** Whether another edge is alive, or may come back from a cut. Without one, nothing is stored or sent for others. */
  hasOthers(): boolean;
  /**
   * Whether this edge is to do what one edge should do, such as sending the will of a session whose edge is dead. While
   * all see the same edges, it is one of them; what it does needs a compare-and-set of its own where twice is wrong.
   * `among`: the edges that can; default: all that are alive.
   */
  isChosenFor(key: string, among?: readonly string[]): boolean;
  /** A client has connected here: other edges end connections with the same client id. */
  clientConnected(client: ConnectedClient): void;
  /**
   * A client here, of a session that is not stored, subscribes. Resolves once the other live edges know the filter, at
   * the latest after a second: an edge that is cut off learns it when it is back. Calls for one filter count.
   */
  subscribe(filter: string): Promise<void>;
  unsubscribe(filter: string): void;
  /** Resolves once the other live edges know the stored sessions as they are now; at the latest after a second. */
  known(): Promise<void>;
  /** Whether a client at another edge that is alive or cut off wants the topic. */
  matchesAny(topic: string): boolean;
  /**
   * For QoS 1 and 2: copies for the inboxes of other edges whose clients want the message, and of the edges in `also`.
   * They go into the same `store.enqueue` as those of stored sessions, so that no cut and no death of this edge loses
   * one.
   */
  inboxes(message: Message, also?: ReadonlySet<string>): readonly Copy[];
  /** For QoS 0: sends it to the other edges whose clients want it, and those in `also`, at most once. */
  publish(message: Message, also?: ReadonlySet<string>): void;
  /** For QoS 0: gives it to one member, at that edge, of the shared subscription. */
  share(edge: string, filter: string, message: Message): void;
  /** Give it what the store reports of a session. True if the session is the cluster's own: then ignore it. */
  sessionChanged(clientId: string, record: SessionRecord | undefined): boolean;
  /** The same for a claim that took it. */
  sessionTaken(clientId: string): boolean;
}

/** A client with a connection. */
export interface ConnectedClient {
  readonly clientId: string;
  readonly user: string;
  readonly atUs: number;
}

export interface ClusterEvents {
  /** It has connected to another edge. */
  onConnected(client: ConnectedClient): void;
  /**
   * A message from another edge for clients here whose sessions are not stored, and for all clients here that get it
   * with QoS 0. Of one with QoS 1 or 2, the next comes when this resolves.
   */
  onMessage(message: Message): Promise<void> | void;
  /** With QoS 0, for one member here. */
  onShared(filter: string, message: Message): void;
  /** There are others from now on: stores for them what was only known here. */
  onOthers(): Promise<void>;
  /** `lost`: its stored sessions are left by now, with `onSession`, so that their wills and expiry take their course. */
  onEdge(edge: string, state: "joined" | "lost"): void;
  onFailed(what: string, error: unknown): void;
}
