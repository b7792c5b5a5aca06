import { isExpired, isReplaceable, leftBehind } from "./expiry.ts";
import { MemoryQueue, QueueView } from "./memory-queue.ts";
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
} from "./port.ts";
import { RetainedTree } from "./retained-tree.ts";
import { MemoryIncomingIds } from "./transient-session.ts";

interface Stored {
  record: SessionRecord;
  readonly queue: MemoryQueue;
  /** Of the store that claimed it. */
  readonly owner: StoreEvents;
}

/** What the stores of several edges in one process share. It survives them as a disk would. */
export class MemoryDisk {
  readonly sessions = new Map<string, Stored>();
  readonly retained: RetainedTree;
  readonly stores = new Set<StoreEvents>();

  constructor(limits: StoreLimits) {
    this.retained = new RetainedTree(limits);
  }
}

export interface MemoryStoreOptions {
  readonly limits: StoreLimits;
  /** The id of this edge. */
  readonly edge: string;
  readonly nowUs: () => number;
  /** Default: one of its own. */
  readonly disk?: MemoryDisk;
}

/** A store that exists as long as its disk: for tests, and for a broker without a log. */
export class MemoryStore implements SessionStore {
  readonly #limits: StoreLimits;
  readonly #edge: string;
  readonly #nowUs: () => number;
  readonly #disk: MemoryDisk;
  #events: StoreEvents | undefined;
  #queuedBytes = 0;

  constructor({ limits, edge, nowUs, disk = new MemoryDisk(limits) }: MemoryStoreOptions) {
    this.#limits = limits;
    this.#edge = edge;
    this.#nowUs = nowUs;
    this.#disk = disk;
  }

