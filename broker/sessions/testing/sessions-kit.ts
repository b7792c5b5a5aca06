import { pino } from "pino";
import { createMetrics } from "../../../platform/metrics.ts";
import { ALONE } from "../../cluster/alone.ts";
import { BrokerEvents } from "../../common/events.ts";
import { MemoryDisk, MemoryStore } from "../../store/memory.ts";
import type { Message, QueuedMessage, SessionStore, StoredWill, Subscription } from "../../store/port.ts";
import { LIMITS } from "../../store/testing/store-kit.ts";
import type { Session } from "../session.ts";
import { Sessions, type SessionsOptions } from "../sessions.ts";
import { MortalStore } from "./mortal-store.ts";

/** Sessions of brokers that crash one after the other, over one disk. */
export class Lives {
  readonly #disk = new MemoryDisk(LIMITS);
  /** Of all brokers. */
  nowUs = 1_700_000_000_000_000;

  /** The next broker, whose store dies at this step. */
  async begin({ dieAt = Number.POSITIVE_INFINITY, publishWill = async () => {} }: LifeOptions = {}): Promise<Life> {
    const nowUs = () => this.nowUs;
    const store = new MemoryStore({ limits: LIMITS, edge: "edge", nowUs, disk: this.#disk });
    const mortal = new MortalStore(store, dieAt);
    const life = new Life(mortal, nowUs, publishWill);
    await life.sessions.start();
    return life;
  }
}

export interface LifeOptions {
  readonly dieAt?: number;
  readonly publishWill?: (will: Message, sessions: Sessions) => Promise<void>;
}

interface OpenLike {
  readonly will?: StoredWill;
  readonly room?: number;
  readonly cleanStart?: boolean;
}

export class Life {
  readonly sessions: Sessions;
  readonly #mortal: MortalStore;

  constructor(mortal: MortalStore, nowUs: () => number, publishWill: NonNullable<LifeOptions["publishWill"]>) {
    this.#mortal = mortal;
    const events = new BrokerEvents({ logger: pino({ level: "silent" }), metrics: createMetrics(), nowMs: () => 0 });
    const limits = { queued_per_session_max: 1_000, queued_size_max: 1_000_000, topic_levels_max: 8 };
    const options: SessionsOptions = {
      ...{ store: mortal.store, cluster: ALONE, limits, events, nowUs },
      publishWill: (will) => publishWill(will, this.sessions),
    };
    this.sessions = new Sessions(options);
  }

  get store(): SessionStore {
    return this.#mortal.store;
  }

  /** How often this broker has written the state of a queue. */
  queueWrites(clientId: string): number {
    return this.#mortal.queueWrites.get(clientId) ?? 0;
  }

  get isOver(): boolean {
    return this.#mortal.isDead;
  }

  /** Resolves with the work, or with the death of the broker; later work may still be under way then. */
  async until(work: Promise<unknown>): Promise<void> {
    await Promise.race([work, this.#mortal.death]);
  }

  /** A client with a session that outlives its connection. */
  async open(clientId: string, options: OpenLike = {}): Promise<Session> {
    const client = { deliver() {}, announced() {}, room: () => options.room ?? 100, takenOver: async () => {} };
    const { cleanStart = false, will } = options;
    const wish = { cleanStart, expirySeconds: 1_000, will, maySubscribe: () => true };
    return (await this.sessions.open({ clientId, user: "", client, ...wish })).session;
  }
}

export function subscription(filter: string): Subscription {
  return { filter, qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 };
}

export function messageOf(text: string, qos: 1 | 2 = 2): Message {
  const payload = new TextEncoder().encode(text);
  const message = { topic: "a", payload, qos, retain: false, publisher: "publisher", receivedAtUs: 1 };
  return qos === 1 ? message : { ...message, origin: text };
}

/** What a client gets, by ordinal: it knows a repeat by its packet id, which follows from the ordinal. */
export class Reader {
  readonly got = new Map<number, string>();

  /** Takes and acknowledges everything from now on, at most `atOnce` messages at a time. */
  read(sessions: Sessions, session: Session, atOnce = 3): void {
    const { queue } = session;
    const { progress } = sessions;
    let isBusy = false;
    let isDue = true;
    const pump = async () => {
      isDue = true;
      if (isBusy) return;
      isBusy = true;
      while (isDue) {
        isDue = false;
        const messages = await queue.read(atOnce);
        isDue ||= messages.length > 0;
        const take = async ({ ordinal, message }: QueuedMessage) => {
          progress.sent(session, message, ordinal);
          this.got.set(ordinal, new TextDecoder().decode(message.payload));
          progress.received(session, message);
          await queue.received(ordinal);
          queue.finish(ordinal);
          progress.finished(session, message);
        };
        await Promise.all(messages.map(take));
        progress.hasRoom(session);
      }
      isBusy = false;
    };
    queue.onMore(() => void pump());
    void pump();
    progress.hasRoom(session);
  }
}
