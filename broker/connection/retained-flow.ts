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

/** Sends retained messages for new subscriptions, one after the other, as fast as the client takes them. */
export class RetainedFlow {
  readonly #options: RetainedFlowOptions;
  /** By filter, so that they are no more than the client has. */
  readonly #waiting = new Map<string, Subscription>();
  #isRunning = false;

  constructor(options: RetainedFlowOptions) {
    this.#options = options;
  }

  /** Resolves once all are sent or queued, unless an earlier call does that. */
  async add(subscriptions: readonly Subscription[]): Promise<void> {
    for (const subscription of subscriptions) this.#waiting.set(subscription.filter, subscription);
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (const [filter, subscription] of this.#waiting) {
        this.#waiting.delete(filter);
        await this.#send(subscription);
      }
    } finally {
      this.#isRunning = false;
    }
  }

  async #send(subscription: Subscription): Promise<void> {
    const { session, sessions, outgoing, isClosed, nowUs } = this.#options;
    let queued: Promise<void>[] = [];
    for (const message of sessions.retained([subscription.filter])) {
      if (message.expiresAtUs !== undefined && message.expiresAtUs <= nowUs()) continue;
      if (subscription.noLocal && message.publisher === session.clientId) continue;
      const sent = this.#sendOne(message, subscription);
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

  #sendOne(message: Message, { qos: granted, identifier }: Subscription): Promise<void> | undefined {
    const { session, sessions, outgoing } = this.#options;
    const identifiers = identifier === undefined ? [] : [identifier];
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
