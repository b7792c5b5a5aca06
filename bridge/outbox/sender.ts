import type { IPubackPacket } from "mqtt-packet";
import { bridgeSubject } from "../../domain/subjects.ts";
import type { Log, LogReader } from "../../platform/log/port.ts";
import { publishRefusal } from "../common/reasons.ts";
import { type BrokerFacts, type Connection, isFailure } from "../connection/connection.ts";
import { packetProperties } from "../connection/properties.ts";
import { decodeMessages, type OutgoingMessage } from "./frame.ts";
import type { Cursor } from "./place.ts";

export interface SenderDeps {
  readonly log: Log;
  readonly bridge: string;
  readonly connection: Connection;
  readonly version: 4 | 5;
  readonly facts: BrokerFacts;
  /** Everything before this is sent and acknowledged. */
  onProgress(next: Cursor): void;
  onSent(): void;
  onDropped(reason: "too-large" | "refused" | "damaged", topic: string, why: string): void;
}

interface InFlight {
  /** The place behind this message. */
  readonly next: Cursor;
  readonly topic: string;
  packetId: number | undefined;
  finished: boolean;
}

/** Unacknowledged messages. */
const WINDOW_MAX = 500;
/** With those that are acknowledged, but wait for one before them. */
const IN_ORDER_MAX = 5_000;
const BACKLOG_BYTES_MAX = 1_048_576;
const PACKET_IDS = 65_535;
const QUOTA_EXCEEDED = 0x97;

/**
 * Sends what waits in the log over one connection, in order, many at a time. The place moves on as the outside broker
 * acknowledges. What it has not acknowledged when the connection ends is sent again over the next one.
 */
export class Sender {
  readonly #deps: SenderDeps;
  readonly #inFlight: InFlight[] = [];
  readonly #byId = new Map<number, InFlight>();
  readonly #windowMax: number;
  #nextId = 1;
  #reader: LogReader | undefined;
  #wake: (() => void) | undefined;
  #awaitsDrain = false;
  #stopped = false;

  constructor(deps: SenderDeps) {
    this.#deps = deps;
    this.#windowMax = Math.min(deps.facts.receiveMaximum, WINDOW_MAX);
  }

  /** Resolves when it is stopped; rejects if the log fails. */
  async run(from: Cursor): Promise<void> {
    const { log, bridge } = this.#deps;
    if (this.#stopped) return;
    this.#reader = log.read({
      stream: "BRIDGES",
      subjects: [bridgeSubject(bridge)],
      from: { kind: "sequence", sequence: from.sequence },
    });
    for await (const entries of this.#reader) {
      for (const { sequence, payload } of entries) {
        const skipped = sequence === from.sequence ? from.index : 0;
        if (!(await this.#sendEntry(sequence, payload, skipped))) return;
      }
    }
  }

  /** Sends nothing more, and waits up to `msMax` for acknowledgements. */
  async settle(msMax: number): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    await this.#reader?.close();
    const untilMs = performance.now() + msMax;
    while (this.#inFlight.length > 0 && this.#deps.connection.writable && performance.now() < untilMs) {
      await this.#woken(untilMs - performance.now());
    }
  }

  /** The connection has ended. */
  ended(): void {
    this.#stopped = true;
    this.#wake?.();
    void this.#reader?.close();
  }

  onPuback({ messageId = 0, reasonCode = 0, properties }: IPubackPacket): void {
    const message = this.#byId.get(messageId);
    if (message === undefined) return;
    if (isFailure(reasonCode)) {
      const why = publishRefusal(reasonCode, properties?.reasonString);
      if (reasonCode === QUOTA_EXCEEDED) {
        this.#deps.connection.drop({ kind: "refused", text: `the broker takes no message now: ${why}` });
        return;
      }
      this.#deps.onDropped("refused", message.topic, why);
    } else this.#deps.onSent();
    this.#byId.delete(messageId);
    message.finished = true;
    this.#advance();
  }

