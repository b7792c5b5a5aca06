import { randomBytes } from "node:crypto";
import { mqttProgressSubject, mqttQueueSubject } from "../../../domain/subjects.ts";
import { ConflictError, type Log } from "../../../platform/log/port.ts";
import { decodeProgress } from "../codec/progress-codec.ts";
import { isExpired, isReplaceable, leftBehind } from "../expiry.ts";
import {
  type ClaimedSession,
  type Copy,
  type Message,
  OWN_PREFIX,
  type RetainedMessages,
  type SessionDrop,
  type SessionRecord,
  type SessionStore,
  type SessionWish,
  StoreClosedError,
  type StoreEvents,
  type StoreLimits,
  TakenOverError,
} from "../port.ts";
import { type Amount, type Entry, exclusively, type LiveQueue, waitingOf } from "./entry.ts";
import { OwnedIncomingIds } from "./incoming-ids.ts";
import { NewestWriter } from "./newest-writer.ts";
import { Outbox } from "./outbox.ts";
import { OwnedQueue } from "./owned-queue.ts";
import { freshProgress, type LoadedProgress, type QueueDeps } from "./queue-deps.ts";
import { QueueFollower, queuedMaxOf } from "./queue-follower.ts";
import { Records } from "./records.ts";
import { RetainedLog } from "./retained-log.ts";
import { type Skipped, skipFrames } from "./skip-frames.ts";

export interface JetStreamStoreOptions {
  readonly log: Log;
  readonly limits: StoreLimits;
  /** The id of this edge: the same after a restart, and no other's. */
  readonly edge: string;
  readonly nowUs: () => number;
  /** See `leftBehind`. */
  readonly graceSeconds?: number | undefined;
  /** Something failed in the background and is tried again, or a stored value cannot be read. */
  readonly onFailed: (what: string, error: unknown) => void;
}

/** The progress of a session that is new. */
const NOTHING = "nothing";

/**
 * Sessions, queues and retained messages in the log, shared by all its edges.
 * - MQTT_SESSIONS has the record of each session. Its owner is decided there, by compare-and-set.
 * - MQTT_QUEUE has a subject for each session. Frames of several messages are appended to it by any edge, so their
 *   ordinals follow from their order in the stream.
 * - MQTT_PROGRESS says how far each session's client is. Only the owner writes it: each write expects the one before,
 *   so an owner that was displaced and does not know it yet cannot spoil the next one's progress.
 * - MQTT_RETAINED has the newest message of each topic.
 * Finished frames are deleted after the progress that says so is stored.
 */
export class JetStreamStore implements SessionStore {
  readonly #options: JetStreamStoreOptions;
  readonly #writer: NewestWriter;
  readonly #records: Records;
  readonly #outbox: Outbox;
  readonly #queues: QueueFollower;
  readonly #retained: RetainedLog;
  readonly #queueDeps: QueueDeps;
  /** Queues whose claims are through. */
  readonly #claimed = new WeakSet<LiveQueue>();
  #events: StoreEvents | undefined;

