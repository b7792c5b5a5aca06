/** A message that waits for a subscriber, as Aedes knows it. */
export interface OutgoingPublish {
  readonly cmd: "publish";
  readonly brokerId: string;
  readonly brokerCounter: number;
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
  messageId?: number | undefined;
}

/** The second half of a QoS 2 delivery: the subscriber has the message, but has not confirmed its release. */
interface OutgoingRelease {
  readonly cmd: "pubrel";
  readonly messageId: number;
}

export type OutgoingPacket = OutgoingPublish | OutgoingRelease;

interface Entry {
  readonly counter: number;
  packet: OutgoingPacket;
}

/** The messages that one persistent session has not acknowledged yet, oldest first. */
export class OutgoingQueue {
  /** Keyed by the broker's own counter; a Map keeps the order. */
  readonly #byCounter = new Map<number, Entry>();
  readonly #byId = new Map<number, Entry>();
  bytes = 0;

  get size(): number {
    return this.#byCounter.size;
  }

  add(packet: OutgoingPublish): void {
    this.#byCounter.set(packet.brokerCounter, { counter: packet.brokerCounter, packet });
    this.bytes += bytesOf(packet);
  }

  /** Records that the message was sent with this packet id. */
  sent(counter: number, messageId: number): void {
    const entry = this.#byCounter.get(counter);
    if (entry?.packet.cmd !== "publish") return;
    entry.packet.messageId = messageId;
    this.#byId.set(messageId, entry);
  }

  /** QoS 2: the subscriber has the message; only its release remains. */
  received(messageId: number): void {
    const entry = this.#byId.get(messageId);
    if (entry === undefined) return;
    this.bytes -= bytesOf(entry.packet);
    entry.packet = { cmd: "pubrel", messageId };
    this.bytes += bytesOf(entry.packet);
  }

  /** Removes a completed delivery. */
  done(messageId: number): OutgoingPacket | undefined {
    const entry = this.#byId.get(messageId);
    if (entry === undefined) return undefined;
    this.#byId.delete(messageId);
    this.#byCounter.delete(entry.counter);
    this.bytes -= bytesOf(entry.packet);
    return entry.packet;
  }

  /** For a new connection. Messages that were already sent are marked as duplicates. */
  packets(): OutgoingPacket[] {
    return Array.from(this.#byCounter.values(), ({ packet }) =>
      packet.cmd === "publish" && packet.messageId !== undefined ? { ...packet, dup: true } : packet,
    );
  }
}

/** Includes an estimate of an entry's overhead. */
function bytesOf(packet: OutgoingPacket): number {
  return packet.cmd === "publish" ? packet.payload.length + packet.topic.length + 200 : 100;
}
