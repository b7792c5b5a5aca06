import type { IConnackPacket, IPublishPacket, Packet } from "mqtt-packet";
import { type ClientOptions, PersistentClient } from "./persistent-client.ts";

export interface SubscriberOptions extends ClientOptions {
  readonly filter: string;
  readonly qos: 1 | 2;
  /** The first SUBACK came. */
  readonly onSubscribed: () => void;
  readonly onMessage: (topic: string, payload: string) => void;
  /** It acknowledges some messages late, so that connections break with messages in flight. */
  readonly lateShare: number;
}

const LATE_MS_MAX = 40;

/** Keeps what MQTT asks of a receiver: packet ids of QoS 2 whose PUBREL has not come, across connections. */
export class Subscriber extends PersistentClient {
  readonly #own: SubscriberOptions;
  readonly #unreleased = new Set<number>();
  #isSubscribed = false;
  /** Acknowledgements go out in order: one that is late holds up the others. */
  #waiting: Packet[] = [];
  #timer: NodeJS.Timeout | undefined;
  received = 0;

  constructor(options: SubscriberOptions) {
    super(options);
    this.#own = options;
  }

  get isSubscribed(): boolean {
    return this.#isSubscribed;
  }

  protected override onConnected(_connack: IConnackPacket): void {
    if (this.#isSubscribed) return;
    const { filter, qos } = this.#own;
    this.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: filter, qos, nl: false, rap: true, rh: 2 }] });
  }

  protected override onPacket(packet: Packet): void {
    switch (packet.cmd) {
      case "suback":
        this.#subscribed(Number(packet.granted[0] ?? 0x80));
        return;
      case "publish":
        this.#publish(packet);
        return;
      case "pubrel":
        this.#unreleased.delete(packet.messageId ?? 0);
        this.#answer({ cmd: "pubcomp", messageId: packet.messageId ?? 0 });
        return;
      default:
        return;
    }
  }

  protected override onGone(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  protected override onForgotten(): void {
    this.#unreleased.clear();
    this.#isSubscribed = false;
  }

  #subscribed(code: number): void {
    const { filter, onSubscribed } = this.#own;
    if (code >= 0x80) {
      this.options.oracle.differences.add("subscription refused", `${filter} with 0x${code.toString(16)}`);
      return;
    }
    this.#isSubscribed = true;
    onSubscribed();
  }

  #publish({ topic, payload, qos, messageId = 0 }: IPublishPacket): void {
    const isRepeat = qos === 2 && this.#unreleased.has(messageId);
    if (!isRepeat) {
      this.received += 1;
      this.#own.onMessage(topic, payload.toString());
    }
    if (qos === 2) this.#unreleased.add(messageId);
    if (qos > 0) this.#answer({ cmd: qos === 2 ? "pubrec" : "puback", messageId });
  }

  #answer(packet: Packet): void {
    const { random } = this.options;
    if (this.#waiting.length === 0 && !random.chance(this.#own.lateShare)) {
      this.send(packet);
      return;
    }
    this.#waiting.push(packet);
    if (this.#waiting.length > 1) return;
    this.#timer = setTimeout(
      () => {
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const each of waiting) this.send(each);
      },
      random.whole(1, LATE_MS_MAX),
    );
  }
}
