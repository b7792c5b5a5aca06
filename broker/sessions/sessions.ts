import { US_PER_SECOND } from "../../domain/time.ts";
import type { BrokerEvents } from "../common/events.ts";
import {
  type Message,
  type SessionRecord,
  type SessionStore,
  type StoredWill,
  type StoreEvents,
  type Subscription,
  TakenOverError,
} from "../store/port.ts";
import { TransientSession } from "../store/transient-session.ts";
import { Locks } from "./locks.ts";
import { type QueueCopy, type QueueProgress, Router } from "./router.ts";
import type { Session, SessionClient } from "./session.ts";
import { isShareId } from "./shares.ts";
import { isOver, Wills, willDueAtUs } from "./wills.ts";

interface SessionsLimits {
  readonly queued_per_session_max: number;
  readonly queued_size_max: number;
  readonly topic_levels_max: number;
}

export interface SessionsOptions {
  readonly store: SessionStore;
  readonly limits: SessionsLimits;
  readonly events: BrokerEvents;
  readonly nowUs: () => number;
  /** Publishes a will, through the gate. Resolves once it is kept, or was dropped for a reason that is counted. */
  readonly publishWill: (will: Message, of: { readonly clientId: string; readonly user: string }) => Promise<void>;
}

/** What a CONNECT asks for. */
export interface OpenOptions {
  readonly clientId: string;
  readonly user: string;
  readonly cleanStart: boolean;
  readonly expirySeconds: number;
  readonly will: StoredWill | undefined;
  readonly client: SessionClient;
  /** Subscriptions of an earlier connection are kept only if this allows them: the user may have lost rights. */
  readonly maySubscribe: (filter: string) => boolean;
}

export interface Opened {
  readonly session: Session;
  readonly present: boolean;
  readonly hasLostRights: boolean;
}

/** How a connection ended. */
export interface Leaving {
  /** The client did not say good-bye, or asked for its will. */
  readonly withWill: boolean;
  /** A DISCONNECT may change it. */
  readonly expirySeconds: number;
}

/**
 * A connection reads each of its messages at once, so these bound only what arrives within one turn of the event loop.
 * What waits longer is bounded by `subscriber_backlog_size_close`.
 */
const TRANSIENT_QUEUED_MAX = 100_000;
const EXPIRE_MS = 10_000;
/** Devices that were connected when the gateway stopped have this long to come back before their wills are sent. */
const RESTART_GRACE_US = 60 * US_PER_SECOND;

