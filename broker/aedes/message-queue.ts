import { TopicTrie } from "../sessions/topic-trie.ts";

/** What Aedes emits. Only its topic matters here. */
interface Emitted {
  readonly topic: string;
}

/** No message has this topic: what is emitted under it reaches nobody, not even subscribers of `#`. */
export const NOBODYS_TOPIC = "";

type Notify = (message: Emitted, done: () => void) => void;

/**
 * The event emitter that Aedes delivers through, instead of `mqemitter`. It never waits for a receiver: a slow
 * subscriber is bounded at its own connection (`deliveries.ts`), so it delays neither publishers nor other subscribers,
 * and there is no queue that could exhaust the stack when it unwinds.
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
    // At once: a client that reconnects while Aedes still unsubscribes its old connection would lose its registration.
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
