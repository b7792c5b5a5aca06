import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../simulation/random.ts";
import type { ClientOptions } from "./clients/persistent-client.ts";
import { Publisher } from "./clients/publisher.ts";
import { checkRetained } from "./clients/retained-checker.ts";
import { Subscriber } from "./clients/subscriber.ts";
import { WillClient } from "./clients/will-client.ts";
import { QOS_1, QOS_2, STATE_FILTER, WILLS } from "./common/topics.ts";
import type { Oracle } from "./oracle/oracle.ts";

/** Clients that a run may leave out. */
export type Part = "groups" | "wills";

export interface CrowdOptions {
  readonly parts: readonly Part[];
  readonly random: Random;
  readonly oracle: Oracle;
  /** Of the broker to connect to next. */
  readonly port: () => number;
  readonly lastDisturbanceMs: () => number;
  /** Messages a second, all publishers together. */
  readonly rate: number;
  readonly publishers: number;
}

interface Kind {
  readonly filter: string;
  readonly qos: 1 | 2;
  readonly matches: (topic: string) => boolean;
}

const isQos1 = (topic: string) => topic.startsWith(QOS_1);
const isQos2 = (topic: string) => topic.startsWith(QOS_2);
const ONES: Kind = { filter: `${QOS_1}+`, qos: 1, matches: isQos1 };
const TWOS: Kind = { filter: `${QOS_2}+`, qos: 2, matches: isQos2 };
/** Of everything; the publisher's QoS decides. */
const BOTH: Kind = { filter: "kills/+/+", qos: 2, matches: (topic) => isQos1(topic) || isQos2(topic) };

const SUBSCRIBERS: readonly { readonly name: string; readonly kind: Kind; readonly comesAndGoes: boolean }[] = [
  { name: "ones-stays", kind: ONES, comesAndGoes: false },
  { name: "ones-goes", kind: ONES, comesAndGoes: true },
  { name: "twos-stays", kind: TWOS, comesAndGoes: false },
  { name: "twos-goes", kind: TWOS, comesAndGoes: true },
  { name: "both-goes", kind: BOTH, comesAndGoes: true },
];
const GROUPS: readonly { readonly name: string; readonly kind: Kind }[] = [
  { name: "group-ones", kind: ONES },
  { name: "group-twos", kind: TWOS },
];
const MEMBERS = 3;
const WILL_CLIENTS = 4;
const HERE_MS_MAX = 5_000;
const AWAY_MS_MAX = 3_000;
const CHECK_MS_MAX = 1_500;
const POLL_MS = 20;

/** All clients of a run. */
export class Crowd {
  readonly #options: CrowdOptions;
  readonly #publishers: Publisher[] = [];
  readonly #subscribers: Subscriber[] = [];
  readonly #willClients: WillClient[] = [];
  readonly #loops: Promise<void>[] = [];
  #going = true;
  retainedChecks = 0;

  constructor(options: CrowdOptions) {
    this.#options = options;
  }

