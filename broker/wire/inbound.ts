import { asError } from "../../domain/reason.ts";
import type { PublishGate } from "../../platform/publish-gate.ts";
import type { BrokerEvents, Refusal } from "../common/events.ts";
import { Answers, answerOf } from "./answers.ts";
import { UnfinishedQos2 } from "./incoming-qos2.ts";
import type { Link, ReadControl } from "./link.ts";
import { REASON } from "./packets/reason-codes.ts";
import { PendingPublish, type PublishFields } from "./pending-publish.ts";
import type { ReadPublish } from "./publish-reader.ts";
import { Room, type RoomLimits } from "./room.ts";
import { StalledLinks } from "./stalled-links.ts";
import { SubscribeRoom } from "./subscribe-room.ts";
import { isBridgeState } from "./topics.ts";

interface InboundLimits extends RoomLimits {
  readonly qos2_per_client_max: number;
}

export interface InboundOptions {
  readonly gate: PublishGate;
  readonly limits: InboundLimits;
  readonly events: BrokerEvents;
  readonly nowUs: () => number;
  /** Why the client may not publish to the topic; undefined if it may. */
  readonly refusalOf: (link: Link, topic: string) => Refusal | undefined;
  /**
   * Gives a message to its subscribers. Resolves once it is retained and the persistent sessions among them have it;
   * undefined if there is nothing to wait for.
   */
  readonly forward: (message: PendingPublish) => Promise<void> | undefined;
}

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
  readonly #room: Room;
  #taken = 0;
  #finished = 0;
  #idle: (() => void) | undefined;
  readonly #subscribeRoom = new SubscribeRoom();
  readonly #unfinished = new UnfinishedQos2();

  constructor(options: InboundOptions) {
    this.#options = options;
    const { events } = options;
    this.#room = new Room(options.limits);
    this.#stalledLinks = new StalledLinks({
      hasRoom: (link) => !this.#closing && this.#room.allows(link),
      onCount: (count) => events.clientsPaused(count),
    });
  }

  get inflightNow(): number {
    return this.#room.inflight;
  }

  accept(publish: ReadPublish, link: Link): void {
    if (publish.topic !== link.allowedTopic) {
      const refusal = this.#options.refusalOf(link, publish.topic);
      if (refusal !== undefined) {
        this.#refuse(publish, link, refusal);
        return;
      }
      link.allowedTopic = publish.topic;
    }
    if (this.#exceeds(link, publish)) {
      this.#options.events.connectionDropped("protocol-error", link.clientId, "more in flight than Receive Maximum");
      link.handler?.end("protocol-error", REASON.receiveMaximumExceeded);
    } else if (publish.qos === 2) {
      this.#takeQos2(publish, link);
    } else {
      this.#offer(this.#take(publish, link), link);
    }
  }

  /**
   * PUBREL: calls `done` when the id is free, with whether it was in use. It waits for the PUBREC of the message.
   */
  released(link: Link, packetId: number, done: (wasKnown: boolean) => void): void {
    const { incoming } = link;
    if (incoming === undefined) return;
    const free = () => {
      const wasKnown = incoming.ids.has(packetId);
      const releasing = incoming.ids.release(packetId).then(
        () => {
          incoming.releasing.delete(packetId);
          incoming.open.delete(packetId);
          done(wasKnown);
        },
        (error: unknown) => this.#options.events.brokerFailed(error),
      );
      incoming.releasing.set(packetId, releasing);
    };
    const pending = incoming.pending.get(packetId);
    if (pending === undefined) {
      free();
      return;
    }
    link.hold();
    pending.onFinished ??= [];
    pending.onFinished.push(() => {
      free();
      link.release();
    });
  }

  /**
   * A will has no connection: it has no order, no acknowledgement and no socket to stop reading. Returns false if too
   * much is in flight; the will is then dropped. Otherwise calls `done` when it is kept and its subscribers have it.
   */
  acceptWill(
    will: PublishFields,
    of: { readonly clientId: string; readonly sender: string; readonly origin: string },
    done: (error: Error | undefined) => void,
  ): boolean {
    if (this.#room.isFull) return false;
    const pending = new PendingPublish(will, { ...of, receivedAtUs: this.#options.nowUs() });
    pending.onFinished = [done];
    this.#count(pending);
    this.#offer(pending, undefined);
    return true;
  }

  publishesLeft(link: Link): number {
    return this.#closing ? 0 : this.#room.publishesLeft(link);
  }

  maySubscribe(): boolean {
    return !this.#subscribeRoom.isFull;
  }

  subscribed(bytes: number): void {
    this.#subscribeRoom.add(bytes);
  }

  stalled(link: Link): void {
    const { exceeded } = link.rate;
    if (exceeded !== undefined) this.#options.events.clientSlowed(exceeded, link.clientId);
    this.#stalledLinks.add(link);
  }

  wakeSoon(): void {
    this.#stalledLinks.wakeSoon();
  }

  forget(link: Link): void {
    this.#stalledLinks.delete(link);
  }

  /** Stops reading. Resolves when nothing is in flight, or after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    this.#closing = true;
    this.#stalledLinks.stop();
    if (this.#room.inflight === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#idle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** A message of a connected client: it is acknowledged in its turn. */
  #take(publish: ReadPublish, link: Link): PendingPublish {
    const receivedAtUs = this.#options.nowUs();
    const { clientId, sender } = link;
    const pending = new PendingPublish(publish, { clientId, sender, receivedAtUs });
    this.#count(pending);
    link.push(pending);
    link.rate.take(pending.bytes);
    return pending;
  }

  /** @returns the reason not to take a further message with QoS 1 or 2, in MQTT 5 */
  #exceeds(link: Link, { qos, messageId }: ReadPublish): boolean {
    if (qos === 0 || link.dialect.version !== 5) return false;
    const { incoming } = link;
    if (qos === 2 && incoming?.open.has(messageId) === true) return false;
    // QoS 2 messages count until their PUBCOMP.
    const open = (incoming?.open.size ?? 0) - (incoming?.pending.size ?? 0);
    return link.rhythm.unacknowledged + open >= link.receiveMax;
  }

  /** In MQTT 5 the acknowledgement says so. Otherwise there is no way, and a plain one would be a lie. */
  #refuse(publish: ReadPublish, link: Link, refusal: Refusal): void {
    const reasonCode = refusal === "publish-denied" ? REASON.notAuthorized : REASON.topicInvalid;
    const canSay = link.dialect.version === 5 && publish.qos > 0;
    this.#options.events.publishRefused(refusal, link.clientId, publish.topic, canSay ? "stays" : "ends");
    if (!canSay) {
      link.handler?.end(refusal, reasonCode, publish.topic);
      return;
    }
    const pending = this.#take(publish, link);
    pending.isMuted = true;
    pending.answer = { reasonCode, reason: { text: refusal } };
    this.#settle(pending, link);
  }

  /** Only the first of equal QoS 2 messages goes to the gate. */
  #takeQos2(publish: ReadPublish, link: Link): void {
    const { incoming } = link;
    if (incoming === undefined) return;
    const releasing = incoming.releasing.get(publish.messageId);
    if (releasing !== undefined) {
      // Another message with the same id, sent before the PUBCOMP.
      link.hold();
      void releasing.then(() => {
        this.#takeQos2(publish, link);
        link.release();
      });
      return;
    }
    const { events, limits } = this.#options;
    const isKnown = incoming.ids.has(publish.messageId);
    if (!isKnown && incoming.ids.size >= limits.qos2_per_client_max) {
      events.connectionDropped("protocol-error", link.clientId, "too many QoS 2 messages without a release");
      link.handler?.end("protocol-error", REASON.quotaExceeded);
      return;
    }
    const pending = this.#take(publish, link);
    const first = isKnown ? this.#unfinished.firstOf(pending) : undefined;
    if (first !== undefined) {
      pending.isMuted = true;
      first.onFinished ??= [];
      first.onFinished.push((error) => this.#settle(pending, link, error));
      return;
    }
    incoming.pending.set(pending.messageId, pending);
    incoming.open.add(pending.messageId);
    this.#unfinished.add(pending);
    incoming.ids.begin(pending.messageId, pending.receivedAtUs).then(
      ({ receivedAtUs, stored }) => {
        pending.receivedAtUs = receivedAtUs;
        pending.isMuted = stored;
        if (stored) this.#settle(pending, link);
        else this.#offer(pending, link);
      },
      (error: unknown) => this.#settle(pending, link, asError(error)),
    );
  }

  #count(pending: PendingPublish): void {
    this.#room.add(pending.bytes);
    this.#taken++;
  }

  #offer(pending: PendingPublish, link: Link | undefined): void {
    const { topic, payload, retain } = pending;
    const clearsRetained = retain && payload.length === 0;
    if (clearsRetained || isBridgeState(topic)) {
      // No reading. The state of another broker is none either.
      this.#settle(pending, link);
      return;
    }
    try {
      this.#options.gate.accept(pending, (error, outcome) => {
        if (!pending.settled && outcome !== undefined) pending.answer = answerOf(outcome);
        this.#settle(pending, link, error);
      });
    } catch (error) {
      this.#settle(pending, link, asError(error));
    }
  }

  /** Without a link the message is a will: its connection is gone. */
  #settle(pending: PendingPublish, link: Link | undefined, error?: Error): void {
    if (pending.settled) return;
    pending.settled = true;
    pending.error = error;
    if (link === undefined) queueMicrotask(() => this.#forward(pending, undefined));
    else if (link.atGate === pending) this.#touch(link);
  }

  /** The link may have something to forward or to acknowledge. */
  #touch(link: Link): void {
    if (link.dirty) return;
    link.dirty = true;
    this.#dirtyLinks.push(link);
    // A gate usually finishes many messages at once: one flush then answers each client with one write.
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    // Not `for of`: forwarding may finish more messages.
    for (let i = 0; i < this.#dirtyLinks.length; i++) {
      const link = this.#dirtyLinks[i];
      if (link === undefined) continue;
      link.dirty = false;
      for (let pending = link.atGate; pending?.settled === true; pending = link.atGate) {
        link.atGate = pending.next;
        this.#forward(pending, link);
      }
      this.#release(link);
    }
    this.#dirtyLinks = [];
    this.#flushing = false;
    this.#report();
  }

  /**
   * Gives the message to its subscribers. Messages in the log go to them even if their sender has left. It is
   * acknowledged once the sessions of its subscribers have it.
   */
  #forward(pending: PendingPublish, link: Link | undefined): void {
    pending.forwarded = true;
    const onItsWay = pending.isMuted || pending.error !== undefined ? undefined : this.#options.forward(pending);
    if (onItsWay === undefined) {
      if (link === undefined) this.#finishWill(pending);
      return;
    }
    const { qos } = pending;
    // A retained message has its turn with QoS 0, too: how many are on their way is bounded.
    const isPassing = qos === 0 && !pending.retain;
    const arrived = (error?: Error) => {
      pending.isOnItsWay = false;
      if (qos > 0) pending.error = error;
      else if (error !== undefined) this.#options.events.brokerFailed(error);
      if (link === undefined) this.#finishWill(pending);
      else if (isPassing) {
        link.passing--;
        link.handler?.emptied();
      } else if (link.first === pending) this.#touch(link);
    };
    if (isPassing && link !== undefined) link.passing++;
    else pending.isOnItsWay = true;
    onItsWay.then(
      () => arrived(),
      (error: unknown) => arrived(asError(error)),
    );
  }

  #report(): void {
    this.#options.events.messagesMoved(this.#taken, this.#finished, this.#room.inflight);
    this.#taken = 0;
    this.#finished = 0;
    if (this.#stalledLinks.size > 0) this.#stalledLinks.wakeSoon();
    if (this.#room.inflight === 0) this.#idle?.();
  }

  /** Acknowledges from the oldest on, up to the first that is not finished. */
  #release(link: Link): void {
    const answers = new Answers(link);
    for (let pending = link.first; pending?.forwarded === true && !pending.isOnItsWay; pending = link.first) {
      link.shift();
      this.#uncount(pending);
      const { error } = pending;
      if (error !== undefined && !link.closed) {
        answers.write();
        this.#options.events.connectionDropped("gate-closed", link.clientId, error.message);
        link.drop("gate-closed");
      } else if (error === undefined) {
        if (pending.qos === 2) this.#received(pending, link);
        answers.add(pending);
      }
      if (pending.onFinished !== undefined) for (const act of pending.onFinished) act(error);
    }
    answers.write();
    if (link.inflight === 0) link.handler?.emptied();
  }

  /** PUBREC follows. */
  #received(pending: PendingPublish, link: Link): void {
    const { messageId, answer, isMuted } = pending;
    this.#unfinished.delete(pending);
    const { incoming } = link;
    if (incoming === undefined) return;
    if (incoming.pending.get(messageId) === pending) incoming.pending.delete(messageId);
    if (isMuted) return;
    // PUBREC with an error ends the delivery: the id is free again.
    if (answer !== undefined && answer.reasonCode >= REASON.unspecified) {
      incoming.open.delete(messageId);
      incoming.ids.release(messageId).catch((error: unknown) => this.#options.events.brokerFailed(error));
    } else {
      incoming.ids.stored(messageId);
    }
  }

  #uncount(pending: PendingPublish): void {
    this.#room.delete(pending.bytes);
    this.#finished++;
  }

  #finishWill(pending: PendingPublish): void {
    this.#uncount(pending);
    if (pending.onFinished !== undefined) for (const act of pending.onFinished) act(pending.error);
    this.#report();
  }
}
