import type { IConnackPacket, IPublishPacket, Packet } from "mqtt-packet";
import { QOS_1, QOS_2, STATES } from "../common/topics.ts";
import { type ClientOptions, PersistentClient } from "./persistent-client.ts";

interface Outgoing {
  readonly topic: string;
  readonly number: number;
  readonly publish: IPublishPacket;
  /** The broker took a message of QoS 2 over: only the PUBREL is repeated. */
  state: "sent" | "released";
}

export interface PublisherOptions extends ClientOptions {
  /** The last part of its topics, and the device of its readings. */
  readonly name: string;
  readonly perSecond: number;
}

const TICK_MS = 10;
const IN_FLIGHT_MAX = 40;
const SLOTS = 5;
const PACKET_ID_MAX = 65_535;
/** It does not catch up on a long pause at once. */
const BEHIND_MAX = 100;

/** Publishes with QoS 1 and 2, and repeats in order what was not acknowledged, as MQTT asks of a client. */
export class Publisher extends PersistentClient {
  readonly #own: PublisherOptions;
  /** By packet id, in the order of the first sending. */
  readonly #inFlight = new Map<number, Outgoing>();
  readonly #numbers = new Map<string, number>();
  #window = IN_FLIGHT_MAX;
  #lastId = 0;
  #ticking: NodeJS.Timeout | undefined;
  #dueCount = 0;
  #lastTickMs = 0;
  sent = 0;
  repeated = 0;

  constructor(options: PublisherOptions) {
    super(options);
    this.#own = options;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  start(): void {
    this.come();
    this.#lastTickMs = performance.now();
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
  }

  /** No new messages; it goes on repeating the unacknowledged ones. */
  finish(): void {
    clearInterval(this.#ticking);
  }

  protected override onConnected({ properties }: IConnackPacket): void {
    this.#window = Math.min(IN_FLIGHT_MAX, properties?.receiveMaximum ?? PACKET_ID_MAX);
    for (const [messageId, outgoing] of this.#inFlight) {
      this.repeated += 1;
      if (outgoing.state === "released") this.send({ cmd: "pubrel", messageId });
      else this.send({ ...outgoing.publish, dup: true });
    }
  }

  protected override onPacket(packet: Packet): void {
    const messageId = packet.messageId ?? 0;
    const outgoing = this.#inFlight.get(messageId);
    switch (packet.cmd) {
      case "puback":
        if (outgoing === undefined) return;
        this.#inFlight.delete(messageId);
        this.#acknowledged(outgoing, packet.reasonCode);
        return;
      case "pubrec":
        if ((packet.reasonCode ?? 0) >= 0x80 && outgoing !== undefined) {
          this.#inFlight.delete(messageId);
          this.#acknowledged(outgoing, packet.reasonCode);
          return;
        }
        if (outgoing?.state === "sent") {
          outgoing.state = "released";
          this.#acknowledged(outgoing, packet.reasonCode);
        }
        this.send({ cmd: "pubrel", messageId });
        return;
      case "pubcomp":
        if (outgoing?.state === "released") this.#inFlight.delete(messageId);
        return;
      default:
        return;
    }
  }

  protected override onGone(): void {}

  // Its messages are in flight still: they are repeated, and perhaps doubled.
  protected override onForgotten(): void {}

  #acknowledged({ topic, number }: Outgoing, reasonCode = 0): void {
    const { oracle } = this.options;
    if (reasonCode >= 0x80) {
      oracle.differences.add("refused", `${topic} ${number} with 0x${reasonCode.toString(16)}`);
    } else if (topic.startsWith(STATES)) oracle.retained.acknowledge(topic, number);
    else oracle.deliveries.acknowledge(topic, number);
  }

  #tick(): void {
    const nowMs = performance.now();
    this.#dueCount = Math.min(BEHIND_MAX, this.#dueCount + ((nowMs - this.#lastTickMs) * this.#own.perSecond) / 1000);
    this.#lastTickMs = nowMs;
    while (this.#dueCount >= 1 && this.#inFlight.size < this.#window) {
      this.#dueCount -= 1;
      this.#publishNext();
    }
  }

  #publishNext(): void {
    const { random, oracle } = this.options;
    const { name } = this.#own;
    const kind = random.next();
    const slot = random.whole(1, SLOTS);
    const topic = kind < 0.4 ? `${QOS_1}${name}` : kind < 0.8 ? `${QOS_2}${name}` : `${STATES}${name}/${slot}`;
    const number = (this.#numbers.get(topic) ?? 0) + 1;
    this.#numbers.set(topic, number);
    const isState = topic.startsWith(STATES);
    const isDeletion = isState && random.chance(0.15);
    if (isState) oracle.retained.sent(topic, number, isDeletion);
    else oracle.deliveries.sent(topic, number);
    const qos = topic.startsWith(QOS_2) ? 2 : 1;
    const messageId = this.#nextId();
    const payload = isDeletion ? "" : JSON.stringify(qos === 1 ? { n: number, ts: Date.now() } : { n: number });
    const publish: IPublishPacket = { cmd: "publish", topic, payload, qos, dup: false, retain: isState, messageId };
    this.#inFlight.set(messageId, { topic, number, publish, state: "sent" });
    this.sent += 1;
    if (this.isHere) this.send(publish);
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId % PACKET_ID_MAX) + 1;
    while (this.#inFlight.has(this.#lastId));
    return this.#lastId;
  }
}
