import type { Duplex } from "node:stream";
import type { Permission } from "../auth/topic-permission.ts";
import { type DirectPublish, DirectPublishReader } from "./direct-publish.ts";
import { type FramingFault, PacketFramer } from "./packet-framer.ts";
import type { PendingPublish } from "./pending-publish.ts";
import { Rate, type RateLimits } from "./rate.ts";

/** Time to take one client's messages in one turn of the event loop. */
const SLICE_MS = 2;

const NOTHING: Permission = { mayPublish: () => false, maySubscribe: () => false };

/** Decides how much a link may read. */
export interface ReadControl {
  /** How many PUBLISH packets the link may still read now. */
  publishesLeft(link: Link): number;
  /** Whether a SUBSCRIBE or UNSUBSCRIBE may be read in this turn of the event loop. */
  maySubscribe(): boolean;
  /** Aedes gets a SUBSCRIBE or UNSUBSCRIBE of this many bytes. */
  subscribed(bytes: number): void;
  /** The link stopped reading; call `link.resume` when there is room. */
  stalled(link: Link): void;
  faulted(link: Link, fault: FramingFault): void;
  /** A publish that bypasses Aedes. */
  acceptDirect(publish: DirectPublish, link: Link): void;
}

/**
 * One connection, between its socket and Aedes. It decides how many of the received bytes Aedes gets: bytes that it
 * does not read remain in the socket, and TCP slows the sender down. Plain publishes bypass Aedes (ADR 9).
 */
export class Link {
  readonly conn: Duplex;
  readonly address: string;
  readonly #control: ReadControl;
  readonly #packetBytesMax: number;
  readonly #framer: PacketFramer;
  readonly #publishReader: DirectPublishReader;
  readonly #onConnect: () => void;
  readonly #readConn: (size?: number) => unknown;
  #waiting = false;
  /** How many bytes of the stalled connection were already searched for pings. */
  #searchedBytes = 0;

  clientId = "";
  user = "";
  permission: Permission = NOTHING;
  /** Granted filters with their QoS. */
  readonly filters = new Map<string, number>();
  /** Refused filters of the SUBSCRIBE that Aedes is reading. */
  refusedFilters = 0;
  /** Whether CONNACK was sent. Before that, nothing after the CONNECT is passed on. */
  connected = false;
  /** Why the broker closes it, once it does. */
  droppedFor: string | undefined;
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
  inflight = 0;
  inflightBytes = 0;
  readonly rate: Rate;
  /** Whether it is in the list of links that have something to acknowledge. */
  dirty = false;
  readonly qos2Pending = new Set<number>();

  constructor(options: {
    readonly conn: Duplex;
    readonly address: string;
    readonly control: ReadControl;
    readonly packetBytesMax: number;
    readonly topicLevelsMax: number;
    readonly rateLimits: RateLimits;
    /** Called when the client's CONNECT has arrived. */
    readonly onConnect: () => void;
  }) {
    this.conn = options.conn;
    this.address = options.address;
    this.#control = options.control;
    this.#packetBytesMax = options.packetBytesMax;
    this.#framer = new PacketFramer(options.packetBytesMax);
    this.#publishReader = new DirectPublishReader(options);
    this.rate = new Rate(options.rateLimits);
    this.#onConnect = options.onConnect;
    this.#readConn = options.conn.read.bind(options.conn);
  }

