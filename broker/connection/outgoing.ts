import { covers } from "../auth/topic-permission.ts";
import type { BrokerEvents } from "../common/events.ts";
import type { DeliverOptions, Session } from "../sessions/session.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { Message, QueuedMessage } from "../store/port.ts";
import type { Link } from "../wire/link.ts";
import { encodeAck } from "../wire/packets/encode.ts";
import { encodePublish } from "../wire/packets/encode-publish.ts";
import type { AckPacket } from "../wire/packets/packets.ts";
import { REASON } from "../wire/packets/reason-codes.ts";

export interface OutgoingLimits {
  readonly subscriber_backlog_size_max: number;
  readonly subscriber_backlog_size_close: number;
}

export interface OutgoingOptions {
  readonly link: Link;
  readonly limits: OutgoingLimits;
  readonly events: BrokerEvents;
  readonly nowUs: () => number;
  /** Of the client, from its CONNECT. */
  readonly receiveMax: number;
  readonly topicAliasMax: number;
  /** Too many bytes wait for it. */
  readonly onSlow: (waitingBytes: number) => void;
}

/** A delivery with QoS 1 or 2 that the client has not finished. */
interface Unfinished {
  readonly ordinal: number;
  readonly message: Message;
  readonly qos: 1 | 2;
  readonly bytes: number;
  isReceived: boolean;
}

const PACKET_IDS = 65_535;
const READ_MAX = 64;
/** A large backlog is written as fast as the client reads it. */
const PACE_BYTES = 256 * 1024;
/** Topics that get an alias, if the client accepts them: the first ones. */
const ALIASES_MAX = 64;
const US_PER_S = 1_000_000;

/**
 * Deliveries to one client. QoS 0 messages are written at once. Others come from the session's queue, in its order, as
 * the client's window and socket have room; their packet ids follow from their ordinals, so a delivery keeps its id over
 * any number of connections. A client that reads too slowly loses QoS 0 messages until it catches up, and is
 * disconnected when too many bytes of QoS 1 or 2 wait for it. It never delays a publisher.
 */
