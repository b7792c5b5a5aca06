import type { Cluster, ClusterEvents } from "../cluster/port.ts";
import { unlessTaken } from "../cluster/remove.ts";
import { atMost } from "../common/at-most.ts";
import type { BrokerEvents } from "../common/events.ts";
import {
  type Message,
  OWN_PREFIX,
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
import type { Opened, OpenOptions, Session } from "./session.ts";
import { isShareId } from "./shared-queues.ts";
import { isOver, isWillId, Wills } from "./wills.ts";

interface SessionsLimits {
  readonly queued_per_session_max: number;
  readonly queued_size_max: number;
  readonly topic_levels_max: number;
}

export interface SessionsOptions {
  readonly store: SessionStore;
  readonly cluster: Cluster;
  readonly limits: SessionsLimits;
  readonly events: BrokerEvents;
  readonly nowUs: () => number;
  /** Publishes a will, through the gate. Resolves once it is kept, or was dropped for a reason that is counted. */
  readonly publishWill: (will: Message, of: { readonly clientId: string; readonly user: string }) => Promise<void>;
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
/** How long a CONNACK waits until other edges know the will. */
const KEEP_MS_MAX = 1_000;

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
    this.#wills = new Wills({
      ...options,
      locks: this.#locks,
      connected: this.#connected,
      publish: (will, of) => this.#publishWill(will, of),
      inBackground: (work) => this.#inBackground(work),
    });
  }

  async start(): Promise<void> {
    const { cluster, store } = this.#options;
    await store.start(this.#storeEvents());
    for (const record of store.sessions()) this.#changed(record.clientId, record);
    await this.#router.start();
    await cluster.start(this.#clusterEvents());
    this.#timer = setInterval(() => this.#inBackground(this.tidy()), EXPIRE_MS).unref();
  }

  /** Deletes what has expired; called now and then. */
  async tidy(): Promise<void> {
    const { cluster, store, nowUs } = this.#options;
    const isDue = (record?: SessionRecord) =>
      record !== undefined &&
      record.will === undefined &&
      isOver(record, nowUs()) &&
      cluster.isChosenFor(record.clientId) &&
      !this.isConnected(record.clientId);
    for (const { clientId } of [...store.sessions()].filter(isDue)) {
      await this.#locks.run(clientId, async () => {
        const record = store.session(clientId);
        if (record !== undefined && isDue(record)) await unlessTaken(this.#router.ended(record));
      });
    }
    await store.expire(nowUs());
    await this.#router.tidy();
  }

  /** All connections have ended: other edges have the sessions, and what this one did for all. */
  async release(): Promise<void> {
    await this.#router.settled();
    await this.#options.cluster.stop();
  }

  /** Call after all connections have ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#wills.stop();
    await this.#router.stop();
    await this.#options.cluster.stop();
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
    const { clientId, user } = options;
    return await this.#locks.run(clientId, async () => {
      await this.#connected.get(clientId)?.client.takenOver();
      const opened = await this.#claim(options);
      this.#connected.set(clientId, opened.session);
      this.#options.events.clientConnected(clientId, this.#connected.size);
      this.#options.cluster.clientConnected({ clientId, user, atUs: opened.session.openedAtUs });
      this.#router.joined(opened.session);
      const keeping = this.#wills.keep(opened.session);
      if (keeping !== undefined) await this.#orLater(keeping);
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
      if (!this.#isStopping) await this.#wills.drop(clientId);
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
  publish(message: Message): Promise<void> {
    return this.#router.publish(message);
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
    const openedAtUs = nowUs();
    const before = store.session(clientId);
    const isGone = before !== undefined && (cleanStart || isOver(before, nowUs()));
    if (before?.will !== undefined) await this.#wills.endWait(before, isGone);
    if (before !== undefined && isGone) await this.#router.ended(before);
    const base = { clientId, user, client, expirySeconds, will, openedAtUs };
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
      const ended = await this.#router.ended(record);
      await store.remove(clientId, ended.epoch);
      return;
    }
    const { will: _before, ...rest } = record;
    const away = { ...rest, expirySeconds, awayAtUs: nowUs() };
    const isDelayed = will !== undefined && will.delaySeconds > 0;
    if (isDelayed) {
      await store.save({ ...away, will });
      return;
    }
    if (will !== undefined) await this.#publishWill(will, session);
    await store.save(away);
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
    // A publisher at another edge that hears of the subscription now is not too early.
    await this.#options.cluster.known();
  }

  #storeEvents(): StoreEvents {
    const { cluster, events } = this.#options;
    return {
      onTaken: (clientId, epoch) => {
        if (cluster.sessionTaken(clientId)) return;
        if (isShareId(clientId)) this.#router.shareTaken(clientId);
        const session = this.#connected.get(clientId);
        if (session?.record?.epoch === epoch) this.#inBackground(session.client.takenOver());
      },
      onSession: (clientId, record) => {
        cluster.sessionChanged(clientId, record);
        this.#changed(clientId, record);
      },
      onQueuedDropped: (clientId, count) => events.queuedMessagesDropped(clientId, count),
      onRetainedDropped: (topic) => events.retainedNotKept(topic),
      onSessionDropped: (record, reason) => {
        events.sessionDropped(record.clientId, reason);
        if (record.will !== undefined) this.#inBackground(this.#publishWill(record.will, record));
      },
    };
  }

  #clusterEvents(): ClusterEvents {
    const { events } = this.#options;
    return {
      onConnected: (other) => {
        const session = this.#connected.get(other.clientId);
        if (session === undefined) return;
        const isSameUser = session.user === other.user;
        // The store decides who has a stored one.
        if (isSameUser && session.record !== undefined) return;
        // Otherwise the later one keeps the client id, unless it is another user's.
        const staysOurs = session.openedAtUs > other.atUs === isSameUser;
        if (staysOurs)
          this.#options.cluster.clientConnected({ ...other, user: session.user, atUs: session.openedAtUs });
        else this.#inBackground(session.client.takenOver());
      },
      onMessage: (message) => this.#router.deliver(message),
      onShared: (filter, message) => this.#router.deliverShared(filter, message),
      onOthers: async () => {
        await Promise.all([...this.#connected.keys()].map((clientId) => this.#wills.keepFor(clientId)));
        await this.#router.settled();
      },
      onEdge: (edge, state) => {
        events.edgeChanged(edge, state, this.#options.cluster.edges().length);
        this.#router.edgesChanged();
      },
      onFailed: (what, error) => events.storeFailed(what, error),
    };
  }

  /** A stored session is known, has changed or is gone. */
  #changed(clientId: string, record: SessionRecord | undefined): void {
    if (isWillId(clientId)) this.#wills.changed(clientId, record);
    if (clientId.startsWith(OWN_PREFIX)) return;
    if (isShareId(clientId)) {
      this.#router.shareChanged(clientId, record);
      return;
    }
    this.#wills.changed(clientId, record);
    // The session of a client that stays connected while its state leaves the store has its own routes.
    if (this.#connected.get(clientId)?.transient !== undefined) return;
    this.#inBackground(this.#router.set(clientId, record?.subscriptions ?? [], "stored"));
  }

  /** Without the log, clients of this edge go on. */
  async #orLater(keeping: Promise<unknown>): Promise<void> {
    this.#inBackground(keeping);
    await atMost(KEEP_MS_MAX, Promise.allSettled([keeping]));
  }

  #inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      if (!(error instanceof TakenOverError)) this.#options.events.brokerFailed(error);
    });
  }
}