  get published(): number {
    return sum(this.#publishers.map(({ sent }) => sent));
  }

  get repeated(): number {
    return sum(this.#publishers.map(({ repeated }) => repeated));
  }

  /** Publishes that wait for their acknowledgement. */
  get inFlight(): number {
    return sum(this.#publishers.map(({ inFlight }) => inFlight));
  }

  /** Resolves when every subscription is confirmed. */
  async start(): Promise<void> {
    for (const { name, kind, comesAndGoes } of SUBSCRIBERS) this.#addSubscriber(name, name, kind, comesAndGoes);
    const { parts } = this.#options;
    for (const { name, kind } of parts.includes("groups") ? GROUPS : []) {
      for (let i = 1; i <= MEMBERS; i++) {
        const shared = { ...kind, filter: `$share/${name}/${kind.filter}` };
        this.#addSubscriber(`${name}-${i}`, name, shared, i > 1);
      }
    }
    this.#addWatch();
    await until(() => this.#subscribers.every(({ isSubscribed }) => isSubscribed));
    const { publishers, rate, lastDisturbanceMs } = this.#options;
    for (let i = 1; i <= publishers; i++) {
      const publisher = new Publisher({ ...this.#client(`pub-${i}`), name: `p${i}`, perSecond: rate / publishers });
      this.#publishers.push(publisher);
      publisher.start();
    }
    for (let i = 1; parts.includes("wills") && i <= WILL_CLIENTS; i++) {
      const client = new WillClient({ ...this.#client(`will-${i}`), lastDisturbanceMs });
      this.#willClients.push(client);
      this.#loops.push(client.run());
    }
    this.#loops.push(this.#checkRetained());
  }

  /** Publishes nothing new, and everybody comes. */
  async finish(): Promise<void> {
    this.#going = false;
    for (const publisher of this.#publishers) publisher.finish();
    for (const client of this.#willClients) client.end();
    await Promise.all(this.#loops);
    for (const subscriber of this.#subscribers) subscriber.come();
  }

  /** One more check of what is retained. False if the connection broke. */
  async checkRetainedNow(): Promise<boolean> {
    this.retainedChecks += 1;
    return checkRetained({ ...this.#client(`check-${this.retainedChecks}`), filter: STATE_FILTER });
  }

  leave(): void {
    for (const each of [...this.#publishers, ...this.#subscribers, ...this.#willClients]) each.leave("cut");
  }

  #client(clientId: string): ClientOptions {
    const { random, oracle, port } = this.#options;
    return { clientId, random, oracle, port };
  }

  #addSubscriber(clientId: string, receiver: string, kind: Kind, comesAndGoes: boolean): void {
    const { deliveries } = this.#options.oracle;
    const isGroup = clientId !== receiver;
    const subscriber = new Subscriber({
      ...this.#client(clientId),
      filter: kind.filter,
      qos: kind.qos,
      lateShare: 0.02,
      onSubscribed: () => {
        // Of a group, the first member counts.
        if (deliveries.isSubscribed(receiver)) return;
        const exactlyOnce = (topic: string) => kind.qos === 2 && isQos2(topic);
        deliveries.subscribed({ name: receiver, matches: kind.matches, exactlyOnce, ordered: !isGroup });
      },
      onMessage: (topic, payload) => {
        if (topic.startsWith(WILLS)) return;
        const { n }: { n: number } = JSON.parse(payload);
        deliveries.received(receiver, topic, n);
      },
    });
    this.#subscribers.push(subscriber);
    subscriber.come();
    if (comesAndGoes) this.#loops.push(this.#comeAndGo(subscriber));
  }

  #addWatch(): void {
    const { wills } = this.#options.oracle;
    const watch = new Subscriber({
      ...this.#client("will-watch"),
      filter: `${WILLS}+`,
      qos: 2,
      lateShare: 0.02,
      onSubscribed: () => {},
      onMessage: (_, payload) => {
        const { will }: { will: string } = JSON.parse(payload);
        wills.receive(will);
      },
    });
    this.#subscribers.push(watch);
    watch.come();
  }

  async #comeAndGo(subscriber: Subscriber): Promise<void> {
    const { random } = this.#options;
    await until(() => subscriber.isSubscribed || !this.#going);
    while (this.#going) {
      await this.#pause(random.whole(POLL_MS, HERE_MS_MAX));
      subscriber.leave(random.chance(0.5) ? "close" : "cut");
      await this.#pause(random.whole(POLL_MS, AWAY_MS_MAX));
      subscriber.come();
    }
  }

  async #checkRetained(): Promise<void> {
    while (this.#going) {
      await this.#pause(this.#options.random.whole(POLL_MS, CHECK_MS_MAX));
      await this.checkRetainedNow();
    }
  }

  /** Ends early when the run ends. */
  async #pause(ms: number): Promise<void> {
    const untilMs = performance.now() + ms;
    await until(() => !this.#going || performance.now() > untilMs);
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(POLL_MS);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