export class Outgoing {
  readonly #options: OutgoingOptions;
  readonly #link: Link;
  readonly #byId = new Map<number, Unfinished>();
  readonly #aliases = new Map<string, number>();
  #session: Session | undefined;
  #sessions: Sessions | undefined;
  #unfinishedBytes = 0;
  /** Of messages that arrived for the queue while the client was connected, and are not written. */
  #waitingBytes = 0;
  #isPumping = false;
  #isPumpDue = false;
  #waitsForDrain = false;
  #lastOrdinal = -1;
  readonly #onIdle: (() => void)[] = [];
  /** Nothing more is sent from the queue. Called when the client has finished what it has. */
  #onFinished: (() => void) | undefined;
  /** The user has lost rights since messages were queued. */
  mustRecheck = false;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    this.#link = options.link;
  }

  /** CONNACK was sent: delivers what waits. */
  start(session: Session, sessions: Sessions): void {
    this.#session = session;
    this.#sessions = sessions;
    for (const ordinal of session.queue.unreleased) {
      const message: Message = { topic: "", payload: NOTHING, qos: 2, retain: false, publisher: "", receivedAtUs: 0 };
      const packetId = packetIdOf(ordinal);
      this.#byId.set(packetId, { ordinal, message, qos: 2, bytes: 0, isReceived: true });
      this.#link.write(encodeAck("pubrel", packetId, this.#link.dialect));
    }
    session.queue.onMore(() => this.#pump());
    this.#pump();
    sessions.progress.hasRoom(session);
  }

  /** How many more messages the client's window takes. */
  get room(): number {
    if (this.#onFinished !== undefined) return 0;
    if (this.#link.closed || this.#link.conn.writableLength > this.#options.limits.subscriber_backlog_size_max)
      return 0;
    return Math.max(0, this.#options.receiveMax - this.#byId.size);
  }

  /** Bytes in the socket's buffer and, since the client connected, in the queue. */
  get backlogBytes(): number {
    return this.#link.conn.writableLength + this.#waitingBytes;
  }

  /** Resolves once little waits for the client. */
  async whenIdle(): Promise<void> {
    if (this.#isIdle) return;
    await new Promise<void>((resolve) => {
      this.#onIdle.push(resolve);
      if (this.#link.conn.writableNeedDrain) this.#pumpOnDrain();
    });
  }

  /** Sends nothing more from the queue. Resolves once the client has finished what it has, or its connection ends. */
  async finish(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onFinished = resolve;
      if (this.#byId.size === 0 || this.#link.closed) resolve();
    });
  }

  /** The connection has ended. */
  closed(): void {
    this.#onFinished?.();
    for (const act of this.#onIdle.splice(0)) act();
  }

  get #isIdle(): boolean {
    const { conn, closed } = this.#link;
    return closed || (conn.writableLength < PACE_BYTES && (this.#session?.queue.length ?? 0) < READ_MAX);
  }

  announced(bytes: number): void {
    this.#waitingBytes += bytes;
    const waiting = this.backlogBytes;
    if (waiting > this.#options.limits.subscriber_backlog_size_close) this.#options.onSlow(waiting);
  }

  deliver(message: Message, { retain, identifiers }: DeliverOptions): void {
    const link = this.#link;
    if (link.closed) return;
    const waiting = link.conn.writableLength;
    if (waiting === 0) link.behind = false;
    if (waiting > this.#options.limits.subscriber_backlog_size_max) link.behind = true;
    if (link.behind) this.#options.events.deliveryDropped(link.clientId);
    else this.#write(message, { qos: 0, retain, identifiers, dup: false, packetId: 0 });
  }

  acknowledged({ type, packetId, reasonCode }: AckPacket): void {
    const unfinished = this.#byId.get(packetId);
    if (type === "pubrec") {
      this.#received(packetId, unfinished, reasonCode);
    } else if (unfinished !== undefined && (type === "puback" ? unfinished.qos === 1 : unfinished.isReceived)) {
      this.#finish(packetId, unfinished);
    }
  }

  #received(packetId: number, unfinished: Unfinished | undefined, reasonCode: number): void {
    const { dialect } = this.#link;
    if (unfinished === undefined || unfinished.qos !== 2) {
      this.#link.write(encodeAck("pubrel", packetId, dialect, REASON.packetIdNotFound));
      return;
    }
    if (reasonCode >= REASON.unspecified) {
      this.#finish(packetId, unfinished);
      return;
    }
    const session = this.#session;
    if (session === undefined) return;
    unfinished.isReceived = true;
    this.#sessions?.progress.received(session, unfinished.message);
    session.queue.received(unfinished.ordinal).then(
      () => this.#link.write(encodeAck("pubrel", packetId, dialect)),
      // Another connection has the session: this one is about to end.
      () => {},
    );
  }

  #finish(packetId: number, { ordinal, message, bytes }: Unfinished): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#byId.delete(packetId);
    this.#unfinishedBytes -= bytes;
    session.queue.finish(ordinal);
    this.#sessions?.progress.finished(session, message);
    this.#sessions?.progress.hasRoom(session);
    if (this.#byId.size === 0) this.#onFinished?.();
    this.#pump();
  }

  #pump(): void {
    this.#isPumpDue = true;
    if (this.#isPumping) return;
    this.#isPumping = true;
    const paused = (error?: unknown) => {
      this.#isPumping = false;
      if (error !== undefined && !this.#link.closed) this.#options.events.brokerFailed(error);
      // Asked for since the last look.
      else if (this.#isPumpDue && !this.#link.closed) this.#pump();
      else if (this.#isIdle) for (const act of this.#onIdle.splice(0)) act();
    };
    this.#pumpAll().then(() => paused(), paused);
  }

  async #pumpAll(): Promise<void> {
    const session = this.#session;
    while (this.#isPumpDue && session !== undefined && !this.#link.closed) {
      this.#isPumpDue = false;
      const window = this.#window(session);
      if (window <= 0) return;
      const messages = await session.queue.read(Math.min(window, READ_MAX));
      // `onMore` calls again.
      if (messages.length === 0) continue;
      this.#isPumpDue = true;
      for (const queued of messages) this.#send(session, queued);
    }
  }

  /** How many messages may be sent now. */
  #window(session: Session): number {
    if (this.#onFinished !== undefined) return 0;
    const { writableLength } = this.#link.conn;
    if (writableLength > PACE_BYTES) {
      this.#pumpOnDrain();
      return 0;
    }
    const { subscriber_backlog_size_close } = this.#options.limits;
    // Of a session that ends with its connection, memory has the messages until they are acknowledged.
    if (session.transient !== undefined && this.#unfinishedBytes > subscriber_backlog_size_close) return 0;
    // Packet ids repeat.
    const [oldest] = this.#byId.values();
    if (oldest !== undefined && this.#lastOrdinal - oldest.ordinal >= PACKET_IDS - READ_MAX) return 0;
    return this.#options.receiveMax - this.#byId.size;
  }

  #pumpOnDrain(): void {
    if (this.#waitsForDrain) return;
    this.#waitsForDrain = true;
    this.#link.conn.once("drain", () => {
      this.#waitsForDrain = false;
      this.#pump();
      const session = this.#session;
      if (session !== undefined) this.#sessions?.progress.hasRoom(session);
    });
  }

  #send(session: Session, queued: QueuedMessage): void {
    const { ordinal, message, qos, retain, identifiers } = queued;
    const bytes = message.payload.length;
    this.#waitingBytes = Math.max(0, this.#waitingBytes - bytes);
    const packetId = packetIdOf(ordinal);
    this.#lastOrdinal = ordinal;
    const isGone = message.expiresAtUs !== undefined && message.expiresAtUs <= this.#options.nowUs();
    const isForbidden = this.mustRecheck && !isCovered(message.topic, session.subscriptions.keys());
    this.#byId.set(packetId, { ordinal, message, qos, bytes, isReceived: false });
    this.#unfinishedBytes += bytes;
    this.#sessions?.progress.sent(session, message, ordinal);
    const dup = ordinal <= session.queue.sentUpTo;
    if (isGone || isForbidden || !this.#write(message, { qos, retain, identifiers, dup, packetId })) {
      this.#finish(packetId, { ordinal, message, qos, bytes, isReceived: false });
    }
  }

  /** Returns false if the client takes no packet so large. */
  #write(
    message: Message,
    options: DeliverOptions & { readonly qos: 0 | 1 | 2; readonly dup: boolean; readonly packetId: number },
  ): boolean {
    const { dialect, clientId } = this.#link;
    const { payload, properties, expiresAtUs } = message;
    const leftUs = expiresAtUs === undefined ? undefined : expiresAtUs - this.#options.nowUs();
    if (leftUs !== undefined && leftUs <= 0) return false;
    const expirySeconds = leftUs === undefined ? undefined : Math.ceil(leftUs / US_PER_S);
    // Not with QoS 2: mqtt.js, which keeps such a packet until its PUBREL, then no longer knows what the alias stands for.
    const alias = options.qos === 2 ? { topic: message.topic } : this.#aliasFor(message.topic);
    const packet = { ...options, ...alias, payload, properties, expirySeconds };
    const bytes = encodePublish(packet, dialect.version);
    if (bytes.length > dialect.packetBytesMax) {
      // The client has not heard of the alias.
      if ("topicAlias" in alias && alias.topic !== "") this.#aliases.delete(alias.topic);
      this.#options.events.undeliverable("packet-too-large", clientId, message.topic);
      return false;
    }
    this.#link.write(bytes);
    return true;
  }

  #aliasFor(topic: string): { readonly topic: string; readonly topicAlias?: number } {
    const max = Math.min(this.#options.topicAliasMax, ALIASES_MAX);
    if (max === 0) return { topic };
    const known = this.#aliases.get(topic);
    if (known !== undefined) return { topic: "", topicAlias: known };
    if (this.#aliases.size >= max) return { topic };
    const topicAlias = this.#aliases.size + 1;
    this.#aliases.set(topic, topicAlias);
    return { topic, topicAlias };
  }
}

const NOTHING = new Uint8Array(0);

function packetIdOf(ordinal: number): number {
  return (ordinal % PACKET_IDS) + 1;
}

function isCovered(topic: string, filters: Iterable<string>): boolean {
  const levels = topic.split("/");
  for (const filter of filters) {
    const parts = filter.split("/");
    if (covers(filter.startsWith("$share/") ? parts.slice(2) : parts, levels)) return true;
  }
  return false;
}
