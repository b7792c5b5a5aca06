import type { Copy, Message, SessionRecord } from "../store/port.ts";

/**
 * Several edges on one log. Stored sessions are the store's: any edge puts messages into their queues. This is about
 * the rest: which edges are alive, clients whose sessions end with their connections, and their subscriptions. One
 * adapter (`store-cluster.ts`) works over any store and bus; several of them in one process share both in tests.
 */
export interface Cluster {
  /** The id of this edge. */
  readonly edge: string;
  /** After the store has started. */
  start(events: ClusterEvents): Promise<void>;
  /** Other edges see at once that this one is gone. */
  stop(): Promise<void>;
  /** The edges that are alive as far as this one sees, with this one; sorted. */
  edges(): readonly string[];
  /**
   * Whether this edge is to do what one edge should do, such as sending the will of a session whose edge is dead. While
   * all see the same edges, it is one of them; what it does needs a compare-and-set of its own where twice is wrong.
   */
  isChosenFor(key: string): boolean;
  /** A client connects here whose session is not stored: any other edge ends its connection with the same client id. */
  clientConnected(clientId: string): void;
  /**
   * A client here, of a session that is not stored, subscribes. Resolves once the other live edges know the filter, at
   * the latest after a second: an edge that is cut off learns it when it is back. Calls for one filter count.
   */
  subscribe(filter: string): Promise<void>;
  unsubscribe(filter: string): void;
  /** Whether a client at another edge that is alive or cut off wants the topic. */
  matchesAny(topic: string): boolean;
  /**
   * For QoS 1 and 2: copies for the inboxes of other edges whose clients want the message. They go into the same
   * `store.enqueue` as those of stored sessions, so that no cut and no death of this edge loses one.
   */
  inboxes(message: Message): readonly Copy[];
  /** For QoS 0: sends it to the other edges whose clients want it, at most once. */
  publish(message: Message): void;
  /** Give it what the store reports of a session. True if the session is the cluster's own: then ignore it. */
  sessionChanged(clientId: string, record: SessionRecord | undefined): boolean;
}

export interface ClusterEvents {
  /** The client has connected to another edge: end its connection with reason 0x8E. */
  onTaken(clientId: string): void;
  /**
   * A message from another edge for clients here whose sessions are not stored, and with QoS 0 for all clients here. Of
   * one with QoS 1 or 2, the next comes when this resolves.
   */
  onMessage(message: Message): Promise<void> | void;
  /** `lost`: its stored sessions are left by now, with `onSession`, so that their wills and expiry take their course. */
  onEdge(edge: string, state: "joined" | "lost"): void;
  onFailed(what: string, error: unknown): void;
}
