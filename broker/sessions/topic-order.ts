interface OnTheirWay {
  readonly kind: number;
  /** What they wait for: the messages of another kind before them. */
  readonly gate: Promise<unknown> | undefined;
  /** Settles when all of them have arrived, and all before them. */
  all: Promise<unknown>;
}

/**
 * Keeps the order of each topic [MQTT-4.6.0-6] where messages take steps of different length: one is retained first, the
 * next is not. Those that take the same steps overtake each other nowhere, so they need not wait.
 */
export class TopicOrder {
  readonly #byTopic = new Map<string, OnTheirWay>();

  /** Runs `work` at once, unless earlier messages of another kind to the topic are on their way. */
  run(topic: string, kind: number, work: () => Promise<void>): Promise<void> {
    const before = this.#byTopic.get(topic);
    const gate = before?.kind === kind ? before.gate : before?.all;
    const running = gate === undefined ? work() : gate.then(work);
    const all = Promise.allSettled(before === undefined ? [running] : [before.all, running]);
    const entry: OnTheirWay = { kind, gate, all };
    this.#byTopic.set(topic, entry);
    void all.then(() => {
      if (this.#byTopic.get(topic) === entry) this.#byTopic.delete(topic);
    });
    return running;
  }

  /** Whether messages to the topic are on their way. */
  has(topic: string): boolean {
    return this.#byTopic.has(topic);
  }
}
