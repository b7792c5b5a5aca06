import type { PublishGate } from "../platform/publish-gate.ts";
import type { BrokerEvents } from "./events.ts";
import type { Link, ReadControl } from "./link.ts";
import type { FramingFault } from "./packet-framer.ts";
import { type ParsedPublish, PendingPublish } from "./pending-publish.ts";

interface InboundLimits {
  readonly inflightPerClientMax: number;
  readonly inflightMax: number;
  readonly inflightBytesMax: number;
}

export interface InboundOptions {
  readonly gate: PublishGate;
  readonly limits: InboundLimits;
  readonly events: BrokerEvents;
  readonly nowUs: () => number;
  /** Whether any subscriber, present or away, waits for such a message. */
  readonly hasSubscribers: (topic: string) => boolean;
  /** Whether this QoS 2 message was taken in before and not yet released. */
  readonly wasTakenIn: (link: Link, messageId: number) => boolean;
  /** Forwards a message whose connection ended before it was acknowledged. */
  readonly forward: (packet: ParsedPublish) => void;
}

/** Reading starts again below these shares of the bounds, so that it does not start and stop for each message. */
const RESUME_CLIENT_SHARE = 0.5;
const RESUME_ALL_SHARE = 0.9;

/**
 * The way of a publish from the parser to the gate and back. Holds each acknowledgement until the gate is done with the
 * message, keeps acknowledgements of a client in the order of arrival, and bounds what is in flight by reading no more.
 */
export class Inbound implements ReadControl {
  private readonly options: InboundOptions;
  private readonly stalledLinks = new Set<Link>();
  private dirtyLinks: Link[] = [];
  private flushing = false;
  private waking = false;
  private closing = false;
  private inflight = 0;
  private inflightBytes = 0;
  private taken = 0;
  private finished = 0;
  private idle: (() => void) | undefined;

  constructor(options: InboundOptions) {
    this.options = options;
  }

  get inflightNow(): number {
    return this.inflight;
  }

  /** Hands a permitted publish to the gate; `proceed` is called when the gate is done with it. */
  accept(packet: ParsedPublish, link: Link, proceed: (error?: Error | null) => void): void {
    const { clientId } = link;
    const pending = new PendingPublish({ packet, clientId, link, receivedAtUs: this.options.nowUs(), proceed });
    this.count(pending);
    link.push(pending);
    if (packet.qos === 2 && this.isRepeat(link, packet.messageId ?? 0)) {
      this.settle(pending);
      return;
    }
    this.offer(pending);
  }

  /**
   * A will has no connection, hence no order, nobody to acknowledge to and no socket to leave unread.
   * False when too much is in flight: it is then dropped.
   */
  acceptWill(packet: ParsedPublish, clientId: string, proceed: (error?: Error | null) => void): boolean {
    const { inflightMax, inflightBytesMax } = this.options.limits;
    if (this.inflight >= inflightMax || this.inflightBytes >= inflightBytesMax) return false;
    const receivedAtUs = this.options.nowUs();
    const pending = new PendingPublish({ packet, clientId, link: undefined, receivedAtUs, proceed });
    this.count(pending);
    this.offer(pending);
    return true;
  }

  publishesLeft(link: Link): number {
    const { limits } = this.options;
    if (this.closing || this.inflightBytes >= limits.inflightBytesMax) return 0;
    // A client that does not read its acknowledgements gets no more of them.
    if (link.conn.writableNeedDrain) return 0;
    return Math.max(0, Math.min(limits.inflightPerClientMax - link.inflight, limits.inflightMax - this.inflight));
  }

  stalled(link: Link): void {
    this.stalledLinks.add(link);
    this.options.events.clientsPaused(this.stalledLinks.size);
    if (link.conn.writableNeedDrain) link.conn.once("drain", () => this.wakeSoon());
    this.wakeSoon();
  }

  faulted(link: Link, fault: FramingFault): void {
    this.options.events.connectionDropped(fault, link.clientId);
    link.drop(fault);
  }

  forget(link: Link): void {
    if (this.stalledLinks.delete(link)) this.options.events.clientsPaused(this.stalledLinks.size);
  }

  /** After CONNACK: what the client sent behind its CONNECT may come in. */
  linkConnected(): void {
    this.wakeSoon();
  }

