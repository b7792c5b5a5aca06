import { asError } from "../../domain/reason.ts";
import type { PublishGate } from "../../platform/publish-gate.ts";
import type { BrokerEvents, Refusal } from "../common/events.ts";
import type { Link, ReadControl } from "./link.ts";
import type { FramingFault } from "./packet-framer.ts";
import { type ParsedPublish, PendingPublish, type Proceed } from "./pending-publish.ts";
import type { RateLimits } from "./rate.ts";
import { StalledLinks } from "./stalled-links.ts";

interface InboundLimits extends RateLimits {
  readonly inflight_per_client_max: number;
  readonly inflight_size_per_client_max: number;
  readonly inflight_max: number;
  readonly inflight_size_max: number;
}

export interface InboundOptions {
  readonly gate: PublishGate;
  readonly limits: InboundLimits;
  readonly events: BrokerEvents;
  readonly nowUs: () => number;
  /** Why the client may not publish to the topic; undefined if it may. */
  readonly refusalOf: (link: Link, topic: string) => Refusal | undefined;
  /** Whether the broker has this QoS 2 message and the client has not released it yet. */
  readonly isUnreleased: (link: Link, messageId: number) => boolean;
  /** Forwards a message to its subscribers: Aedes does not do so for a message that bypassed it. */
  readonly forward: (packet: ParsedPublish) => void;
}

/**
 * Up to this share of a bound, each client may have twice of what is free, so that clients whose messages take long
 * leave room for the others. The rest is for clients that have nothing in flight.
 */
const FAIR_SHARE = 0.8;
const TIMES_FREE = 2;
/** A client near its share in bytes is read in steps, one message for each of these bytes. */
const STEP_BYTES = 4 * 1024;
/**
 * Reading resumes below this share of the bounds, and once a client may have twice as much as it has, so that reading
 * does not stop and restart for each message.
 */
const RESUME_ALL_SHARE = 0.9;

/**
 * Bytes of SUBSCRIBE and UNSUBSCRIBE packets in one turn of the event loop: a thousand filters take some milliseconds.
 * The rest waits for the next turn, so that everyone else is answered in between.
 */
const SUBSCRIBE_BYTES_PER_TURN = 16 * 1024;

const PUBACK_HEAD = 0x40;
const PUBACK_BYTES = 4;

/**
 * Passes publishes from the parser to the gate, and their acknowledgements back. It holds each acknowledgement until
 * the gate has finished with the message, keeps a client's acknowledgements in order of arrival, and bounds the
 * messages in flight: at a bound it stops reading.
 */
export class Inbound implements ReadControl {
  readonly #options: InboundOptions;
  readonly #stalledLinks: StalledLinks;
  #dirtyLinks: Link[] = [];
  #flushing = false;
  #closing = false;
  #inflight = 0;
  #inflightBytes = 0;
  #taken = 0;
  #finished = 0;
  #idle: (() => void) | undefined;
  #subscribeBytes = 0;

