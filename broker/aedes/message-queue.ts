import { TopicTrie } from "../sessions/topic-trie.ts";

/** What Aedes hands round: it only needs a topic here. */
interface Emitted {
  readonly topic: string;
}

/** No message has it: what is emitted under it goes to no one, not even to those who subscribe to everything. */
export const NOBODYS_TOPIC = "";

type Notify = (message: Emitted, done: () => void) => void;

/**
 * The event emitter that Aedes delivers through, in place of `mqemitter`. It never waits for a receiver: a subscriber
 * that reads slowly is bounded at its own connection (`deliveries.ts`), so it can hold up neither a publisher nor
 * another subscriber, and there is no queue whose unwinding could exhaust the stack.
 */
export class MessageQueue {
  readonly #trie = new TopicTrie<Notify>();
  #closed = false;

  on(topic: string, notify: Notify, done?: () => void): this {
    this.#trie.add(topic, notify);
    if (done !== undefined) setImmediate(done);
    return this;
  }

  removeListener(topic: string, notify: Notify, done?: () => void): this {
    this.#trie.remove(topic, (value) => value === notify);
    // At once: a client that comes back while Aedes still unsubscribes its old connection would lose its registration.
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