  /** Takes nothing more in; resolves when nothing is in flight any more, or after the time given. */
  async drain(timeoutMs: number): Promise<void> {
    this.closing = true;
    if (this.inflight === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.idle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private isRepeat(link: Link, messageId: number): boolean {
    if (link.qos2Pending.has(messageId) || this.options.wasTakenIn(link, messageId)) return true;
    link.qos2Pending.add(messageId);
    return false;
  }

  private count(pending: PendingPublish): void {
    this.inflight++;
    this.inflightBytes += pending.bytes;
    this.taken++;
  }

  private offer(pending: PendingPublish): void {
    try {
      this.options.gate.accept(pending, (error) => this.settle(pending, error));
    } catch (error) {
      this.settle(pending, error instanceof Error ? error : new Error(String(error)));
    }
  }

  private settle(pending: PendingPublish, error?: Error): void {
    if (pending.settled) return;
    pending.settled = true;
    pending.error = error;
    const { link } = pending;
    if (link === undefined) {
      queueMicrotask(() => this.finishWill(pending));
      return;
    }
    if (link.first !== pending || link.dirty) return;
    link.dirty = true;
    this.dirtyLinks.push(link);
    this.flushSoon();
  }

  /** A gate is mostly done with many at once: one flush then answers each client with one write. */
  private flushSoon(): void {
    if (this.flushing) return;
    this.flushing = true;
    queueMicrotask(() => this.flush());
  }

  private flush(): void {
    // Not `for of`: proceeding may bring in, and even finish, further messages.
    for (let i = 0; i < this.dirtyLinks.length; i++) {
      const link = this.dirtyLinks[i];
      if (link === undefined) continue;
      link.dirty = false;
      this.release(link);
    }
    this.dirtyLinks = [];
    this.flushing = false;
    this.report();
  }

  private report(): void {
    this.options.events.messagesMoved(this.taken, this.finished, this.inflight);
    this.taken = 0;
    this.finished = 0;
    if (this.stalledLinks.size > 0) this.wakeSoon();
    if (this.inflight === 0) this.idle?.();
  }

  /** Answers what the gate is done with, from the oldest on, up to the first that it is not done with. */
  private release(link: Link): void {
    const acknowledged: PendingPublish[] = [];
    for (let pending = link.first; pending?.settled === true; pending = link.first) {
      link.shift();
      this.uncount(pending);
      if (this.canShortcut(link, pending)) {
        acknowledged.push(pending);
        continue;
      }
      if (acknowledged.length > 0) acknowledge(link, acknowledged.splice(0));
      this.proceed(link, pending);
    }
    if (acknowledged.length > 0) acknowledge(link, acknowledged);
  }

  private uncount(pending: PendingPublish): void {
    this.inflight--;
    this.inflightBytes -= pending.bytes;
    this.finished++;
    if (pending.qos === 2) pending.link?.qos2Pending.delete(pending.packet.messageId ?? 0);
  }

  /** QoS 1 that nobody subscribes to needs no more than its PUBACK. */
  private canShortcut(link: Link, { packet, error }: PendingPublish): boolean {
    return (
      packet.qos === 1 &&
      !packet.retain &&
      error === undefined &&
      !link.closed &&
      !link.conn.writableNeedDrain &&
      !this.options.hasSubscribers(packet.topic)
    );
  }

  private proceed(link: Link, pending: PendingPublish): void {
    const { error, packet } = pending;
    if (error !== undefined && !link.closed) {
      this.options.events.connectionDropped("gate-closed", link.clientId, error.message);
      link.droppedFor ??= "gate-closed";
      pending.proceed(error);
    } else if (!link.closed || packet.qos === 0) {
      pending.proceed(error);
    } else if (error === undefined && packet.qos === 1) {
      // Kept, but its sender left before the PUBACK: subscribers get it all the same.
      this.options.forward(packet);
    }
  }

  private finishWill(pending: PendingPublish): void {
    this.uncount(pending);
    pending.proceed(pending.error);
    this.report();
  }

  private wakeSoon(): void {
    if (this.waking) return;
    this.waking = true;
    setImmediate(() => this.wake());
  }

  /** Resumes links that have room, in the order in which they stalled. The next flush looks after the others. */
  private wake(): void {
    this.waking = false;
    for (const link of [...this.stalledLinks]) {
      if (!this.hasRoom(link)) continue;
      this.stalledLinks.delete(link);
      link.resume();
    }
    this.options.events.clientsPaused(this.stalledLinks.size);
  }

  private hasRoom(link: Link): boolean {
    if (!link.connected) return false;
    const { limits } = this.options;
    return (
      this.publishesLeft(link) > 0 &&
      link.inflight <= limits.inflightPerClientMax * RESUME_CLIENT_SHARE &&
      this.inflight <= limits.inflightMax * RESUME_ALL_SHARE &&
      this.inflightBytes <= limits.inflightBytesMax * RESUME_ALL_SHARE
    );
  }
}

/** One write for all PUBACKs, then Aedes goes on with the packets as if they needed no answer. */
function acknowledge(link: Link, acknowledged: readonly PendingPublish[]): void {
  const bytes = Buffer.allocUnsafe(acknowledged.length * 4);
  let at = 0;
  for (const { packet } of acknowledged) {
    const id = packet.messageId ?? 0;
    bytes[at] = 0x40;
    bytes[at + 1] = 0x02;
    bytes[at + 2] = id >> 8;
    bytes[at + 3] = id & 0xff;
    at += 4;
  }
  link.conn.write(bytes);
  for (const { packet, proceed } of acknowledged) {
    packet.qos = 0;
    proceed();
  }
}
