/**
 * What outlives a connection: persistent sessions with their subscriptions, their queues, unfinished QoS 2 messages,
 * and retained messages. Adapters: memory (`memory.ts`) and JetStream (`jetstream-store.ts`); both pass
 * `testing/store-contract.ts`. Sessions that end with their connection never come here; their queue and packet ids
 * are a `TransientSession` (`transient-session.ts`) behind the same interfaces.
 *
 * Ordinals count the messages of a session's queue without gaps, in the order of delivery, across restarts: the
 * packet id of a delivery follows from its ordinal. A message that is dropped or expires keeps its ordinal.
 */
export interface SessionStore {
  /**
   * Reads everything that is stored, then follows the changes of other edges. Call before anything else. Sessions that
   * had a client at this edge when it ended are left behind (`leftBehind`).
   */
  start(events: StoreEvents): Promise<void>;
  /** Saves the progress of all queues, and stops. What still waits for the log rejects with `StoreClosedError`. */
  stop(): Promise<void>;
  /** All persistent sessions, of all edges. */
  sessions(): Iterable<SessionRecord>;
  session(clientId: string): SessionRecord | undefined;
  /**
   * This edge owns the session from now on, by compare-and-set: its earlier owner, here or at another edge, gets
   * `onTaken`, and its `SessionQueue` and `IncomingIds` save nothing any more. Creates the session if there is none.
   * A `cleanStart` deletes the old one first, with its queue. Rejects with `TakenOverError` when a newer claim came
   * before this one was through; `onTaken` is not called for it then.
   */
  claim(clientId: string, wish: SessionWish): Promise<ClaimedSession>;
  /**
   * Stores a record with changes; resolves once it is safe. Calls for one session are stored in their order. Rejects
   * with `TakenOverError` if the session is no longer ours, or gone. With `over`, also if the session has changed since
   * `session` gave that very record: of several edges that do the same, one succeeds.
   */
  save(record: SessionRecord, over?: SessionRecord): Promise<void>;
  /** Deletes the session, its queue and its progress. Rejects with `TakenOverError` if its epoch is another one. */
  remove(clientId: string, epoch: number): Promise<void>;
  /**
   * Puts copies into the queues of persistent sessions, connected or not, here or at other edges. Resolves once all
   * are safe: after that, no crash loses one. Copies of one session keep the order of the calls. Copies for a session
   * that does not exist are ignored: it was deleted while the message was on its way. Rejects with `TooLargeError`
   * (of the log) when the message does not fit a message of the log.
   */
  enqueue(message: Message, copies: readonly Copy[]): Promise<void>;
  /**
   * Retains a message, which replaces the earlier one of its topic; null deletes it. Resolves once it is safe. Beyond
   * a bound the message is not retained, and `onRetainedDropped` says so.
   */
  retain(topic: string, message: Message | null): Promise<void>;
  retained(): RetainedMessages;
  /**
   * Deletes the sessions that their clients left too long ago (`awayAtUs` and `expirySeconds`), each with
   * `onSessionDropped`, and the retained messages that have expired. Call it now and then. Skips records that have a
   * will: publish what is due first, and save the record without it, so that a crash in between loses no will.
   */
  expire(nowUs: number): Promise<void>;
}

/** Each is called after the fact is stored. None may throw. */
export interface StoreEvents {
  /** A newer claim owns the session: end the connection of the earlier one, which is `epoch`, with reason 0x8E. */
  onTaken(clientId: string, epoch: number): void;
  /**
   * A session is new, has changed (here or at another edge) or is gone (undefined): the place to keep routes up to
   * date. Not called for what `start` reads: `sessions()` has it when `start` resolves.
   */
  onSession(clientId: string, record: SessionRecord | undefined): void;
  /** A bound was reached: the oldest messages of a queue were dropped. */
  onQueuedDropped(clientId: string, count: number): void;
  onRetainedDropped(topic: string): void;
  /** Deleted by a bound or by `expire`. An evicted one may have a will, which is due then. */
  onSessionDropped(record: SessionRecord, reason: SessionDrop): void;
}

export type SessionDrop = "expired" | "too-many-sessions";

export interface StoreLimits {
  /** Beyond it, a new session replaces the one that its client left the longest ago. */
  readonly sessionsMax: number;
  /** Of one session. Beyond it, the oldest that were not read yet are dropped. */
  readonly queuedPerSessionMax: number;
  /** Of all sessions together. Beyond it, the longest queue drops its oldest. */
  readonly queuedBytesMax: number;
  readonly retainedMax: number;
  readonly retainedBytesMax: number;
}

export type Qos = 0 | 1 | 2;

/** As published; what a subscriber gets is derived from it. */
export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties?: MessageProperties;
  /** Client id, for No Local. */
  readonly publisher: string;
  readonly receivedAtUs: number;
  /** Message expiry, as an instant. */
  readonly expiresAtUs?: number;
  /**
   * QoS 2 only: unique for a client, packet id and first receive time. A queue keeps only the first message of an
   * origin, so a message that the publisher repeats after a crash is delivered once. Each queue remembers the newest
   * `ORIGINS_MAX` origins after their messages are finished.
   */
  readonly origin?: string;
}

/** A repeat comes when its publisher is back, so at most the QoS 2 messages of a short absence must be remembered. */
export const ORIGINS_MAX = 512;

