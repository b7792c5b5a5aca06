import { TopicTrie } from "./topic-trie.ts";

export interface RetainedMessage {
  readonly cmd: "publish";
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
}

/** The last retained message of each topic, bounded in number and bytes. */
export class Retained {
  readonly #messages = new Map<string, RetainedMessage>();
  readonly #messagesMax: number;
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(limits: { readonly messagesMax: number; readonly bytesMax: number }) {
    this.#messagesMax = limits.messagesMax;
    this.#bytesMax = limits.bytesMax;
  }

  /**
   * An empty payload deletes the topic's message. Returns false if there is no room; the topic's older message is
   * then deleted too.
   */
  store(message: RetainedMessage): boolean {
    const before = this.#messages.get(message.topic);
    if (before !== undefined) {
      this.#messages.delete(message.topic);
      this.#bytes -= bytesOf(before);
    }
    if (message.payload.length === 0) return true;
    if (this.#messages.size >= this.#messagesMax || this.#bytes + bytesOf(message) > this.#bytesMax) return false;
    // The payload is a view of the socket's buffer. A copy does not keep the whole buffer in memory.
    const { topic, qos } = message;
    this.#messages.set(topic, { cmd: "publish", topic, qos, retain: true, payload: Buffer.from(message.payload) });
    this.#bytes += bytesOf(message);
    return true;
  }

  *matching(filters: readonly string[]): Generator<RetainedMessage> {
    const trie = new TopicTrie<true>();
    for (const filter of filters) trie.add(filter, true);
    for (const message of this.#messages.values()) if (trie.matchesAny(message.topic)) yield message;
  }
}

function bytesOf(message: RetainedMessage): number {
  return message.payload.length + message.topic.length;
}