  constructor(options: InboundOptions) {
    this.#options = options;
    const { events } = options;
    this.#stalledLinks = new StalledLinks({
      hasRoom: (link) => this.#hasRoom(link),
      onCount: (count) => events.clientsPaused(count),
    });
  }

  get inflightNow(): number {
    return this.#inflight;
  }

  /**
   * Accepts a publish that Aedes parsed. Calls `proceed` when the gate has finished with it, or at once with an error
   * if the client may not publish to the topic.
   */
  accept(packet: ParsedPublish, link: Link, proceed: Proceed): void {
    const refusal = packet.messageId === 0 ? "packet-id-zero" : this.#options.refusalOf(link, packet.topic);
    if (refusal !== undefined) {
      this.#refuse(link, packet.topic, refusal);
      proceed(new Error(refusal));
      return;
    }
    this.#take(packet, link, proceed);
  }

  /** Accepts a publish that was read straight from the socket. */
  acceptDirect(packet: ParsedPublish, link: Link): void {
    const refusal = this.#options.refusalOf(link, packet.topic);
    if (refusal === undefined) {
      this.#take(packet, link, undefined);
      return;
    }
    this.#refuse(link, packet.topic, refusal);
    link.drop(refusal);
  }

  /**
   * A will has no connection: it has no order, no acknowledgement and no socket to stop reading. Returns false if too
   * much is in flight; the will is then dropped.
   */
  acceptWill(
    packet: ParsedPublish,
    { clientId, sender }: { readonly clientId: string; readonly sender: string },
    proceed: Proceed,
  ): boolean {
    const { inflight_max, inflight_size_max } = this.#options.limits;
    if (this.#inflight >= inflight_max || this.#inflightBytes >= inflight_size_max) return false;
    const receivedAtUs = this.#options.nowUs();
    const pending = new PendingPublish(packet, { clientId, sender, receivedAtUs, proceed });
    this.#count(pending);
    this.#offer(pending, undefined);
    return true;
  }

  publishesLeft(link: Link): number {
    const { limits } = this.#options;
    if (this.#closing || this.#inflightBytes >= limits.inflight_size_max) return 0;
    // A client that does not read its acknowledgements gets no more of them.
    if (link.isSliceOver || link.conn.writableNeedDrain) return 0;
    const own = link.inflight;
    const bytesLeft = shareLeft({
      max: limits.inflight_size_max,
      used: this.#inflightBytes,
      ownMax: limits.inflight_size_per_client_max,
      own: link.inflightBytes,
    });
    if (own > 0 && bytesLeft <= 0) return 0;
    const countLeft = shareLeft({
      max: limits.inflight_max,
      used: this.#inflight,
      ownMax: limits.inflight_per_client_max,
      own,
    });
    const byBytes = Math.max(1, Math.floor(bytesLeft / STEP_BYTES));
    const byCount = Math.min(own === 0 ? Math.max(1, countLeft) : countLeft, limits.inflight_max - this.#inflight);
    return Math.max(0, Math.min(byCount, byBytes, link.rate.messagesLeft(performance.now())));
  }

  maySubscribe(): boolean {
    return this.#subscribeBytes < SUBSCRIBE_BYTES_PER_TURN;
  }

  subscribed(bytes: number): void {
    if (this.#subscribeBytes === 0) {
      setImmediate(() => {
        this.#subscribeBytes = 0;
      });
    }
    this.#subscribeBytes += bytes;
  }

  stalled(link: Link): void {
    const { exceeded } = link.rate;
    if (exceeded !== undefined) this.#options.events.clientSlowed(exceeded, link.clientId);
    this.#stalledLinks.add(link);
  }

  faulted(link: Link, fault: FramingFault): void {
    this.#options.events.connectionDropped(fault, link.clientId);
    link.drop(fault);
  }

  forget(link: Link): void {
    this.#stalledLinks.delete(link);
  }

  /** After CONNACK: allows reading what the client sent after its CONNECT. */
  linkConnected(): void {
    this.#stalledLinks.wakeSoon();
  }

  /** Stops reading. Resolves when nothing is in flight, or after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    this.#closing = true;
    this.#stalledLinks.stop();
    if (this.#inflight === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#idle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #take(packet: ParsedPublish, link: Link, proceed: Proceed | undefined): void {
    const receivedAtUs = this.#options.nowUs();
    const { clientId, sender } = link;
    const pending = new PendingPublish(packet, { clientId, sender, receivedAtUs, proceed });
    this.#count(pending);
    link.push(pending);
    link.rate.take(pending.bytes);
    if (pending.qos === 2 && this.#isRepeat(link, pending.messageId)) this.#settle(pending, link);
    else this.#offer(pending, link);
  }

  /** MQTT 3.1.1 cannot refuse a publish, and acknowledging a dropped one would be a lie, so the connection ends. */
  #refuse(link: Link, topic: string, refusal: Refusal): void {
    link.droppedFor ??= refusal;
    this.#options.events.publishRefused(refusal, link.clientId, topic);
  }

  #isRepeat(link: Link, messageId: number): boolean {
    if (link.qos2Pending.has(messageId) || this.#options.isUnreleased(link, messageId)) return true;
    link.qos2Pending.add(messageId);
    return false;
  }

  #count(pending: PendingPublish): void {
    this.#inflight++;
    this.#inflightBytes += pending.bytes;
    this.#taken++;
  }

  #offer(pending: PendingPublish, link: Link | undefined): void {
    try {
      this.#options.gate.accept(pending, (error) => this.#settle(pending, link, error));
    } catch (error) {
      this.#settle(pending, link, asError(error));
    }
  }

  /** Without a link the message is a will: its connection is gone. */
  #settle(pending: PendingPublish, link: Link | undefined, error?: Error): void {
    if (pending.settled) return;
    pending.settled = true;
    pending.error = error;
    if (link === undefined) {
      queueMicrotask(() => this.#finishWill(pending));
      return;
    }
    if (link.first !== pending || link.dirty) return;
    link.dirty = true;
    this.#dirtyLinks.push(link);
    this.#flushSoon();
  }

  /** A gate usually finishes many messages at once: one flush then answers each client with one write. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    // Not `for of`: `proceed` may add more messages, and even finish them.
    for (let i = 0; i < this.#dirtyLinks.length; i++) {
      const link = this.#dirtyLinks[i];
      if (link === undefined) continue;
      link.dirty = false;
      this.#release(link);
    }
    this.#dirtyLinks = [];
    this.#flushing = false;
    this.#report();
  }

  #report(): void {
    this.#options.events.messagesMoved(this.#taken, this.#finished, this.#inflight);
    this.#taken = 0;
    this.#finished = 0;
    if (this.#stalledLinks.size > 0) this.#stalledLinks.wakeSoon();
    if (this.#inflight === 0) this.#idle?.();
  }

  /** Answers the finished messages from the oldest on, up to the first unfinished one. */
  #release(link: Link): void {
    const kept: PendingPublish[] = [];
    for (let pending = link.first; pending?.settled === true; pending = link.first) {
      link.shift();
      if (pending.qos === 2) link.qos2Pending.delete(pending.messageId);
      this.#uncount(pending);
      if (pending.qos < 2 && pending.error === undefined) {
        kept.push(pending);
        continue;
      }
      if (kept.length > 0) this.#finishKept(link, kept.splice(0));
      this.#finish(link, pending);
    }
    if (kept.length > 0) this.#finishKept(link, kept);
  }

  #uncount(pending: PendingPublish): void {
    this.#inflight--;
    this.#inflightBytes -= pending.bytes;
    this.#finished++;
  }

  /**
   * One write for all PUBACKs. Messages in the log go to their subscribers even if their sender has left. This also
   * forwards the messages that Aedes parsed: Aedes would do so later, after messages that bypassed it.
   */
  #finishKept(link: Link, kept: readonly PendingPublish[]): void {
    if (!link.closed) acknowledge(link, kept);
    for (const pending of kept) {
      this.#options.forward(pending);
      if (!link.closed) pending.proceed?.();
    }
  }

  /** The rest: QoS 2, which Aedes answers, and messages that the gate refused. */
  #finish(link: Link, { error, proceed }: PendingPublish): void {
    if (link.closed) return;
    if (error !== undefined) {
      this.#options.events.connectionDropped("gate-closed", link.clientId, error.message);
      link.droppedFor ??= "gate-closed";
      if (proceed === undefined) link.drop("gate-closed");
    }
    proceed?.(error);
  }

  #finishWill(pending: PendingPublish): void {
    this.#uncount(pending);
    pending.proceed?.(pending.error);
    this.#report();
  }

  #hasRoom(link: Link): boolean {
    if (!link.connected) return false;
    link.isSliceOver = false;
    const { limits } = this.#options;
    const left = this.publishesLeft(link);
    return (
      left > 0 &&
      left >= link.inflight &&
      this.#inflight <= limits.inflight_max * RESUME_ALL_SHARE &&
      this.#inflightBytes <= limits.inflight_size_max * RESUME_ALL_SHARE
    );
  }
}

/**
 * How much more one client may have in flight: what it has stays below `TIMES_FREE` times what is free afterwards,
 * however many clients do the same.
 */
function shareLeft({ max, used, ownMax, own }: { max: number; used: number; ownMax: number; own: number }): number {
  const fair = Math.floor((TIMES_FREE * (max * FAIR_SHARE - used) - own) / (TIMES_FREE + 1));
  return Math.min(ownMax - own, fair);
}

function acknowledge(link: Link, kept: readonly PendingPublish[]): void {
  const bytes = Buffer.allocUnsafe(kept.length * PUBACK_BYTES);
  let at = 0;
  for (const { qos, messageId } of kept) {
    if (qos === 0) continue;
    bytes[at] = PUBACK_HEAD;
    bytes[at + 1] = PUBACK_BYTES - 2;
    bytes[at + 2] = messageId >> 8;
    bytes[at + 3] = messageId & 0xff;
    at += PUBACK_BYTES;
  }
  if (at > 0) link.conn.write(at === bytes.length ? bytes : bytes.subarray(0, at));
}