/** Properties that a publisher gives and its subscribers get, in MQTT 5. */
export interface MessageProperties {
  /** True: the payload is UTF-8. */
  readonly payloadFormatIndicator?: boolean;
  readonly contentType?: string;
  readonly responseTopic?: string;
  readonly correlationData?: Uint8Array;
  /** In their order; a name may occur several times. */
  readonly userProperties?: readonly (readonly [name: string, value: string])[];
}

export interface Subscription {
  /** May be `$share/group/filter`. */
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  /** Subscription Identifier. */
  readonly identifier?: number;
}

export interface SessionRecord {
  readonly clientId: string;
  readonly user: string;
  /** After the connection ends. 0: it ends with it, 0xFFFFFFFF: never. */
  readonly expirySeconds: number;
  readonly subscriptions: readonly Subscription[];
  /** Each claim counts it up. */
  readonly epoch: number;
  /** The edge where its client is connected. */
  readonly edge?: string;
  /** When the client left; undefined while it is connected. */
  readonly awayAtUs?: number;
  readonly will?: StoredWill;
}

/**
 * Client ids that begin so are the broker's own, such as the inbox of an edge: no MQTT text has U+0000. Only the bound
 * of all queues counts for theirs.
 */
export const OWN_PREFIX = "\u0000";

/** Client ids that begin so are the queues of shared subscriptions. */
export const SHARE_PREFIX = "$share/";

export const NEVER_EXPIRES = 0xffff_ffff;

export interface StoredWill {
  readonly message: Message;
  /** Will Delay Interval. */
  readonly delaySeconds: number;
  /** The edge that publishes it now. */
  readonly sender?: string;
}

export interface SessionWish {
  readonly user: string;
  readonly cleanStart: boolean;
  readonly expirySeconds: number;
  readonly will?: StoredWill;
}

export interface ClaimedSession {
  /** With this edge, and without `awayAtUs`. */
  readonly record: SessionRecord;
  /** The session existed before: CONNACK's session present. */
  readonly present: boolean;
  readonly queue: SessionQueue;
  readonly incoming: IncomingIds;
}

/** A message for one session. */
export interface Copy {
  readonly clientId: string;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  /** Subscription Identifiers of all its matching subscriptions. */
  readonly identifiers: readonly number[];
}

/** What waits for one session. For its connection alone: a later claim makes another. */
export interface SessionQueue {
  /** Messages that wait or are unfinished. */
  readonly length: number;
  /**
   * The next ones after the last read, oldest first; those that were read before but not finished come again after a
   * claim. May be fewer than `max` though more wait (large messages); none when none waits.
   */
  read(max: number): Promise<readonly QueuedMessage[]>;
  /** `act` is called when messages wait after a `read` that got none. Replaces the earlier `act`. */
  onMore(act: () => void): void;
  /**
   * The delivery is complete (PUBACK, PUBCOMP), or was given up (expired, larger than the client accepts, refused by
   * a reason code). Saved soon, not at once: after a crash, a message may come again with DUP.
   */
  finish(ordinal: number): void;
  /** QoS 2: PUBREC came. Resolves once that is safe: only then PUBREL goes out. The message is not read again. */
  received(ordinal: number): Promise<void>;
  /**
   * Who gets these messages, by ordinal: for the queue of a shared subscription. Resolves once that is safe, with what
   * was finished before. After a crash, `takerOf` knows it until the message is finished.
   */
  assign(takers: ReadonlyMap<number, string>): Promise<void>;
  /** The client id that an unfinished message was assigned to. */
  takerOf(ordinal: number): string | undefined;
  /** Received and unfinished from earlier connections, oldest first: PUBREL must be sent again. */
  readonly unreleased: readonly number[];
  /** Highest ordinal that an earlier connection may have sent: up to it, deliveries have DUP. -1: none. */
  readonly sentUpTo: number;
  /** Saves the progress. Idempotent. */
  close(): Promise<void>;
}

export interface QueuedMessage {
  readonly ordinal: number;
  readonly message: Message;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  readonly identifiers: readonly number[];
}

/** QoS 2 messages that came and are not released yet, by their packet ids. */
export interface IncomingIds {
  /**
   * Before the message goes to the gate: records that this packet id came at that time. Resolves once it is safe. A
   * repeat gets the first receive time, so that the same reading is stored once.
   */
  begin(packetId: number, receivedAtUs: number): Promise<Incoming>;
  /** The message is safe: a repeat only gets its PUBREC again. Saved soon, not at once. */
  stored(packetId: number): void;
  has(packetId: number): boolean;
  /**
   * PUBREL came. Resolves once that is safe, and only then PUBCOMP goes out: the client may use the id for another
   * message after it, which must not be mistaken for a repeat, not even after a crash.
   */
  release(packetId: number): Promise<void>;
  readonly size: number;
}

export interface Incoming {
  readonly receivedAtUs: number;
  /** It came before and was not released. */
  readonly repeat: boolean;
  readonly stored: boolean;
}

/** In memory, bounded. */
export interface RetainedMessages {
  readonly size: number;
  get(topic: string): Message | undefined;
  /** Each once, in no certain order. The caller leaves out what has expired. */
  matching(filters: readonly string[]): Iterable<Message>;
}

/** Another connection, here or at another edge, owns the session now. Retrying does not help. */
export class TakenOverError extends Error {
  override readonly name = "TakenOverError";
}

/** The store is stopped. */
export class StoreClosedError extends Error {
  override readonly name = "StoreClosedError";
}
