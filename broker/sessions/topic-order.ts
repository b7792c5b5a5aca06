/** Messages of one kind, one after the other in the topic. */
interface Group {
  readonly kind: number;
  underWay: number;
  /** Those that wait for the groups before. */
  readonly waiting: (() => void)[];
}

/**
 * Keeps the order of each topic [MQTT-4.6.0-6] where messages take steps of different length: one is retained first, the
 * next is not. Those that take the same steps overtake each other nowhere, so they need not wait.
 */
export class TopicOrder {
  /** The first group of a topic is under way. */
  readonly #byTopic = new Map<string, Group[]>();

  /** Runs `work` at once, unless earlier messages of another kind to the topic are on their way. */
  run(topic: string, kind: number, work: () => Promise<void>): Promise<void> {
    const groups = this.#byTopic.get(topic) ?? [];
    if (groups.length === 0) this.#byTopic.set(topic, groups);
    let group = groups.at(-1);
    if (group?.kind !== kind) {
      group = { kind, underWay: 0, waiting: [] };
      groups.push(group);
    }
    const { waiting } = group;
    if (groups.length === 1) return this.#start(topic, group, work);
    const start = this.#start.bind(this, topic, group, work);
    return new Promise((resolve, reject) => waiting.push(() => start().then(resolve, reject)));
  }

  /** Whether messages to the topic are on their way. */
  has(topic: string): boolean {
    return this.#byTopic.has(topic);
  }

  #start(topic: string, group: Group, work: () => Promise<void>): Promise<void> {
    group.underWay++;
    const running = work();
    const end = () => this.#ended(topic, group);
    running.then(end, end);
    return running;
  }

  #ended(topic: string, group: Group): void {
    group.underWay--;
    if (group.underWay > 0) return;
    const groups = this.#byTopic.get(topic);
    groups?.shift();
    const next = groups?.[0];
    if (next === undefined) this.#byTopic.delete(topic);
    else for (const start of next.waiting.splice(0)) start();
  }
}
