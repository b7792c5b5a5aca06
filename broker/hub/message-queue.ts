import { TopicTrie } from "../common/topic-trie.ts";

/** A packet that Aedes emits. Only its topic matters here. */
interface Emitted {
  readonly topic: string;
}

type Notify<Packet> = (message: Packet, done: () => void) => void;

/**
 * The event emitter that Aedes delivers through, instead of `mqemitter`. Aedes' own listeners get their packets, and
 * `deliver` gets all. It never waits for a receiver: each connection bounds its own slow subscriber
 * (`connection/outgoing.ts`), so that it delays neither publishers nor other subscribers.
 */
export class MessageQueue<Packet extends Emitted> {
  readonly #trie = new TopicTrie<Notify<Packet>>();
  readonly #deliver: (packet: Packet) => void;
  #closed = false;

  constructor(deliver: (packet: Packet) => void) {
    this.#deliver = deliver;
  }

  on(topic: string, notify: Notify<Packet>, done?: () => void): this {
    this.#trie.add(topic, notify);
    done?.();
    return this;
  }

  removeListener(topic: string, notify: Notify<Packet>, done?: () => void): this {
    this.#trie.remove(topic, (value) => value === notify);
    done?.();
    return this;
  }

  emit(message: Packet, done: (error?: Error) => void = ignore): this {
    if (this.#closed) {
      done(new Error("the broker is closed"));
      return this;
    }
    for (const notify of this.#trie.match(message.topic)) notify(message, ignore);
    this.#deliver(message);
    done();
    return this;
  }

  close(done: () => void): this {
    this.#closed = true;
    setImmediate(done);
    return this;
  }
}

function ignore(): void {}
