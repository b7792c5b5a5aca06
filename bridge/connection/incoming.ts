import type { IPublishPacket, Packet } from "mqtt-packet";
import type { MessageProperties } from "../../platform/publish-gate.ts";
import type { Connection } from "./connection.ts";
import { messageProperties } from "./properties.ts";

/** Unacknowledged messages. At this limit, the bridge stops reading. */
export const IN_FLIGHT_MAX = 2_000;
/** The same for their bytes: a broker may send large messages only. */
const IN_FLIGHT_BYTES_MAX = 32 * 1_048_576;

/** A message as the outside broker sent it. */
export interface RemoteMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly properties?: MessageProperties;
}

/** A message on its way to the log. `packetId` is undefined for QoS 0. */
interface Pending {
  readonly qos: 0 | 1 | 2;
  readonly packetId: number | undefined;
  readonly bytes: number;
  kept: boolean;
}

/**
 * The messages of one connection. Many are in flight to the log at a time. Each is acknowledged once it is in the log,
 * in order of arrival. The broker resends unacknowledged messages on the next connection.
 */
export class Incoming {
  readonly #connection: Connection;
  readonly #accept: (message: RemoteMessage, done: (error?: Error) => void) => void;
  readonly #pending: Pending[] = [];
  #pendingBytes = 0;
  /**
   * Ids of QoS 2 messages that are in the log but not released yet. A second message with such an id is a duplicate.
   */
  readonly #unreleased = new Set<number>();
  #acknowledgements: Buffer[] = [];
  #onSettled: (() => void) | undefined;
  #stopping = false;

  constructor(connection: Connection, accept: (message: RemoteMessage, done: (error?: Error) => void) => void) {
    this.#connection = connection;
    this.#accept = accept;
  }

  onPacket(packet: Packet): void {
    if (packet.cmd === "publish") this.#onPublish(packet);
    else if (packet.cmd === "pubrel") {
      const messageId = packet.messageId ?? 0;
      this.#unreleased.delete(messageId);
      this.#connection.send({ cmd: "pubcomp", messageId, reasonCode: 0 });
    }
  }

  /** Takes no more messages, and acknowledges those that reach the log within `msMax`. */
  async settle(msMax: number): Promise<void> {
    this.#stopping = true;
    if (this.#pending.length > 0 && this.#connection.writable) {
      await new Promise<void>((resolve) => {
        const overdue = setTimeout(resolve, msMax);
        this.#onSettled = () => {
          clearTimeout(overdue);
          resolve();
        };
      });
    }
    this.#flush();
  }

  /** The connection has ended: nothing more will be acknowledged. */
  ended(): void {
    this.#onSettled?.();
  }

  #onPublish({ qos, messageId, topic, payload, retain, properties }: IPublishPacket): void {
    if (this.#stopping) return;
    if (topic === "") {
      // Without a topic it needs a topic alias, and Weir has allowed none.
      this.#connection.drop({ kind: "not-mqtt", text: "the broker sent a message without a topic" });
      return;
    }
    if (qos === 2 && messageId !== undefined && this.#unreleased.has(messageId)) {
      // Its first PUBREC was lost, or has not been sent yet.
      if (!this.#pending.some(({ packetId }) => packetId === messageId)) this.#acknowledge(2, messageId);
      return;
    }
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    const packetId = qos === 0 ? undefined : messageId;
    const pending: Pending = { qos, packetId, bytes: bytes.length, kept: false };
    if (qos === 2 && messageId !== undefined) this.#unreleased.add(messageId);
    this.#pending.push(pending);
    this.#pendingBytes += pending.bytes;
    if (this.#isFull(1)) this.#connection.pauseReading();
    const message = messageProperties(properties);
    const remote = { topic, payload: bytes, qos, retain };
    this.#accept(message === undefined ? remote : { ...remote, properties: message }, (error) => {
      if (error) {
        this.#connection.drop({ kind: "gateway", text: `a message could not be kept: ${error.message}` });
        return;
      }
      pending.kept = true;
      if (this.#pending[0] === pending) this.#settleOldest();
    });
  }

  /** Acknowledges from the oldest on, up to the first message that is not in the log yet. */
  #settleOldest(): void {
    let kept = 0;
    for (const { qos, packetId, bytes, kept: isKept } of this.#pending) {
      if (!isKept) break;
      kept++;
      this.#pendingBytes -= bytes;
      if (packetId !== undefined) this.#acknowledge(qos, packetId);
    }
    this.#pending.splice(0, kept);
    if (this.#pending.length === 0) this.#onSettled?.();
    if (!this.#isFull(0.5)) this.#connection.resumeReading();
  }

  #isFull(share: number): boolean {
    return this.#pending.length >= share * IN_FLIGHT_MAX || this.#pendingBytes >= share * IN_FLIGHT_BYTES_MAX;
  }

  /** One frame stores many messages at once, so their acknowledgements share one write. */
  #acknowledge(qos: 0 | 1 | 2, messageId: number): void {
    if (this.#acknowledgements.length === 0) setImmediate(() => this.#flush());
    const cmd = qos === 2 ? "pubrec" : "puback";
    this.#acknowledgements.push(this.#connection.encode({ cmd, messageId, reasonCode: 0 }));
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#acknowledgements);
    this.#acknowledgements = [];
    if (bytes.length > 0) this.#connection.write(bytes);
  }
}
