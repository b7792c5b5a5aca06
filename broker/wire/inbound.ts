import { asError } from "../../domain/reason.ts";
import type { PublishGate } from "../../platform/publish-gate.ts";
import type { BrokerEvents, Refusal } from "../common/events.ts";
import type { Link, ReadControl } from "./link.ts";
import type { FramingFault } from "./packet-framer.ts";
import { type ParsedPublish, PendingPublish, type Proceed } from "./pending-publish.ts";

interface InboundLimits {
  readonly inflight_per_client_max: number;
  readonly inflight_max: number;
  readonly inflight_size_max: number;
}

export interface InboundOptions {
  readonly gate: PublishGate;
  readonly limits: InboundLimits;
  readonly events: BrokerEvents;
  readonly nowUs: () => number;
  /** Why the client may not publish there; undefined when it may. */
  readonly refusalOf: (link: Link, topic: string) => Refusal | undefined;
  /** Whether this QoS 2 message was taken in before and not yet released. */
  readonly wasTakenIn: (link: Link, messageId: number) => boolean;
  /** Forwards a message that Aedes does not forward itself, to whoever subscribes to it. */
  readonly forward: (packet: ParsedPublish) => void;
}

/** Reading starts again below these shares of the bounds, so that it does not start and stop for each message. */
const RESUME_CLIENT_SHARE = 0.5;
const RESUME_ALL_SHARE = 0.9;

const PUBACK_HEAD = 0x40;
const PUBACK_BYTES = 4;

/**
 * The way of a publish from the parser to the gate and back. Holds each acknowledgement until the gate is done with the
 * message, keeps acknowledgements of a client in the order of arrival, and bounds what is in flight by reading no more.
 */
export class Inbound implements ReadControl {
  readonly #options: InboundOptions;
  readonly #stalledLinks = new Set<Link>();
  #dirtyLinks: Link[] = [];
  #flushing = false;
  #waking = false;
  #closing = false;
  #inflight = 0;
  #inflightBytes = 0;
  #taken = 0;
  #finished = 0;
  #idle: (() => void) | undefined;

  constructor(options: InboundOptions) {
    this.#options = options;
  }

  get inflightNow(): number {
    return this.#inflight;
  }

  /**
   * Takes in a publish that came through Aedes; `proceed` is called when the gate is done with it, or at once when the
   * client may not publish there.
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

  /** Takes in a publish that was read straight from the socket. */
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
   * A will has no connection, hence no order, nobody to acknowledge to and no socket to leave unread.
   * False when too much is in flight: it is then dropped.
   */
  acceptWill(packet: ParsedPublish, clientId: string, proceed: Proceed): boolean {
    const { inflight_max, inflight_size_max } = this.#options.limits;
    if (this.#inflight >= inflight_max || this.#inflightBytes >= inflight_size_max) return false;
    const receivedAtUs = this.#options.nowUs();
    const pending = new PendingPublish(packet, { clientId, receivedAtUs, proceed });
    this.#count(pending);
    this.#offer(pending, undefined);
    return true;
  }

  publishesLeft(link: Link): number {
    const { limits } = this.#options;
    if (this.#closing || this.#inflightBytes >= limits.inflight_size_max) return 0;
    // A client that does not read its acknowledgements gets no more of them.
    if (link.conn.writableNeedDrain) return 0;
    return Math.max(0, Math.min(limits.inflight_per_client_max - link.inflight, limits.inflight_max - this.#inflight));
  }

  stalled(link: Link): void {
    this.#stalledLinks.add(link);
    this.#options.events.clientsPaused(this.#stalledLinks.size);
    if (link.conn.writableNeedDrain) link.conn.once("drain", () => this.#wakeSoon());
    this.#wakeSoon();
  }

  faulted(link: Link, fault: FramingFault): void {
    this.#options.events.connectionDropped(fault, link.clientId);
    link.drop(fault);
  }

  forget(link: Link): void {
    if (this.#stalledLinks.delete(link)) this.#options.events.clientsPaused(this.#stalledLinks.size);
  }

  /** After CONNACK: what the client sent behind its CONNECT may come in. */
  linkConnected(): void {
    this.#wakeSoon();
  }

  /** Takes nothing more in; resolves when nothing is in flight any more, or after the time given. */
  async drain(timeoutMs: number): Promise<void> {
    this.#closing = true;
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
    const pending = new PendingPublish(packet, { clientId: link.clientId, receivedAtUs, proceed });
    this.#count(pending);
    link.push(pending);
    if (pending.qos === 2 && this.#isRepeat(link, pending.messageId)) this.#settle(pending, link);
    else this.#offer(pending, link);
  }

  /** MQTT 3.1.1 cannot refuse a publish: to acknowledge and drop it would be a lie. */
  #refuse(link: Link, topic: string, refusal: Refusal): void {
    link.droppedFor ??= refusal;
    this.#options.events.publishRefused(refusal, link.clientId, topic);
  }

  #isRepeat(link: Link, messageId: number): boolean {
    if (link.qos2Pending.has(messageId) || this.#options.wasTakenIn(link, messageId)) return true;
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

  /** A gate is mostly done with many at once: one flush then answers each client with one write. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    // Not `for of`: proceeding may bring in, and even finish, further messages.
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
    if (this.#stalledLinks.size > 0) this.#wakeSoon();
    if (this.#inflight === 0) this.#idle?.();
  }

  /** Answers what the gate is done with, from the oldest on, up to the first that it is not done with. */
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
   * One write for all PUBACKs. What was kept goes to its subscribers also when its sender is gone by now. We forward
   * what Aedes parsed as well: it would do so a little later, behind what it has not parsed.
   */
  #finishKept(link: Link, kept: readonly PendingPublish[]): void {
    if (!link.closed) acknowledge(link, kept);
    for (const pending of kept) {
      this.#options.forward(pending);
      if (!link.closed) pending.proceed?.();
    }
  }

  /** What is left: QoS 2, which Aedes answers, and what the gate did not take. */
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

  #wakeSoon(): void {
    if (this.#waking) return;
    this.#waking = true;
    setImmediate(() => this.#wake());
  }

  /** Resumes links that have room, in the order in which they stalled. The next flush looks after the others. */
  #wake(): void {
    this.#waking = false;
    for (const link of [...this.#stalledLinks]) {
      if (!this.#hasRoom(link)) continue;
      this.#stalledLinks.delete(link);
      link.resume();
    }
    this.#options.events.clientsPaused(this.#stalledLinks.size);
  }

  #hasRoom(link: Link): boolean {
    if (!link.connected) return false;
    const { limits } = this.#options;
    return (
      this.publishesLeft(link) > 0 &&
      link.inflight <= limits.inflight_per_client_max * RESUME_CLIENT_SHARE &&
      this.#inflight <= limits.inflight_max * RESUME_ALL_SHARE &&
      this.#inflightBytes <= limits.inflight_size_max * RESUME_ALL_SHARE
    );
  }
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
