import { Aedes, type AedesPublishPacket } from "aedes";
import type { BrokerEvents } from "../common/events.ts";
import type { Message } from "../store/port.ts";
import { MessageQueue } from "./message-queue.ts";

/** What the hub does with each message, in this order. */
export interface HubOptions {
  readonly events: BrokerEvents;
  readonly nowUs: () => number;
  readonly topicLevelsMax: number;
  /** Only with the retain flag. Resolves once the message is safe. */
  readonly retain: (message: Message) => Promise<void>;
  /** Only with QoS 1 and 2. Resolves once the persistent sessions of the subscribers have it. */
  readonly enqueue: (message: Message) => Promise<void>;
  /** Gives it to connected subscribers. */
  readonly deliver: (message: Message) => void;
}

/** Carries a message through Aedes' packets, which keep the properties by reference. */
type Carrier = NonNullable<AedesPublishPacket["properties"]> & { readonly message: Message };

/** Subscribers are found when the message is there, not only its topic. */
const UNKNOWN_YET: readonly never[] = [];
/** Only sets the threshold of Aedes' warning about listeners; our message queue has no such limit. */
const CONCURRENCY = 100;

/**
 * Aedes, as the hub behind the connections (ADR 27): a message is first retained, then put into the queues of
 * persistent sessions, and then emitted to connected subscribers. Aedes sees no client.
 */
export class Hub {
  readonly #options: HubOptions;
  readonly #aedes: Aedes;

  constructor(options: HubOptions) {
    this.#options = options;
    const { events, topicLevelsMax } = options;
    this.#aedes = new Aedes({
      mq: new MessageQueue<AedesPublishPacket>((packet) => options.deliver(this.#messageOf(packet))),
      persistence: {
        setup: async () => {},
        storeRetained: (packet: AedesPublishPacket) => options.retain(this.#messageOf(packet)),
        subscriptionsByTopic: async () => UNKNOWN_YET,
        outgoingEnqueueCombi: (_none: unknown, packet: AedesPublishPacket) => options.enqueue(this.#messageOf(packet)),
        // Aedes asks for the wills of other brokers that died: sessions keep them.
        async *streamWill() {},
      },
      concurrency: CONCURRENCY,
      maxTopicLevels: topicLevelsMax,
    });
    // Missing from Aedes' type: it reports failures of its persistence.
    this.#aedes.addListener("error", (error) => events.brokerFailed(error));
  }

  async start(): Promise<void> {
    await this.#aedes.listen();
  }

  /** Resolves once the message is retained, queued and emitted, as far as it asks for that. */
  publish(message: Message): Promise<void> {
    const { topic, qos, retain } = message;
    const carrier: Carrier = { message };
    return new Promise((resolve, reject) => {
      const done = (error?: Error | null) => (error ? reject(error) : resolve());
      const payload = Buffer.from(message.payload.buffer, message.payload.byteOffset, message.payload.length);
      const packet = { cmd: "publish" as const, topic, payload, qos, retain, dup: false, properties: carrier };
      this.#aedes.publish(packet, done);
    });
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
  }

  /** Aedes publishes some messages of its own, below `$SYS/`. */
  #messageOf(packet: AedesPublishPacket): Message {
    const { properties }: { properties?: unknown } = packet;
    if (isCarrier(properties)) return properties.message;
    const { topic, payload, qos, retain } = packet;
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    return { topic, payload: bytes, qos, retain, publisher: "", receivedAtUs: this.#options.nowUs() };
  }
}

function isCarrier(properties: unknown): properties is Carrier {
  return typeof properties === "object" && properties !== null && "message" in properties;
}
