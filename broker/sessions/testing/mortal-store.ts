import type { ClaimedSession, SessionQueue, SessionStore } from "../../store/port.ts";

/**
 * A store that dies before or after one of its writes, as in a crash: from then on it stores and answers nothing.
 * What is saved "soon" is saved with the next write of its queue, or lost.
 */
export class MortalStore {
  readonly store: SessionStore;
  /** Resolves when it dies. */
  readonly death: Promise<void>;
  /** Writes of queues, by their client ids. */
  readonly queueWrites = new Map<string, number>();
  readonly #dieAt: number;
  #step = 0;
  #die: () => void = () => {};
  #isDead = false;

  /** Each write is two steps: before and after it. Dies at this one, counted from 1. */
  constructor(inner: SessionStore, dieAt: number) {
    this.#dieAt = dieAt;
    this.death = new Promise((resolve) => {
      this.#die = resolve;
    });
    this.store = {
      start: (events) => inner.start(events),
      stop: () => inner.stop(),
      sessions: () => inner.sessions(),
      session: (clientId) => inner.session(clientId),
      claim: async (clientId, wish) => this.#mortal(await this.#write(() => inner.claim(clientId, wish))),
      save: (record, over) => this.#write(() => inner.save(record, over)),
      remove: (clientId, epoch) => this.#write(() => inner.remove(clientId, epoch)),
      enqueue: (message, copies) => this.#write(() => inner.enqueue(message, copies)),
      retain: (topic, message) => this.#write(() => inner.retain(topic, message)),
      retained: () => inner.retained(),
      expire: (nowUs) => this.#write(() => inner.expire(nowUs)),
    };
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  async #write<Result>(act: () => Promise<Result>): Promise<Result> {
    await this.#live();
    const result = await act();
    await this.#live();
    return result;
  }

  async #live(): Promise<void> {
    this.#step += 1;
    if (this.#step === this.#dieAt) {
      this.#isDead = true;
      this.#die();
    }
    if (this.#isDead) await new Promise<never>(() => {});
  }

  #mortal(claimed: ClaimedSession): ClaimedSession {
    return { ...claimed, queue: this.#mortalQueue(claimed.record.clientId, claimed.queue) };
  }

  #mortalQueue(clientId: string, queue: SessionQueue): SessionQueue {
    const soon: number[] = [];
    const write = (act: () => Promise<void>) =>
      this.#write(async () => {
        this.queueWrites.set(clientId, (this.queueWrites.get(clientId) ?? 0) + 1);
        for (const ordinal of soon.splice(0)) queue.finish(ordinal);
        await act();
      });
    return {
      get length() {
        return queue.length;
      },
      read: (max) => (this.#isDead ? new Promise<never>(() => {}) : queue.read(max)),
      onMore: (act) => queue.onMore(act),
      finish: (ordinal) => void soon.push(ordinal),
      received: (ordinal) => write(() => queue.received(ordinal)),
      assign: (takers) => write(() => queue.assign(takers)),
      takerOf: (ordinal) => queue.takerOf(ordinal),
      unreleased: queue.unreleased,
      sentUpTo: queue.sentUpTo,
      close: () => write(() => queue.close()),
    };
  }
}