/**
 * All sessions: those with a connection, and those in the store. A message goes through the hub, which has it retained
 * and put into the queues of stored sessions, and then delivers it to connected ones.
 */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #router: Router;
  readonly #connected = new Map<string, Session>();
  readonly #wills: Wills;
  readonly #locks = new Locks();
  #timer: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#router = new Router({ ...options, connected: this.#connected });
    const { nowUs } = options;
    this.#wills = new Wills({ nowUs, onDue: (clientId) => this.#inBackground(this.#sendWill(clientId)) });
  }

  async start(): Promise<void> {
    const { store, nowUs } = this.#options;
    const startedAtUs = nowUs();
    await store.start(this.#storeEvents());
    for (const record of store.sessions()) {
      this.#list(record.clientId, record.subscriptions);
      if (record.will === undefined) continue;
      // The others were connected when the gateway stopped: the store has just let them leave.
      const wasAway = record.awayAtUs !== undefined && record.awayAtUs < startedAtUs;
      this.#wills.schedule(record.clientId, wasAway ? willDueAtUs(record) : startedAtUs + RESTART_GRACE_US);
    }
    await this.#router.start();
    const expire = () => this.#inBackground(store.expire(nowUs()));
    this.#timer = setInterval(expire, EXPIRE_MS).unref();
  }

  /** Call after all connections have ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#wills.stop();
    await this.#router.stop();
    await this.#options.store.stop();
  }

  /** From now on no will is sent: a restart of the gateway says nothing about a device. */
  stopping(): void {
    this.#isStopping = true;
  }

  /** Connected clients. */
  get size(): number {
    return this.#connected.size;
  }

  isConnected(clientId: string): boolean {
    return this.#connected.has(clientId);
  }

  /** The user whose connection or session has this client id. */
  ownerOf(clientId: string): string | undefined {
    return this.#connected.get(clientId)?.user ?? this.#options.store.session(clientId)?.user;
  }

  /** Whether a message to this topic has anywhere to go. */
  matchesAny(topic: string): boolean {
    return this.#router.matchesAny(topic);
  }

  /** Retained messages for new subscriptions. */
  retained(filters: readonly string[]): Iterable<Message> {
    return this.#options.store.retained().matching(filters);
  }

  /**
   * Gives a connection its session; an earlier connection with the same client id ends.
   * @returns the session, whether it existed before, and whether it has lost subscriptions with rights
   */
  async open(options: OpenOptions): Promise<Opened> {
    const { clientId } = options;
    return await this.#locks.run(clientId, async () => {
      await this.#connected.get(clientId)?.client.takenOver();
      const opened = await this.#claim(options);
      this.#connected.set(clientId, opened.session);
      this.#options.events.clientConnected(clientId, this.#connected.size);
      return opened;
    });
  }

  /** The connection of a session has ended. */
  async leave(session: Session, leaving: Leaving): Promise<void> {
    await this.#locks.run(session.clientId, () => this.yieldTo(session, leaving));
  }

  /** The connection of a session loses it to another, whose `open` waits for this. */
  async yieldTo(session: Session, leaving: Leaving): Promise<void> {
    const { clientId } = session;
    if (this.#connected.get(clientId) !== session) return;
    this.#connected.delete(clientId);
    this.#options.events.clientDisconnected(clientId, this.#connected.size);
    await this.#router.left(session);
    const will = leaving.withWill && !this.#isStopping ? session.will : undefined;
    const { record } = session;
    if (record === undefined) {
      await this.#router.set(clientId, [], "transient");
      if (will !== undefined) await this.#publishWill(will, session);
      return;
    }
    try {
      await session.queue.close();
      await this.#leaveStored(session, record, { ...leaving, will });
    } catch (error) {
      if (!(error instanceof TakenOverError)) throw error;
    }
  }

  /** Replaces subscriptions with equal filters. Resolves once they are safe. */
  async subscribe(session: Session, added: readonly Subscription[]): Promise<void> {
    for (const subscription of added) session.subscriptions.set(subscription.filter, subscription);
    await this.#saveSubscriptions(session);
  }

  /** @returns for each filter whether there was such a subscription */
  async unsubscribe(session: Session, filters: readonly string[]): Promise<readonly boolean[]> {
    const existed = filters.map((filter) => session.subscriptions.delete(filter));
    if (existed.includes(true)) await this.#saveSubscriptions(session);
    return existed;
  }

  /** Puts a retained message into the queue of a session. */
  async enqueueFor(session: Session, message: Message, copy: QueueCopy): Promise<void> {
    await this.#router.enqueueFor(session, message, copy);
  }

  /** What happens to the messages of a session's queue. */
  get progress(): QueueProgress {
    return this.#router.progress;
  }

  /** Gives a message to its subscribers. Resolves once it is retained, and the stored sessions among them have it. */
  async publish(message: Message): Promise<void> {
    await this.#router.publish(message);
  }

  async #claim({
    clientId,
    user,
    cleanStart,
    expirySeconds,
    will,
    client,
    maySubscribe,
  }: OpenOptions): Promise<Opened> {
    const { store, nowUs, limits } = this.#options;
    const before = store.session(clientId);
    const isGone = before !== undefined && (cleanStart || isOver(before, nowUs()));
    if (before?.will !== undefined) await this.#endWait(before, isGone);
    const base = { clientId, user, client, expirySeconds, will };
    if (expirySeconds === 0 && (before === undefined || isGone)) {
      if (before !== undefined) {
        const { record } = await store.claim(clientId, { user, cleanStart: true, expirySeconds: 0 });
        await store.remove(clientId, record.epoch);
      }
      const transient = new TransientSession(clientId, {
        queuedMax: TRANSIENT_QUEUED_MAX,
        queuedBytesMax: limits.queued_size_max,
      });
      const { queue, incoming } = transient;
      const subscriptions = new Map<string, Subscription>();
      const session = { ...base, queue, incoming, transient, subscriptions, record: undefined };
      return { session, present: false, hasLostRights: false };
    }
    const wish = { user, cleanStart: cleanStart || isGone, expirySeconds, ...(will === undefined ? {} : { will }) };
    const { record, present, queue, incoming } = await store.claim(clientId, wish);
    const allowed = record.subscriptions.filter(({ filter }) => maySubscribe(filter));
    const subscriptions = new Map(allowed.map((subscription) => [subscription.filter, subscription]));
    const session = { ...base, queue, incoming, transient: undefined, subscriptions, record };
    const hasLostRights = allowed.length < record.subscriptions.length;
    if (hasLostRights) await this.#saveSubscriptions(session);
    return { session, present, hasLostRights };
  }

  /** A client is back before its will was sent: the will is due only if its session has ended. */
  async #endWait(record: SessionRecord, isGone: boolean): Promise<void> {
    const dueAtUs = this.#wills.dueAtUs(record.clientId) ?? willDueAtUs(record);
    this.#wills.cancel(record.clientId);
    if (!isGone && dueAtUs > this.#options.nowUs()) return;
    if (record.awayAtUs !== undefined && record.will !== undefined) await this.#publishWill(record.will, record);
  }

  async #leaveStored(
    session: Session,
    record: SessionRecord,
    { expirySeconds, will }: Leaving & { readonly will: StoredWill | undefined },
  ): Promise<void> {
    const { store, nowUs } = this.#options;
    const { clientId } = session;
    // It stays as it is: `start` sees from it that its client was connected.
    if (this.#isStopping && expirySeconds > 0) return;
    if (expirySeconds === 0) {
      if (will !== undefined) await this.#publishWill(will, session);
      await store.remove(clientId, record.epoch);
      return;
    }
    const { will: _before, ...rest } = record;
    const away = { ...rest, expirySeconds, awayAtUs: nowUs() };
    const isDelayed = will !== undefined && will.delaySeconds > 0;
    if (isDelayed) {
      const waiting = { ...away, will };
      this.#wills.schedule(clientId, willDueAtUs(waiting));
      await store.save(waiting);
      return;
    }
    if (will !== undefined) await this.#publishWill(will, session);
    await store.save(away);
  }

  async #sendWill(clientId: string): Promise<void> {
    await this.#locks.run(clientId, async () => {
      const record = this.#options.store.session(clientId);
      if (record?.will === undefined || this.#connected.has(clientId) || this.#isStopping) return;
      await this.#publishWill(record.will, record);
      const { will: _sent, ...rest } = record;
      await this.#options.store.save({ awayAtUs: this.#options.nowUs(), ...rest });
    });
  }

  async #publishWill(will: StoredWill, { clientId, user }: { clientId: string; user: string }): Promise<void> {
    if (this.#isStopping) return;
    await this.#options.publishWill(will.message, { clientId, user });
  }

  async #saveSubscriptions(session: Session): Promise<void> {
    const { clientId, record } = session;
    const subscriptions = [...session.subscriptions.values()];
    if (record !== undefined) {
      session.record = { ...record, subscriptions };
      await this.#options.store.save(session.record);
    }
    await this.#router.set(clientId, subscriptions, record === undefined ? "transient" : "stored");
  }

  #storeEvents(): StoreEvents {
    const { events } = this.#options;
    return {
      onTaken: (clientId, epoch) => {
        const session = this.#connected.get(clientId);
        if (session?.record?.epoch === epoch) this.#inBackground(session.client.takenOver());
      },
      onSession: (clientId, record) => {
        this.#list(clientId, record?.subscriptions ?? []);
      },
      onQueuedDropped: (clientId, count) => events.queuedMessagesDropped(clientId, count),
      onRetainedDropped: (topic) => events.retainedNotKept(topic),
      onSessionDropped: (record, reason) => {
        events.sessionDropped(record.clientId, reason);
        this.#wills.cancel(record.clientId);
        if (record.will !== undefined) this.#inBackground(this.#publishWill(record.will, record));
      },
    };
  }

  #list(clientId: string, subscriptions: readonly Subscription[]): void {
    // The session of a client that stays connected while its state leaves the store has its own routes.
    if (isShareId(clientId) || this.#connected.get(clientId)?.transient !== undefined) return;
    this.#inBackground(this.#router.set(clientId, subscriptions, "stored"));
  }

  #inBackground(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!(error instanceof TakenOverError)) this.#options.events.brokerFailed(error);
    });
  }
}