  /** False: stopped meanwhile. */
  async #sendEntry(sequence: number, payload: Uint8Array, skipped: number): Promise<boolean> {
    let messages: readonly OutgoingMessage[];
    try {
      messages = decodeMessages(payload);
    } catch (error) {
      this.#deps.onDropped("damaged", "", `entry ${sequence} of BRIDGES cannot be read: ${error}`);
      messages = [];
    }
    const end = { sequence: sequence + 1, index: 0 };
    if (messages.length === 0) this.#finishAt(end, "");
    for (const [index, message] of messages.entries()) {
      if (index < skipped) continue;
      while (!this.#stopped && this.#isFull()) await this.#woken();
      if (this.#stopped) return false;
      this.#send(message, index === messages.length - 1 ? end : { sequence, index: index + 1 });
    }
    return true;
  }

  #send(message: OutgoingMessage, next: Cursor): void {
    const { connection, version, facts } = this.#deps;
    const qos = facts.maximumQos === 0 ? 0 : message.qos;
    const messageId = qos === 0 ? undefined : this.#takeId();
    const { topic, payload, retain, properties } = message;
    const bytes = connection.encode({
      cmd: "publish",
      topic,
      payload: Buffer.from(payload),
      qos,
      retain: retain && facts.retainAvailable,
      dup: false,
      ...(messageId === undefined ? {} : { messageId }),
      ...(version === 4 || properties === undefined ? {} : { properties: packetProperties(properties) }),
    });
    if (bytes.length > facts.packetBytesMax) {
      const why = `it has ${bytes.length} bytes, and the broker takes ${facts.packetBytesMax}`;
      this.#deps.onDropped("too-large", topic, why);
      this.#finishAt(next, topic);
      return;
    }
    const sent: InFlight = { next, topic, packetId: messageId, finished: messageId === undefined };
    if (messageId === undefined) this.#deps.onSent();
    else this.#byId.set(messageId, sent);
    this.#inFlight.push(sent);
    connection.write(bytes);
    if (sent.finished) this.#advance();
  }

  #finishAt(next: Cursor, topic: string): void {
    this.#inFlight.push({ next, topic, packetId: undefined, finished: true });
    this.#advance();
  }

  #advance(): void {
    let finished = 0;
    let next: Cursor | undefined;
    for (const each of this.#inFlight) {
      if (!each.finished) break;
      finished++;
      next = each.next;
    }
    this.#inFlight.splice(0, finished);
    if (next !== undefined) this.#deps.onProgress(next);
    this.#wake?.();
  }

  #isFull(): boolean {
    const { length } = this.#inFlight;
    return (
      this.#byId.size >= this.#windowMax ||
      length >= IN_ORDER_MAX ||
      this.#deps.connection.backlogBytes > BACKLOG_BYTES_MAX
    );
  }

  /** Until an acknowledgement arrives, what is written has left, or the connection ends. */
  #woken(msMax?: number): Promise<void> {
    return new Promise((resolve) => {
      const overdue = msMax === undefined ? undefined : setTimeout(done, msMax);
      this.#wake = done;
      this.#wakeOnDrain();
      function done(): void {
        clearTimeout(overdue);
        resolve();
      }
    });
  }

  #wakeOnDrain(): void {
    const { connection } = this.#deps;
    if (this.#awaitsDrain || connection.backlogBytes <= BACKLOG_BYTES_MAX) return;
    this.#awaitsDrain = true;
    connection.onceDrained(() => {
      this.#awaitsDrain = false;
      this.#wake?.();
    });
  }

  #takeId(): number {
    // The window is far smaller than the number of ids, so one is free.
    while (this.#byId.has(this.#nextId)) this.#nextId = (this.#nextId % PACKET_IDS) + 1;
    const id = this.#nextId;
    this.#nextId = (this.#nextId % PACKET_IDS) + 1;
    return id;
  }
}
