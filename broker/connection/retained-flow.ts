import { TopicTrie } from "../common/topic-trie.ts";
import type { Session } from "../sessions/session.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { Message, Subscription } from "../store/port.ts";
import type { Outgoing } from "./outgoing.ts";

export interface RetainedFlowOptions {
  readonly session: Session;
  readonly sessions: Sessions;
  readonly outgoing: Outgoing;
  readonly isClosed: () => boolean;
  readonly nowUs: () => number;
}

const BATCH = 32;

/** Sends retained messages for new subscriptions, as fast as the client takes them. */
export class RetainedFlow {
  readonly #options: RetainedFlowOptions;
  /** By SUBSCRIBE packet. */
  #waiting: (readonly Subscription[])[] = [];
  #isRunning = false;

  constructor(options: RetainedFlowOptions) {
    this.#options = options;
  }

  /** Resolves once all are sent or queued. */
  async add(subscriptions: readonly Subscription[]): Promise<void> {
    if (subscriptions.length === 0) return;
    this.#waiting.push(subscriptions);
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) await this.#send(next);
    } finally {
      this.#isRunning = false;
    }
  }

  async #send(subscriptions: readonly Subscription[]): Promise<void> {
    const { sessions, outgoing, isClosed, nowUs } = this.#options;
    const trie = new TopicTrie<Subscription>();
    for (const subscription of subscriptions) trie.add(subscription.filter, subscription);
    const filters = subscriptions.map(({ filter }) => filter);
    let queued: Promise<void>[] = [];
    for (const message of sessions.retained(filters)) {
      if (message.expiresAtUs !== undefined && message.expiresAtUs <= nowUs()) continue;
      const sent = this.#sendOne(message, trie.match(message.topic));
      if (sent !== undefined) queued.push(sent);
      if (queued.length >= BATCH) {
        await Promise.all(queued);
        queued = [];
      }
      await outgoing.whenIdle();
      if (isClosed()) break;
    }
    await Promise.all(queued);
  }

  #sendOne(message: Message, matching: readonly Subscription[]): Promise<void> | undefined {
    const { session, sessions, outgoing } = this.#options;
    let granted = -1;
    const identifiers: number[] = [];
    for (const { qos, identifier, noLocal } of matching) {
      if (noLocal && message.publisher === session.clientId) continue;
      granted = Math.max(granted, qos);
      if (identifier !== undefined) identifiers.push(identifier);
    }
    if (granted < 0) return undefined;
    const qos = Math.min(granted, message.qos);
    if (qos === 0) {
      outgoing.deliver(message, { retain: true, identifiers });
      return undefined;
    }
    // A queue would mistake it for a repeat of the live message.
    const { origin: _ofLive, ...retained } = message;
    return sessions.enqueueFor(session, retained, { qos: qos === 1 ? 1 : 2, retain: true, identifiers });
  }
}
