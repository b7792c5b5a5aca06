import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Permission } from "../auth/topic-permission.ts";
import type { Refusal } from "../common/events.ts";
import { AckRhythm } from "./ack-rhythm.ts";
import { frameAt, PartialPacket, pingsIn, withoutPings } from "./frame.ts";
import type { IncomingQos2 } from "./incoming-qos2.ts";
import { PacketError, protocolError } from "./packets/bytes.ts";
import { decodePacket } from "./packets/decode.ts";
import type { Dialect } from "./packets/encode.ts";
import { type ClientPacket, type ConnectPacket, TYPE } from "./packets/packets.ts";
import type { ReasonCode } from "./packets/reason-codes.ts";
import type { PendingPublish } from "./pending-publish.ts";
import { PublishReader, type ReadPublish } from "./publish-reader.ts";
import { Rate, type RateLimits } from "./rate.ts";

/** Time to take one client's messages in one turn of the event loop. */
const SLICE_MS = 2;
/** How long a client may take to close its end after the broker has said why. */
const FAREWELL_MS_MAX = 1_000;

const NOTHING: Permission = { mayPublish: () => false, maySubscribe: () => false };

/** Decides how much a link may read, and takes its publishes. */
export interface ReadControl {
  /** How many PUBLISH packets the link may still read now. */
  publishesLeft(link: Link): number;
  /** Whether a SUBSCRIBE or UNSUBSCRIBE may be read in this turn of the event loop. */
  maySubscribe(): boolean;
  /** A SUBSCRIBE or UNSUBSCRIBE of this many bytes was read. */
  subscribed(bytes: number): void;
  /** The link stopped reading; call `link.resume` when there is room. */
  stalled(link: Link): void;
  /** A stalled link may perhaps go on. */
  wakeSoon(): void;
  accept(publish: ReadPublish, link: Link): void;
}

/** Takes the other packets. */
export interface PacketHandler {
  packet(packet: ClientPacket): void;
  /** The client broke the protocol. */
  failed(error: PacketError): void;
  /** The client sends nothing more, but may still read. */
  ended(): void;
  /** Nothing of the client is in flight any more, or nothing is `passing`. */
  emptied(): void;
  /** Ends the connection, in MQTT 5 with the reason code. */
  end(refusal: Refusal, reasonCode: ReasonCode, text?: string): void;
}

export interface LinkOptions {
  readonly conn: Duplex;
  readonly address: string;
  readonly control: ReadControl;
  readonly packetBytesMax: number;
  readonly topicLevelsMax: number;
  readonly topicAliasMax: number;
  readonly rateLimits: RateLimits;
  readonly nowMs: () => number;
}

/**
 * The socket of one connection: reads packets from it within bounds, and writes to it. Bytes that it does not read
 * remain in the socket, and TCP slows the sender down.
 */
export class Link {
  readonly conn: Duplex;
  readonly address: string;
  readonly #control: ReadControl;
  readonly #packetBytesMax: number;
  readonly #publishReader: PublishReader;
  handler: PacketHandler | undefined;
  #waiting = false;
  /** Reasons not to read on, besides the control's. */
  #holds = 0;
  /** After the CONNECT, nothing is read before CONNACK was sent. */
  #hasConnect = false;
  readonly #partial = new PartialPacket();
  /** In the bytes that are being taken; negative before the first publish. */
  #publishesLeft = -1;
  #sliceEndMs = 0;
  #isCorked = false;
  #isClosing = false;
  /** How many bytes of the stalled connection were already searched for pings. */
  #searchedBytes = 0;

  clientId = "";
  user = "";
  permission: Permission = NOTHING;
  dialect: Dialect = { version: 4, packetBytesMax: Number.POSITIVE_INFINITY, wantsReasons: false };
  /** The newest topic that the client was allowed to publish to. */
  allowedTopic: string | undefined;
  /** Whether CONNACK was sent. */
  connected = false;
  /** Why the broker closes it, once it does. */
  droppedFor: string | undefined;
  readonly sinceMs: number;
  /** 0: no limit on silence. */
  silenceMsMax = 0;
  heard = true;
  heardAtMs = 0;
  #fullSinceMs: number | undefined;
  /** It had its time in this turn of the event loop. */
  isSliceOver = false;
  /** Its last messages took all the time that one client gets in a turn. */
  isHeavy = false;
  /** Gets no QoS 0 messages until it has read its backlog. */
  behind = false;