  /** Replaces `conn.read`, through which Aedes gets its bytes. Call it before Aedes sees the connection. */
  attach(): void {
    this.conn.read = (size?: number | null) => (size === 0 ? this.#readConn(0) : this.#read());
  }

  /** Who answers for its messages. */
  get sender(): string {
    return this.user === "" ? this.address : this.user;
  }

  get closed(): boolean {
    return this.conn.destroyed;
  }

  /** Lets Aedes read again. */
  resume(): void {
    this.#waiting = false;
    if (!this.closed) this.conn.emit("readable");
  }

  /** Whether bytes wait for `resume`: the client may be alive, but the broker does not read. */
  get stalled(): boolean {
    return this.#waiting;
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
    this.inflight++;
    this.inflightBytes += publish.bytes;
  }

  shift(): void {
    this.inflightBytes -= this.first?.bytes ?? 0;
    this.first = this.first?.next;
    if (this.first === undefined) this.#last = undefined;
    this.inflight--;
  }

  drop(reason: string): void {
    this.droppedFor ??= reason;
    this.conn.destroy();
  }

  /** Answers and removes the pings behind a publish that must wait, so that its client stays connected. */
  answerPings(): void {
    if (!this.#waiting || !this.connected || this.conn.readableLength === this.#searchedBytes) return;
    const bytes = this.#readConn();
    if (!Buffer.isBuffer(bytes)) return;
    const pings = pingsIn(bytes, this.#packetBytesMax);
    if (pings.length > 0) this.conn.write(Buffer.concat(pings.map(() => PINGRESP)));
    this.conn.unshift(without(bytes, pings));
    this.#searchedBytes = this.conn.readableLength;
  }

  #read(): Buffer | null {
    if (this.#waiting || this.closed) return null;
    if (this.#framer.connects > 0 && !this.connected) return this.#stall();
    const chunk = this.#readConn();
    if (!Buffer.isBuffer(chunk)) return null;
    this.heard = true;
    const taken = this.#takePublishes(chunk);
    if (taken === chunk.length || this.closed) return null;
    return this.#pass(taken === 0 ? chunk : chunk.subarray(taken));
  }

  /** Reads the plain publishes at the beginning of the chunk. Returns their number of bytes. */
  #takePublishes(chunk: Buffer): number {
    // Aedes must get the previous packet whole; otherwise it would get the middle of one.
    if (!this.connected || !this.#framer.betweenPackets) return 0;
    let at = 0;
    const endMs = performance.now() + SLICE_MS;
    for (let left = this.#control.publishesLeft(this); left > 0 && at < chunk.length && !this.closed; left--) {
      const publish = this.#publishReader.read(chunk, at);
      if (publish === undefined) break;
      this.#control.acceptDirect(publish, this);
      at = publish.end;
      if (performance.now() < endMs) continue;
      this.isSliceOver = true;
      break;
    }
    this.isHeavy = this.isSliceOver;
    return at;
  }

  /** The part of the chunk that Aedes gets now. */
  #pass(chunk: Buffer): Buffer | null {
    const subscribeBytes = this.#framer.subscribeBytes;
    const passed = this.#framer.pass(chunk, {
      publishesMax: this.#control.publishesLeft(this),
      maySubscribe: this.#control.maySubscribe(),
    });
    if (!this.connected && this.#framer.connects > 0) this.#onConnect();
    if (this.#framer.subscribeBytes > subscribeBytes) {
      this.#control.subscribed(this.#framer.subscribeBytes - subscribeBytes);
    }
    if (this.#framer.fault !== undefined) {
      this.#control.faulted(this, this.#framer.fault);
      return null;
    }
    if (passed === chunk.length) return chunk;
    // Puts the bytes back into the stream, so that it neither ends nor reads more before they are read.
    this.conn.unshift(chunk.subarray(passed));
    this.#stall();
    return passed > 0 ? chunk.subarray(0, passed) : null;
  }

  #stall(): null {
    this.#waiting = true;
    this.#searchedBytes = 0;
    this.#control.stalled(this);
    return null;
  }
}

const PINGREQ_BYTES = 2;
const PINGRESP = Buffer.from([0xd0, 0x00]);

function pingsIn(bytes: Buffer, packetBytesMax: number): readonly number[] {
  const framer = new PacketFramer(packetBytesMax);
  const pings: number[] = [];
  let at = 0;
  while (at < bytes.length && framer.fault === undefined) {
    at += framer.pass(bytes.subarray(at), {
      publishesMax: Number.POSITIVE_INFINITY,
      maySubscribe: true,
      onPing: (ping) => pings.push(at + ping),
    });
  }
  return pings;
}

function without(bytes: Buffer, pings: readonly number[]): Buffer {
  if (pings.length === 0) return bytes;
  const parts: Buffer[] = [];
  let from = 0;
  for (const ping of pings) {
    parts.push(bytes.subarray(from, ping));
    from = ping + PINGREQ_BYTES;
  }
  parts.push(bytes.subarray(from));
  return Buffer.concat(parts);
}
