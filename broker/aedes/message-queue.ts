import { TopicTrie } from "../sessions/topic-trie.ts";

/** A packet that Aedes emits. Only its topic matters here. */
interface Emitted {
  readonly topic: string;
}

/** No message has this topic, so an event with it reaches no subscriber, not even those of `#`. */
export const NOBODYS_TOPIC = "";

type Notify = (message: Emitted, done: () => void) => void;

/**
 * The event emitter that Aedes delivers through, instead of `mqemitter`. It never waits for a receiver: each
 * connection bounds its own slow subscriber (`deliveries.ts`), so that it delays neither publishers nor other
 * subscribers, and no queue can exhaust the stack as it unwinds.
 */
export class MessageQueue {
  readonly #trie = new TopicTrie<Notify>();
  #closed = false;

  on(topic: string, notify: Notify, done?: () => void): this {
    this.#trie.add(topic, notify);
    // Synchronous: Aedes registers a client whose connection ends between here and `done`, and never removes it.
    done?.();
    return this;
  }

  removeListener(topic: string, notify: Notify, done?: () => void): this {
    this.#trie.remove(topic, (value) => value === notify);
    // Synchronous: a client that reconnects while Aedes still unsubscribes its old connection would lose its
    // registration.
    done?.();
    return this;
  }

  emit(message: Emitted, done: (error?: Error) => void = ignore): this {
    if (this.#closed) {
      done(new Error("the broker is closed"));
      return this;
    }
    if (message.topic !== NOBODYS_TOPIC) this.#deliver(message);
    done();
    return this;
  }

  #deliver(message: Emitted): void {
    for (const notify of this.#trie.match(message.topic)) notify(message, ignore);
  }

  matchesAny(topic: string): boolean {
    return this.#trie.matchesAny(topic);
  }

  close(done: () => void): this {
    this.#closed = true;
    setImmediate(done);
    return this;
  }
}

function ignore(): void {}