  constructor(options: JetStreamStoreOptions) {
    this.#options = options;
    const { log, limits, onFailed } = options;
    const writerId = randomBytes(6).toString("base64url");
    this.#writer = new NewestWriter(log);
    this.#queueDeps = {
      log,
      writer: this.#writer,
      indexOf: (subject, after, lastSequence) => this.#queues.indexOf(subject, after, lastSequence),
      purge: (subject, upTo) => this.#queues.purge(subject, upTo),
      onDisplaced: (clientId) => this.#displaced(this.#records.entryOf(clientId)),
      onDropped: (clientId, count) => this.#events?.onQueuedDropped(clientId, count),
      onFailed,
    };
    this.#records = new Records({
      ...{ log, writer: this.#writer, onFailed, deletedMax: limits.sessionsMax },
      onRecord: (entry, by) => this.#recordChanged(entry, by),
    });
    this.#outbox = new Outbox({
      ...{ log, writer: writerId },
      entryOf: (clientId) => this.#live(clientId),
    });
    this.#queues = new QueueFollower({
      ...{ log, limits, records: this.#records, writer: writerId, onFailed },
      trim: (entry, most) => this.#trim(entry, most),
    });
    this.#retained = new RetainedLog({ log, limits, onFailed });
  }

  async start(events: StoreEvents): Promise<void> {
    this.#events = events;
    await this.#records.start();
    await Promise.all([this.#queues.start(), this.#retained.start()]);
    await this.#leaveOwn();
  }

  async stop(): Promise<void> {
    if (this.#events === undefined) return;
    const closing = [...this.#records.live()].flatMap(({ queue }) => (queue === undefined ? [] : [queue.close()]));
    await Promise.all(closing);
    this.#events = undefined;
    const error = new StoreClosedError("the session store is stopped");
    this.#writer.close(error);
    this.#outbox.close(error);
    await Promise.all([this.#records.stop(), this.#queues.stop(), this.#retained.stop(error)]);
  }

  *sessions(): Generator<SessionRecord> {
    for (const { record } of this.#records.live()) yield record;
  }

  /** The queued messages from before the start were found in the stream: from now on, reading a queue is fast. */
  get isIndexed(): boolean {
    return this.#queues.isIndexed;
  }

  session(clientId: string): SessionRecord | undefined {
    return this.#records.of(clientId)?.record;
  }

  async claim(clientId: string, wish: SessionWish): Promise<ClaimedSession> {
    this.#checkOpen();
    if (this.session(clientId) === undefined && !clientId.startsWith(OWN_PREFIX)) await this.#makeRoom();
    const entry = this.#records.entryOf(clientId);
    return await exclusively(entry, async () => {
      const before = await this.#writeClaim(entry, wish);
      const old = entry.queue;
      const present = before !== undefined && !wish.cleanStart;
      const detached = await old?.detach();
      if (old !== undefined && this.#claimed.delete(old)) this.#events?.onTaken(clientId, old.epoch);
      const { epoch, record } = entry;
      const queue = await this.#openQueue(entry, before === undefined ? NOTHING : present ? detached : undefined);
      await queue.trim({ messages: queuedMaxOf(entry, this.#options.limits), bytes: Number.POSITIVE_INFINITY });
      if (record === undefined || entry.epoch !== epoch || !queue.isOpen) {
        queue.taken();
        throw new TakenOverError(`session ${JSON.stringify(clientId)} was claimed again`);
      }
      this.#claimed.add(queue);
      if (before !== undefined && !present) this.#deleteQueue(entry, before.incarnation);
      return { record, present, queue, incoming: new OwnedIncomingIds(queue) };
    });
  }

  async save(record: SessionRecord, over?: SessionRecord): Promise<void> {
    this.#checkOpen();
    const entry = this.#records.entryOf(record.clientId);
    await exclusively(entry, () => this.#replace(entry, record.epoch, record, over));
  }

  async remove(clientId: string, epoch: number): Promise<void> {
    this.#checkOpen();
    const entry = this.#records.entryOf(clientId);
    await exclusively(entry, async () => {
      const { incarnation, queue } = entry;
      if (queue?.epoch === epoch) queue.taken();
      await this.#replace(entry, epoch, undefined);
      this.#deleteQueue(entry, incarnation);
      await this.#options.log.purge("MQTT_PROGRESS", mqttProgressSubject(entry.token), Number.MAX_SAFE_INTEGER);
    });
  }

  async enqueue(message: Message, copies: readonly Copy[]): Promise<void> {
    this.#checkOpen();
    if (copies.length > 0) await this.#outbox.add(message, copies);
  }

  async retain(topic: string, message: Message | null): Promise<void> {
    this.#checkOpen();
    if (!(await this.#retained.retain(topic, message))) this.#events?.onRetainedDropped(topic);
  }

  retained(): RetainedMessages {
    return this.#retained.tree;
  }

  async expire(nowUs: number): Promise<void> {
    this.#checkOpen();
    const expired = [...this.#records.live()].filter(({ record }) => isExpired(record, nowUs));
    await Promise.all(expired.map(({ record }) => this.#evict(record, "expired")));
    await this.#retained.expire(nowUs);
    await this.#records.forgetDeleted(nowUs);
    await this.#queues.sweep();
  }

  #checkOpen(): void {
    if (this.#events === undefined) throw new StoreClosedError("the session store is stopped");
  }

  #live(clientId: string): Entry | undefined {
    const entry = this.#records.of(clientId);
    return entry?.record === undefined ? undefined : entry;
  }

  /** This edge has the session once this resolves, to the earlier state, no matter which edge had it before. */
  async #writeClaim(entry: Entry, { user, cleanStart, expirySeconds, will }: SessionWish) {
    for (;;) {
      const { record: before, incarnation } = entry;
      const epoch = entry.epoch + 1;
      const kept = cleanStart ? undefined : before;
      const record: SessionRecord = {
        ...{ clientId: entry.clientId, user, expirySeconds, epoch, edge: this.#options.edge },
        subscriptions: kept?.subscriptions ?? [],
        ...(will === undefined ? {} : { will }),
      };
      try {
        await this.#records.write(entry, { epoch, incarnation: kept === undefined ? epoch : incarnation, record });
        return before && { incarnation };
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
      }
    }
  }

  /** `known` is the progress, if it need not be read. */
  async #openQueue(entry: Entry, known: LoadedProgress | typeof NOTHING | undefined): Promise<OwnedQueue> {
    await this.#queues.reached(entry.ownSequence);
    if (known === undefined) await this.#queues.refresh(entry);
    const loaded = known === NOTHING ? freshProgress(entry) : (known ?? (await this.#loadProgress(entry)));
    // While a client was connected, or if its progress was never stored, anything may have been sent.
    const sentUpTo = loaded.sentUpTo ?? entry.arrived.messages - 1;
    const queue = new OwnedQueue(entry, loaded, sentUpTo, this.#queueDeps);
    entry.queue = queue;
    try {
      await queue.connect();
    } catch (error) {
      if (!(error instanceof TakenOverError)) throw error;
      if (entry.epoch !== queue.epoch) throw error;
      // The earlier owner stored its last progress in between: it has lost the session, so it is the last.
      return await this.#openQueue(entry, undefined);
    }
    return queue;
  }

  /** The stored progress of the session's present queue. */
  async #loadProgress({ token, incarnation }: Entry): Promise<LoadedProgress> {
    const message = await this.#options.log.lastFor("MQTT_PROGRESS", mqttProgressSubject(token));
    const sequence = message?.sequence ?? 0;
    const stored = message === undefined ? undefined : decodeProgress(message.payload);
    return stored?.incarnation === incarnation ? { ...stored, sequence } : freshProgress({ incarnation }, sequence);
  }

  /** Rejects with `TakenOverError` when the session is at another epoch, or is not at `over`. */
  async #replace(
    entry: Entry,
    epoch: number,
    record: SessionRecord | undefined,
    over: SessionRecord | undefined = undefined,
  ): Promise<void> {
    for (;;) {
      if (over !== undefined && entry.record !== over) {
        throw new TakenOverError(`session ${JSON.stringify(entry.clientId)} has changed meanwhile`);
      }
      if (entry.record === undefined || entry.epoch !== epoch) {
        const state = entry.record === undefined ? "is gone" : `is at epoch ${entry.epoch}, not ${epoch}`;
        throw new TakenOverError(`session ${JSON.stringify(entry.clientId)} ${state}`);
      }
      try {
        // A deletion ends the rights of the owner, too.
        const next = record === undefined ? epoch + 1 : epoch;
        await this.#records.write(entry, { epoch: next, incarnation: entry.incarnation, record });
        return;
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
      }
    }
  }

  /** Another edge has the queue of a connection here, or has trimmed it because it took this edge for dead. */
  #displaced({ clientId, queue }: Entry): void {
    if (queue === undefined) return;
    queue.taken();
    if (this.#claimed.delete(queue)) this.#events?.onTaken(clientId, queue.epoch);
  }

  #recordChanged(entry: Entry, by: "us" | "others"): void {
    const { queue } = entry;
    if (queue !== undefined && queue.epoch !== entry.epoch && entry.record?.edge !== this.#options.edge) {
      this.#displaced(entry);
    }
    this.#events?.onSession(entry.clientId, entry.record);
    const { record } = entry;
    if (by === "us" || entry.queue?.epoch !== entry.epoch || record?.awayAtUs === undefined) return;
    // Another edge took this one for dead while it was cut off. The client is still here.
    const { awayAtUs: _, ...present } = record;
    this.save({ ...present, edge: this.#options.edge }).catch((error: unknown) => {
      if (!(error instanceof TakenOverError)) this.#options.onFailed("saving a session", error);
    });
  }

  /** Drops the oldest messages of a queue that this edge owns, or that no edge owns. */
  async #trim(entry: Entry, most: Amount): Promise<number> {
    if (entry.queue !== undefined) return await entry.queue.trim(most);
    const { edge, awayAtUs } = entry.record ?? {};
    if (awayAtUs === undefined && edge !== undefined && edge !== this.#options.edge) return 0;
    return await exclusively(entry, async () => {
      if (entry.queue !== undefined || entry.record === undefined) return 0;
      const { loaded, dropped, isDone } = this.#skipFrames(entry, await this.#loadProgress(entry), most);
      const queue = new OwnedQueue(entry, loaded, loaded.sentUpTo ?? -1, this.#queueDeps);
      // The last few messages are worth reading where bytes are scarce.
      const isEnough = isDone && most.bytes === Number.POSITIVE_INFINITY;
      return await queue.trimAway(isEnough ? waitingOf(entry) : most, dropped);
    });
  }

  #skipFrames(entry: Entry, loaded: LoadedProgress, most: Amount): Skipped {
    const { lastSequence, token, incarnation } = entry;
    const index = this.#queues.indexOf(mqttQueueSubject(token, incarnation), loaded.doneSequence, lastSequence);
    if (index === undefined) return { loaded, dropped: 0, isDone: false };
    return skipFrames(loaded, { waiting: waitingOf(entry), most, index, lastSequence });
  }

  /** The client of a session that this edge had when it ended is no longer connected. */
  async #leaveOwn(): Promise<void> {
    const { edge, graceSeconds, nowUs } = this.#options;
    const own = [...this.#records.live()].filter(({ record }) => record.edge === edge && record.awayAtUs === undefined);
    const leaving = own.map(async ({ record }) => {
      try {
        await this.save(leftBehind(record, nowUs(), graceSeconds));
      } catch (error) {
        if (!(error instanceof TakenOverError)) throw error;
      }
    });
    await Promise.all(leaving);
  }

  /** The number of clients bounds the connected sessions. */
  async #makeRoom(): Promise<void> {
    if (this.#records.size < this.#options.limits.sessionsMax) return;
    let oldest: SessionRecord | undefined;
    for (const { record } of this.#records.live()) {
      const { awayAtUs = 0 } = record;
      if (isReplaceable(record) && awayAtUs < (oldest?.awayAtUs ?? Number.POSITIVE_INFINITY)) oldest = record;
    }
    if (oldest !== undefined) await this.#evict(oldest, "too-many-sessions");
  }

  async #evict(record: SessionRecord, reason: SessionDrop): Promise<void> {
    try {
      await this.remove(record.clientId, record.epoch);
      this.#events?.onSessionDropped(record, reason);
    } catch (error) {
      // Its client came back.
      if (!(error instanceof TakenOverError)) throw error;
    }
  }

  #deleteQueue({ token }: Entry, incarnation: number): void {
    this.#queues.remove(mqttQueueSubject(token, incarnation));
  }
}
