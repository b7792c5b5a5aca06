import { setTimeout as sleep } from "node:timers/promises";
import type { IConnackPacket, IConnectPacket, Packet } from "mqtt-packet";
import { WILLS } from "../common/topics.ts";
import { type ClientOptions, PersistentClient } from "./persistent-client.ts";

export interface WillClientOptions extends ClientOptions {
  /** When a broker or its log was last killed or stopped, or started again. */
  readonly lastDisturbanceMs: () => number;
}

const STAY_MS_MIN = 200;
const STAY_MS_MAX = 3_000;
const POLL_MS = 20;
/** A broker may send a will a little early, by its own clock. */
const EARLY_MS = 300;
/** After a DISCONNECT without any disturbance for so long, the broker has read it. */
const CLOSED_MS = 1_000;

interface Life {
  readonly name: string;
  readonly delayMs: number;
  state: "connecting" | "here" | "gone";
  goneAtMs: number;
}

/** Comes and goes with a delayed will, and notes what must become of the will of each connection. */
export class WillClient extends PersistentClient {
  readonly #own: WillClientOptions;
  #life: Life | undefined;
  #count = 0;
  #going = true;

  constructor(options: WillClientOptions) {
    super(options);
    this.#own = options;
  }

  /** Runs until `end` is called. */
  async run(): Promise<void> {
    while (this.#going) {
      await this.#live();
    }
  }

  /** No new lives; wills that are due must still come. */
  end(): void {
    this.#going = false;
  }

  async #live(): Promise<void> {
    const { random, oracle } = this.options;
    this.come();
    await this.#until(() => this.isHere);
    const life = this.#life;
    if (life === undefined || !this.#going) {
      this.leave("cut");
      return;
    }
    const untilMs = performance.now() + random.whole(STAY_MS_MIN, STAY_MS_MAX);
    await this.#until(() => life.state !== "here" || performance.now() > untilMs);
    // It was cut off by a kill, and connects again by itself; or it leaves now.
    if (life.state !== "here") return;
    if (random.chance(0.25)) {
      await this.#close(life);
      return;
    }
    this.leave("cut");
    if (random.chance(0.5)) {
      await sleep(random.whole(0, life.delayMs));
      return;
    }
    oracle.wills.decide(life.name, "due");
    this.#life = undefined;
    await this.#until(() => oracle.wills.hasCome(life.name));
  }

  async #close(life: Life): Promise<void> {
    const atMs = performance.now();
    this.#life = undefined;
    this.leave("close");
    await sleep(CLOSED_MS);
    if (this.#own.lastDisturbanceMs() < atMs - CLOSED_MS) this.options.oracle.wills.decide(life.name, "never");
  }

  protected override connectMore(): Partial<IConnectPacket> {
    const { clientId, random, oracle } = this.options;
    const previous = this.#life;
    const delay = random.whole(1, 2);
    this.#count += 1;
    const name = `${clientId}-${this.#count}`;
    oracle.wills.carried(name);
    this.#life = { name, delayMs: delay * 1000, state: "connecting", goneAtMs: 0 };
    this.#previous = previous?.state === "gone" ? previous : this.#previous;
    const payload = JSON.stringify({ will: name });
    const properties = { willDelayInterval: delay };
    return { will: { topic: `${WILLS}${clientId}`, payload, qos: 2, retain: false, properties } };
  }

  /** The newest life that was accepted and ended; attempts in between may have replaced its will. */
  #previous: Life | undefined;

  protected override onConnected(_connack: IConnackPacket): void {
    const { oracle } = this.options;
    const previous = this.#previous;
    this.#previous = undefined;
    if (previous !== undefined && performance.now() - previous.goneAtMs < previous.delayMs - EARLY_MS) {
      oracle.wills.decide(previous.name, "never");
    }
    if (this.#life !== undefined) this.#life.state = "here";
  }

  protected override onPacket(_packet: Packet): void {}

  protected override onGone(): void {
    if (this.#life === undefined) return;
    this.#life.state = "gone";
    this.#life.goneAtMs = performance.now();
  }

  protected override onForgotten(): void {}

  async #until(isTrue: () => boolean): Promise<void> {
    while (this.#going && !isTrue()) await sleep(POLL_MS);
  }
}