  /** The oldest unacknowledged publish; `next` leads to the others, in order of arrival. */
  first: PendingPublish | undefined;
  #last: PendingPublish | undefined;
  /** The oldest publish that the gate has not finished with. */
  atGate: PendingPublish | undefined;
  inflight = 0;
  inflightBytes = 0;
  /** Of those with QoS 1 and 2. */
  readonly rhythm: AckRhythm;
  /** QoS 0 publishes that are on their way to subscribers. */
  passing = 0;
  readonly rate: Rate;
  /** Whether it is in the list of links that have something to acknowledge. */
  dirty = false;
  incoming: IncomingQos2 | undefined;
  /** The most QoS 1 and 2 publishes that an MQTT 5 client may have in flight. */
  receiveMax = Number.POSITIVE_INFINITY;

  constructor(options: LinkOptions) {
    this.conn = options.conn;
    this.address = options.address;
    this.#control = options.control;
    this.#packetBytesMax = options.packetBytesMax;
    this.#publishReader = new PublishReader(options);
    this.rate = new Rate(options.rateLimits);
    this.rhythm = new AckRhythm(options.nowMs);
    this.sinceMs = options.nowMs();
    this.heardAtMs = this.sinceMs;
  }

  /** Begins to read. */
  start(handler: PacketHandler): void {
    this.handler = handler;
    this.conn.on("readable", () => this.#readAll());
    this.conn.on("end", () => {
      // The end of a WebSocket ends both directions.
      if (this.#isClosing || !(this.conn instanceof Socket)) this.conn.destroy();
      else handler.ended();
    });
  }

  /** Who answers for its messages. */
  get sender(): string {
    return this.user === "" ? this.address : this.user;
  }

  get closed(): boolean {
    return this.#isClosing || this.conn.destroyed;
  }

  /** Reads on. */
  resume(): void {
    this.#waiting = false;
    this.#readAll();
  }

  /** Stops reading until as many calls of `release`. */
  hold(): void {
    this.#holds++;
  }

  release(): void {
    this.#holds--;
    this.#readSoon();
  }

  /** CONNACK was sent: reads what the client sent after its CONNECT. */
  opened(): void {
    this.connected = true;
    this.#readSoon();
  }

  /** Whether its CONNECT has arrived. */
  get hasConnect(): boolean {
    return this.#hasConnect;
  }

  get isHeld(): boolean {
    return this.#holds > 0 || (this.#hasConnect && !this.connected);
  }

  /** Whether subscribers have all that the client has published. */
  get isEmpty(): boolean {
    return this.inflight === 0 && this.passing === 0;
  }

  /** Whether bytes wait for `resume`: the client may be alive, but the broker does not read. */
  get stalled(): boolean {
    return this.#waiting;
  }

  /** Writes of one turn of the event loop go out together. */
  write(bytes: Uint8Array): void {
    if (this.closed) return;
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.conn.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.conn.uncork();
      });
    }
    this.conn.write(bytes);
  }

  /** For what is already together. */
  writeAtOnce(bytes: Uint8Array): void {
    if (!this.closed) this.conn.write(bytes);
  }

  /** How long the peer has left our output unread, counted from the first call that finds it unread. */
  fullForMs(nowMs: number): number {
    if (!this.conn.writableNeedDrain) return 0;
    if (this.#fullSinceMs === undefined) {
      this.#fullSinceMs = nowMs;
      this.conn.once("drain", () => {
        this.#fullSinceMs = undefined;
      });
    }
    return nowMs - this.#fullSinceMs;
  }

  push(publish: PendingPublish): void {
    if (this.#last === undefined) this.first = publish;
    else this.#last.next = publish;
    this.#last = publish;
    this.atGate ??= publish;
    this.inflight++;
    this.inflightBytes += publish.bytes;
    publish.isAwaited = publish.qos > 0 && this.rhythm.sent();
  }

  shift(): void {
    const { first } = this;
    if (first === undefined) return;
    this.inflightBytes -= first.bytes;
    this.first = first.next;
    if (this.first === undefined) this.#last = undefined;
    this.inflight--;
    if (first.qos > 0) this.rhythm.acknowledged();
  }

  /** Ends the connection at once. */
  drop(reason: string): void {
    this.droppedFor ??= reason;
    this.conn.destroy();
  }

  /** Ends the connection after a last packet, if there is one to say. What the client still sends is ignored. */
  close(reason: string | undefined, farewell?: Uint8Array): void {
    if (this.closed) return;
    this.droppedFor ??= reason;
    if (farewell !== undefined) this.write(farewell);
    this.#isClosing = true;
    this.conn.end();
    const timer = setTimeout(() => this.conn.destroy(), FAREWELL_MS_MAX);
    timer.unref();
    this.conn.once("close", () => clearTimeout(timer));
    // Unread bytes would make the kernel reset the connection, and the client might not read the last packet.
    if (this.conn.readableEnded) this.conn.once("finish", () => this.conn.destroy());
    else this.#readAll();
  }

  /** Answers and removes the pings behind a publish that must wait, so that its client stays connected. */
  answerPings(): void {
    if (!this.#waiting || !this.connected || this.conn.readableLength === this.#searchedBytes) return;
    const bytes = this.conn.read();
    if (!Buffer.isBuffer(bytes)) return;
    const pings = pingsIn(bytes, this.#packetBytesMax);
    if (pings.length > 0) this.write(Buffer.concat(pings.map(() => PINGRESP)));
    this.conn.unshift(withoutPings(bytes, pings));
    this.#searchedBytes = this.conn.readableLength;
  }

  #readSoon(): void {
    if (this.isHeld) return;
    if (this.#waiting) this.#control.wakeSoon();
    else setImmediate(() => this.#readAll());
  }

  #readAll(): void {
    if (this.#isClosing) {
      while (this.conn.read() !== null);
      return;
    }
    while (!this.#waiting && !this.closed) {
      // Without data it is not a stall: then `stalled` would hide that the client is silent.
      if (this.isHeld) {
        if (this.conn.readableLength > 0) this.#stall();
        return;
      }
      const chunk = this.conn.read();
      if (!Buffer.isBuffer(chunk)) return;
      this.heard = true;
      const bytes = this.#partial.join(chunk);
      if (bytes !== undefined) this.#takeSafely(bytes);
    }
  }

  #takeSafely(bytes: Buffer): void {
    try {
      this.#take(bytes);
    } catch (error) {
      if (!(error instanceof PacketError)) throw error;
      this.handler?.failed(error);
    }
  }

  /** Takes the packets in the bytes, which begin with one. What it may not take yet goes back into the stream. */
  #take(bytes: Buffer): void {
    this.isHeavy = false;
    this.#publishesLeft = -1;
    let at = 0;
    while (at < bytes.length && !this.closed) {
      const next = this.isHeld ? undefined : this.#takeAt(bytes, at);
      if (next === undefined) {
        this.conn.unshift(bytes.subarray(at));
        this.#stall();
        return;
      }
      at = next;
    }
  }

  /** Takes one packet. Returns where the next one begins; undefined if the packet must wait. */
  #takeAt(bytes: Buffer, at: number): number | undefined {
    const frame = frameAt(bytes, at, this.#packetBytesMax);
    const head = bytes[at] ?? 0;
    const isPublish = head >> 4 === TYPE.publish && this.connected;
    if (isPublish && !this.#mayTakePublish()) return undefined;
    if (frame === undefined || frame.end > bytes.length) {
      this.#partial.keep(bytes, at, frame?.end);
      return bytes.length;
    }
    const { bodyAt, end } = frame;
    if (!isPublish) return this.#takeOther(head, bytes, { at, bodyAt, end }) ? end : undefined;
    this.#control.accept(this.#publishReader.read(bytes, at, bodyAt, end), this);
    this.#publishesLeft--;
    if (performance.now() >= this.#sliceEndMs) {
      this.isSliceOver = true;
      this.isHeavy = true;
      this.#publishesLeft = 0;
    }
    return end;
  }

  #mayTakePublish(): boolean {
    if (this.#publishesLeft < 0) {
      this.#publishesLeft = this.#control.publishesLeft(this);
      this.#sliceEndMs = performance.now() + SLICE_MS;
    }
    return this.#publishesLeft > 0;
  }

  /** Returns false if the packet must wait. */
  #takeOther(head: number, bytes: Buffer, frame: { at: number; bodyAt: number; end: number }): boolean {
    const type = head >> 4;
    const isFirst = !this.#hasConnect;
    if (isFirst !== (type === TYPE.connect)) {
      throw protocolError(isFirst ? "the first packet is not a CONNECT" : "a second CONNECT");
    }
    const isSubscribe = type === TYPE.subscribe || type === TYPE.unsubscribe;
    if (isSubscribe && !this.#control.maySubscribe()) return false;
    const { version } = this.dialect;
    const packet = decodePacket(head, bytes, { bodyAt: frame.bodyAt, end: frame.end, version });
    if (isSubscribe) this.#control.subscribed(frame.end - frame.at);
    if (packet.type === "connect") this.#takeConnect(packet);
    this.handler?.packet(packet);
    return true;
  }

  #takeConnect({ version, properties }: ConnectPacket): void {
    this.#hasConnect = true;
    this.#publishReader.version = version;
    const { maximumPacketSize = Number.POSITIVE_INFINITY, requestProblemInformation = 1 } = properties;
    this.dialect = {
      version,
      packetBytesMax: maximumPacketSize,
      wantsReasons: version === 5 && requestProblemInformation === 1,
    };
  }

  #stall(): void {
    this.#waiting = true;
    this.#searchedBytes = 0;
    this.#control.stalled(this);
  }
}

const PINGRESP = Buffer.from([0xd0, 0x00]);