  async start(events: StoreEvents): Promise<void> {
    this.#events = events;
    this.#disk.stores.add(events);
    for (const stored of this.#disk.sessions.values()) {
      const { edge, awayAtUs } = stored.record;
      if (edge !== this.#edge || awayAtUs !== undefined) continue;
      void stored.queue.view?.close();
      stored.record = leftBehind(stored.record, this.#nowUs());
    }
  }

  async stop(): Promise<void> {
    if (this.#events === undefined) return;
    this.#disk.stores.delete(this.#events);
    this.#events = undefined;
  }

  *sessions(): Generator<SessionRecord> {
    for (const { record } of this.#disk.sessions.values()) yield record;
  }

  session(clientId: string): SessionRecord | undefined {
    return this.#disk.sessions.get(clientId)?.record;
  }

  async claim(clientId: string, { user, cleanStart, expirySeconds, will }: SessionWish): Promise<ClaimedSession> {
    const owner = this.#checkOpen();
    const before = this.#disk.sessions.get(clientId);
    if (before !== undefined) this.#take(before);
    else if (!clientId.startsWith(OWN_PREFIX)) this.#makeRoom();
    const kept = cleanStart ? undefined : before;
    const record: SessionRecord = {
      clientId,
      user,
      expirySeconds,
      subscriptions: kept?.record.subscriptions ?? [],
      epoch: (before?.record.epoch ?? 0) + 1,
      edge: this.#edge,
      ...(will === undefined ? {} : { will }),
    };
    const stored = { record, queue: kept?.queue ?? new MemoryQueue(), owner };
    this.#disk.sessions.set(clientId, stored);
    this.#changed(clientId, record);
    const view = new QueueView(clientId, stored.queue);
    stored.queue.view = view;
    const incoming = new MemoryIncomingIds(stored.queue.progress);
    return { record, present: kept !== undefined, queue: view, incoming };
  }

  async save(record: SessionRecord, over?: SessionRecord): Promise<void> {
    const stored = this.#owned(record.clientId, record.epoch);
    if (over !== undefined && stored.record !== over) {
      throw new TakenOverError(`session ${JSON.stringify(record.clientId)} has changed meanwhile`);
    }
    const { edge } = stored.record;
    stored.record = record;
    this.#changed(record.clientId, record);
    if (record.awayAtUs === undefined || stored.queue.view === undefined) return;
    if (stored.owner === this.#events || !this.#disk.stores.has(stored.owner)) return;
    // Another edge took the owner for dead while it was cut off. The client is still there.
    const { awayAtUs: _, ...rest } = record;
    const present = edge === undefined ? rest : { ...rest, edge };
    stored.record = present;
    this.#changed(record.clientId, present);
  }

  async remove(clientId: string, epoch: number): Promise<void> {
    this.#delete(this.#owned(clientId, epoch));
  }

  async enqueue(message: Message, copies: readonly Copy[]): Promise<void> {
    this.#checkOpen();
    // The payload may be a view of the socket's buffer. A copy does not keep the whole buffer in memory.
    const kept = { ...message, payload: new Uint8Array(message.payload) };
    for (const copy of copies) {
      const stored = this.#disk.sessions.get(copy.clientId);
      if (stored === undefined) continue;
      const { queue } = stored;
      const bytes = queue.bytes;
      queue.push(kept, copy);
      this.#queuedBytes += queue.bytes - bytes;
      const isOwn = copy.clientId.startsWith(OWN_PREFIX);
      if (!isOwn && queue.length > this.#limits.queuedPerSessionMax) this.#drop(copy.clientId, queue);
      this.#keepBytesBound();
    }
  }

  async retain(topic: string, message: Message | null): Promise<void> {
    const events = this.#checkOpen();
    const { retained } = this.#disk;
    if (message !== null && retained.hasRoomFor(message)) {
      retained.set({ ...message, payload: new Uint8Array(message.payload) });
      return;
    }
    // The earlier message of the topic would be wrong from now on.
    retained.delete(topic);
    if (message !== null) events.onRetainedDropped(topic);
  }

  retained(): RetainedMessages {
    return this.#disk.retained;
  }

  async expire(nowUs: number): Promise<void> {
    this.#checkOpen();
    for (const stored of [...this.#disk.sessions.values()]) {
      if (isExpired(stored.record, nowUs)) this.#evict(stored, "expired");
    }
    const { retained } = this.#disk;
    for (const { topic, expiresAtUs } of [...retained.all()]) {
      if (expiresAtUs !== undefined && expiresAtUs <= nowUs) retained.delete(topic);
    }
  }

  #checkOpen(): StoreEvents {
    if (this.#events === undefined) throw new StoreClosedError("the session store is stopped");
    return this.#events;
  }

  #owned(clientId: string, epoch: number): Stored {
    this.#checkOpen();
    const stored = this.#disk.sessions.get(clientId);
    if (stored?.record.epoch === epoch) return stored;
    const state = stored === undefined ? "is gone" : `is at epoch ${stored.record.epoch}, not ${epoch}`;
    throw new TakenOverError(`session ${JSON.stringify(clientId)} ${state}`);
  }

  #changed(clientId: string, record: SessionRecord | undefined): void {
    for (const events of this.#disk.stores) events.onSession(clientId, record);
  }

  /** Ends the connection that has the session. */
  #take({ record, queue, owner }: Stored): void {
    if (queue.view === undefined) return;
    void queue.view.close();
    owner.onTaken(record.clientId, record.epoch);
  }

  #delete(stored: Stored): void {
    const { clientId } = stored.record;
    void stored.queue.view?.close();
    this.#disk.sessions.delete(clientId);
    this.#changed(clientId, undefined);
  }

  #evict(stored: Stored, reason: SessionDrop): void {
    this.#delete(stored);
    this.#events?.onSessionDropped(stored.record, reason);
  }

  /** The number of clients bounds the connected sessions. */
  #makeRoom(): void {
    if (this.#disk.sessions.size < this.#limits.sessionsMax) return;
    let oldest: Stored | undefined;
    let own = 0;
    for (const stored of this.#disk.sessions.values()) {
      const { awayAtUs = 0, clientId } = stored.record;
      if (clientId.startsWith(OWN_PREFIX)) own++;
      if (!isReplaceable(stored.record)) continue;
      if (awayAtUs < (oldest?.record.awayAtUs ?? Number.POSITIVE_INFINITY)) oldest = stored;
    }
    if (this.#disk.sessions.size - own < this.#limits.sessionsMax) return;
    if (oldest !== undefined) this.#evict(oldest, "too-many-sessions");
  }

  #keepBytesBound(): void {
    if (this.#queuedBytes <= this.#limits.queuedBytesMax) return;
    // Counted again: deliveries that finished have freed some.
    this.#queuedBytes = 0;
    for (const { queue } of this.#disk.sessions.values()) this.#queuedBytes += queue.bytes;
    const spent = new Set<MemoryQueue>();
    while (this.#queuedBytes > this.#limits.queuedBytesMax) {
      let longest: Stored | undefined;
      for (const stored of this.#disk.sessions.values()) {
        if (!spent.has(stored.queue) && stored.queue.bytes > (longest?.queue.bytes ?? 0)) longest = stored;
      }
      if (longest === undefined) return;
      const { queue, record } = longest;
      const bytes = queue.bytes;
      if (!this.#drop(record.clientId, queue)) spent.add(queue);
      this.#queuedBytes += queue.bytes - bytes;
    }
  }

  #drop(clientId: string, queue: MemoryQueue): boolean {
    const dropped = queue.dropOldest();
    if (dropped) this.#events?.onQueuedDropped(clientId, 1);
    return dropped;
  }
}
