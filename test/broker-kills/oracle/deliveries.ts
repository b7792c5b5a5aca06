import type { Differences } from "./differences.ts";

export interface ReceiverOptions {
  /** A subscriber, or a group that shares a subscription. */
  readonly name: string;
  readonly matches: (topic: string) => boolean;
  /** Topics whose messages may not come twice: publisher and subscription have QoS 2. */
  readonly exactlyOnce: (topic: string) => boolean;
  /** First receipts follow the publisher's order. Members of a group have none among them. */
  readonly ordered: boolean;
}

interface Topic {
  /** The highest number that was published. Numbers count from 1; each topic has one publisher and one QoS. */
  sent: number;
  /** By number. */
  readonly acknowledged: Bytes;
  lastAcknowledged: number;
}

interface Received {
  /** Messages from this number on must come: they were published after the subscription was confirmed. */
  readonly from: number;
  /** Times received, by number. */
  readonly counts: Bytes;
  lastFirst: number;
}

interface Receiver {
  readonly options: ReceiverOptions;
  readonly topics: Map<string, Received>;
}

/**
 * What was published, acknowledged and received. Nothing that was acknowledged may be missing, nothing of QoS 2 may come
 * twice, and first receipts come in the order of publishing.
 */
export class Deliveries {
  readonly #differences: Differences;
  readonly #topics = new Map<string, Topic>();
  readonly #receivers = new Map<string, Receiver>();
  acknowledged = 0;
  receipts = 0;
  repeats = 0;

  constructor(differences: Differences) {
    this.#differences = differences;
  }

  /** By topic: the highest number that was sent. */
  get sentByTopic(): ReadonlyMap<string, number> {
    return new Map([...this.#topics].map(([topic, { sent }]) => [topic, sent]));
  }

  isAcknowledged(topic: string, number: number): boolean {
    return (this.#topics.get(topic)?.acknowledged.at(number) ?? 0) > 0;
  }

  /** Before its first copy goes out. Numbers of a topic come without gaps, from 1. */
  sent(topic: string, number: number): void {
    const of = this.#topicOf(topic);
    if (number !== of.sent + 1) throw new Error(`${topic}: ${number} was sent after ${of.sent}`);
    of.sent = number;
  }

  /** The broker took it over: PUBACK or PUBREC. */
  acknowledge(topic: string, number: number): void {
    const of = this.#topicOf(topic);
    if (number > of.sent) this.#differences.add("acknowledged before it was sent", `${topic} ${number}`);
    if (of.acknowledged.at(number) > 0) this.#differences.add("acknowledged twice", `${topic} ${number}`);
    if (number < of.lastAcknowledged) {
      this.#differences.add("acknowledged out of order", `${topic} ${number} after ${of.lastAcknowledged}`);
    }
    of.lastAcknowledged = Math.max(number, of.lastAcknowledged);
    of.acknowledged.set(number, 1);
    this.acknowledged += 1;
  }

  /** The broker confirmed the subscription: what is sent from now on must come. */
  subscribed(options: ReceiverOptions): void {
    const receiver: Receiver = { options, topics: new Map() };
    for (const [topic, { sent }] of this.#topics) {
      if (options.matches(topic)) receiver.topics.set(topic, newReceived(sent + 1));
    }
    this.#receivers.set(options.name, receiver);
  }

  isSubscribed(name: string): boolean {
    return this.#receivers.has(name);
  }

  received(name: string, topic: string, number: number): void {
    const receiver = this.#receivers.get(name);
    // Before the SUBACK was read; nothing is owed yet.
    if (receiver === undefined) return;
    const { options } = receiver;
    if (!options.matches(topic)) {
      this.#differences.add("received without a subscription", `${name}: ${topic}`);
      return;
    }
    if (number > (this.#topics.get(topic)?.sent ?? 0) || number < 1 || !Number.isSafeInteger(number)) {
      this.#differences.add("received but never sent", `${name}: ${topic} ${number}`);
      return;
    }
    const of = this.#receivedOf(receiver, topic);
    const count = of.counts.at(number);
    of.counts.set(number, count + 1);
    this.receipts += 1;
    if (count > 0) {
      this.repeats += 1;
      if (options.exactlyOnce(topic)) this.#differences.add("received twice", `${name}: ${topic} ${number}`);
      return;
    }
    if (options.ordered && number < of.lastFirst) {
      this.#differences.add("received out of order", `${name}: ${topic} ${number} after ${of.lastFirst}`);
    }
    of.lastFirst = Math.max(number, of.lastFirst);
  }

  /** Messages that must come and have not come yet. */
  missing(): number {
    let missing = 0;
    this.#eachMissing(() => {
      missing += 1;
    });
    return missing;
  }

  firstMissing(): string | undefined {
    let first: string | undefined;
    this.#eachMissing((name, topic, number) => {
      first ??= `${name}: ${topic} ${number}`;
    });
    return first;
  }

  /** At the end, when everything had the time to come. */
  finish(): void {
    this.#eachMissing((name, topic, number) => this.#differences.add("lost", `${name}: ${topic} ${number}`));
  }

  #eachMissing(act: (name: string, topic: string, number: number) => void): void {
    for (const [name, receiver] of this.#receivers) {
      for (const [topic, { sent, acknowledged }] of this.#topics) {
        if (!receiver.options.matches(topic)) continue;
        const { from, counts } = this.#receivedOf(receiver, topic);
        for (let number = from; number <= sent; number++) {
          if (acknowledged.at(number) > 0 && counts.at(number) === 0) act(name, topic, number);
        }
      }
    }
  }

  #topicOf(topic: string): Topic {
    let of = this.#topics.get(topic);
    if (of === undefined) {
      of = { sent: 0, acknowledged: new Bytes(), lastAcknowledged: 0 };
      this.#topics.set(topic, of);
    }
    return of;
  }

  #receivedOf(receiver: Receiver, topic: string): Received {
    let of = receiver.topics.get(topic);
    if (of === undefined) {
      // The topic is newer than the subscription.
      of = newReceived(1);
      receiver.topics.set(topic, of);
    }
    return of;
  }
}

function newReceived(from: number): Received {
  return { from, counts: new Bytes(), lastFirst: 0 };
}

const BYTE_MAX = 255;

/** Small counts by number; grows. */
class Bytes {
  #bytes = new Uint8Array(1024);

  at(index: number): number {
    return this.#bytes[index] ?? 0;
  }

  set(index: number, value: number): void {
    if (index >= this.#bytes.length) {
      const larger = new Uint8Array(Math.max(index + 1, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[index] = Math.min(value, BYTE_MAX);
  }
}
