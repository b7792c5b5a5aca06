import type { Cluster } from "../cluster/port.ts";
import { removeIfThere, unlessTaken } from "../cluster/remove.ts";
import type { BrokerEvents } from "../common/events.ts";
import {
  type Copy,
  type Message,
  NEVER_EXPIRES,
  type SessionQueue,
  type SessionRecord,
  type SessionStore,
  type Subscription,
  TakenOverError,
} from "../store/port.ts";
import { TransientSession } from "../store/transient-session.ts";
import { Locks } from "./locks.ts";
import { returnShared } from "./return-shared.ts";
import type { Session } from "./session.ts";
import { ShareGroup, type TakenBy } from "./share-group.ts";
import { filterOf, isShareId, SharedQueues, sharedQueueId } from "./shared-queues.ts";

export interface SharesOptions {
  readonly store: SessionStore;
  readonly cluster: Cluster;
  readonly connected: ReadonlyMap<string, Session>;
  readonly events: BrokerEvents;
  readonly nowUs: () => number;
  readonly queuedMax: number;
  readonly queuedBytesMax: number;
  readonly give: ConstructorParameters<typeof ShareGroup>[0]["give"];
}

/** An unused queue is deleted this long after its edge left it: a late copy must not be lost. */
const FORGET_US = 600_000_000;
const NO_GROUPS: readonly ShareGroup[] = [];
const NO_FILTERS: ReadonlySet<string> = new Set();

interface Entry {
  readonly group: ShareGroup;
  /** For members whose sessions end with their connections, while no other edge is there. */
  transient: TransientSession | undefined;
  /** In the store, owned by this edge: its own, and those that dead edges have left. By their ids. */
  readonly owned: Map<string, Owned>;
}

interface Owned {
  readonly queue: SessionQueue;
  readonly sinceUs: number;
  record: SessionRecord;
}

/**
 * Shared subscriptions (MQTT 5, section 4.8.2): each message goes to one member of a group. Each edge with members has
 * a queue in the store for each group, as a session whose client id is the group's filter and the edge. The edge where
 * a message is published chooses one of them. When an edge dies, or has no connected members any more, another one
 * takes what its queue holds. An edge that is alone, with members whose sessions are not stored, stores nothing.
 */
export class Shares {
  readonly #options: SharesOptions;
  readonly #queues: SharedQueues;
  readonly #entries = new Map<string, Entry>();
  readonly #groupsOf = new Map<string, readonly ShareGroup[]>();
  readonly #taken = new WeakMap<Session, TakenBy>();
  /** Groups that had no queue in the store when copies of a message were made. */
  readonly #unstored = new WeakMap<Message, ReadonlySet<string>>();
  readonly #locks = new Locks();

  constructor(options: SharesOptions) {
    this.#options = options;
    this.#queues = new SharedQueues(options.cluster);
  }

  /** A session's subscriptions have changed. Resolves once its groups are as safe as the session. */
  async set(clientId: string, filters: Iterable<string>, isStored: boolean): Promise<void> {
    const shared = new Set([...filters].filter(isShareId));
    if (shared.size === 0 && !this.#groupsOf.delete(clientId)) return;
    for (const [filter, entry] of this.#entries) {
      if (!shared.has(filter) && entry.group.members.delete(clientId)) await this.#settle(filter);
    }
    for (const filter of shared) {
      const { group } = this.#entries.get(filter) ?? this.#create(filter);
      group.members.set(clientId, isStored);
    }
    const groups = [...shared].flatMap((filter) => this.#entries.get(filter)?.group ?? []);
    if (groups.length > 0) this.#groupsOf.set(clientId, groups);
    for (const { filter } of groups) await this.#settle(filter);
  }

  /** A session has its connection from now on. */
  joined({ clientId }: Session): void {
    for (const { filter } of this.#groupsOf.get(clientId) ?? NO_GROUPS) this.#settleSoon(filter);
  }

  /** Its connection has ended, its queue is still open: what it has not finished goes to other members. */
  async left(session: Session): Promise<void> {
    await this.#giveBack(session);
    for (const { filter } of this.#groupsOf.get(session.clientId) ?? NO_GROUPS) this.#settleSoon(filter);
  }

  async #giveBack(session: Session): Promise<void> {
    const taken = this.#taken.get(session);
    if (taken === undefined) return;
    this.#taken.delete(session);
    const { store } = this.#options;
    // At another edge, its client gets them.
    const isElsewhere = session.record !== undefined && store.session(session.clientId)?.epoch !== session.record.epoch;
    if (isElsewhere) return;
    for (const { group, source, queued, ordinal, isReceived } of taken.values()) {
      const wasSent = ordinal !== undefined;
      const isMembers = queued.qos === 2 && (wasSent || isReceived);
      if (session.transient === undefined) {
        // Unsent ones are safe in its session, and wait there for it.
        if (!wasSent || isMembers) continue;
        const { origin: _ofMember, ...message } = queued.message;
        const target = this.#queues.next(group.filter, group.weight);
        if (target === undefined) continue;
        await store.enqueue(message, [{ ...queued, clientId: target.id }]);
        session.queue.finish(ordinal);
      } else if (isMembers) {
        source.finish(queued.ordinal);
      } else {
        group.giveBack({ source, queued });
      }
      group.pump();
    }
  }

  /** The session of a member ends. Resolves to its record, once other members get what it had. */
  async ended(record: SessionRecord): Promise<SessionRecord> {
    const queueFor = (filter: string) => this.#queues.next(filter, this.#entries.get(filter)?.group.weight ?? 0)?.id;
    return await returnShared(record, { store: this.#options.store, queueFor });
  }

  /** A message of a session's queue was sent with this ordinal. */
  sent(session: Session, { origin }: Message, ordinal: number): void {
    const taken = origin === undefined ? undefined : this.#taken.get(session)?.get(origin);
    if (taken !== undefined) taken.ordinal = ordinal;
  }

  received(session: Session, { origin }: Message): void {
    const taken = origin === undefined ? undefined : this.#taken.get(session)?.get(origin);
    if (taken !== undefined) taken.isReceived = true;
  }

  finished(session: Session, { origin }: Message): void {
    const all = this.#taken.get(session);
    const taken = origin === undefined ? undefined : all?.get(origin);
    if (origin === undefined || taken === undefined) return;
    all?.delete(origin);
    if (session.transient !== undefined) taken.source.finish(taken.queued.ordinal);
  }

  /** A session may take messages of its groups. */
  hasRoom({ clientId }: Session): void {
    for (const group of this.#groupsOf.get(clientId) ?? NO_GROUPS) group.pump();
  }

  /** Copies for the groups' queues in the store. */
  copies(filters: ReadonlySet<string>, message: Message): Copy[] {
    const copies: Copy[] = [];
    const { qos } = message;
    if (qos === 0) return copies;
    let unstored: Set<string> | undefined;
    for (const filter of filters) {
      const target = this.#queues.next(filter, this.#entries.get(filter)?.group.weight ?? 0);
      if (target !== undefined) {
        copies.push({ clientId: target.id, qos, retain: false, identifiers: [] });
        continue;
      }
      unstored ??= new Set();
      unstored.add(filter);
    }
    if (unstored !== undefined) this.#unstored.set(message, unstored);
    return copies;
  }

  /** Gives a message to groups whose queue is not in the store; with QoS 0, to all. */
  deliver(filters: ReadonlySet<string>, message: Message): void {
    const { qos } = message;
    if (qos === 0) {
      for (const filter of filters) this.#deliverLive(filter, message);
      return;
    }
    for (const filter of this.#unstored.get(message) ?? NO_FILTERS) {
      const entry = this.#entries.get(filter);
      if (entry === undefined) continue;
      const dropped = this.#transientOf(entry).push(message, { qos, retain: false, identifiers: [] });
      if (dropped > 0) this.#options.events.queuedMessagesDropped(filter, dropped);
    }
  }

  /** From another edge, with QoS 0. */
  deliverHere(filter: string, message: Message): void {
    this.#entries.get(filter)?.group.deliver(message);
  }

  /** What the store reports of a queue. Returns the subscription by which messages find it. */
  queueChanged(id: string, record: SessionRecord | undefined): readonly Subscription[] {
    this.#queues.changed(id, record);
    const filter = filterOf(id);
    const owned = this.#entries.get(filter)?.owned;
    const own = owned?.get(id);
    if (own !== undefined && record !== undefined && record.epoch === own.record.epoch) own.record = record;
    // Something may have been left for another edge.
    if (record?.awayAtUs !== undefined) this.#settleSoon(filter);
    if (record === undefined) return [];
    return [{ filter, qos: 2, noLocal: false, retainAsPublished: false, retainHandling: 0 }];
  }

  /** Another claim has the queue. */
  queueTaken(id: string): void {
    const entry = this.#entries.get(filterOf(id));
    const owned = entry?.owned.get(id);
    if (entry === undefined || owned === undefined) return;
    const current = this.#options.store.session(id);
    if (current?.epoch === owned.record.epoch) return;
    entry.owned.delete(id);
    entry.group.removeSource(owned.queue);
    this.#settleSoon(entry.group.filter);
  }

  edgesChanged(): void {
    for (const filter of this.#queues.filters()) this.#settleSoon(filter);
  }

  /** Resolves once all groups are as they should be. */
  async settleAll(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((filter) => this.#settle(filter)));
  }

  /** Deletes queues that were left long ago and have nothing in them, or no members. */
  async tidy(): Promise<void> {
    const { cluster, nowUs, store } = this.#options;
    for (const filter of this.#queues.filters()) {
      const entry = this.#entries.get(filter);
      const hasMembers = (entry?.group.members.size ?? 0) > 0 || this.#queues.active(filter, 0).length > 0;
      for (const { id, edge, record } of [...this.#queues.of(filter)]) {
        const owned = entry?.owned.get(id);
        const leftAtUs = record.awayAtUs ?? (owned !== undefined && edge !== cluster.edge ? owned.sinceUs : undefined);
        if (leftAtUs === undefined || nowUs() - leftAtUs < FORGET_US) continue;
        const isDrained = owned !== undefined && edge !== cluster.edge && owned.queue.length === 0;
        if (!isDrained && (hasMembers || !cluster.isChosenFor(id))) continue;
        if (entry !== undefined && owned !== undefined) this.#disown(entry, id, owned);
        await removeIfThere(store, record);
      }
    }
  }

  #deliverLive(filter: string, message: Message): void {
    const { cluster } = this.#options;
    const group = this.#entries.get(filter)?.group;
    const target = cluster.hasOthers() ? this.#queues.next(filter, group?.weight ?? 0) : undefined;
    if (target === undefined || target.edge === cluster.edge || target.weight === 0) group?.deliver(message);
    else cluster.share(target.edge, filter, message);
  }

  #transientOf(entry: Entry): TransientSession {
    const { queuedMax, queuedBytesMax } = this.#options;
    if (entry.transient === undefined) {
      entry.transient = new TransientSession(entry.group.filter, { queuedMax, queuedBytesMax });
      entry.group.addSource(entry.transient.queue, { name: entry.group.filter, kind: "transient" });
    }
    return entry.transient;
  }

  #create(filter: string): Entry {
    const group = new ShareGroup({
      filter,
      connected: this.#options.connected,
      takenBy: (session) => this.#takenBy(session),
      recordOf: (clientId) => (clientId === undefined ? undefined : this.#options.store.session(clientId)),
      give: this.#options.give,
      onError: (error) => this.#options.events.brokerFailed(error),
    });
    const entry: Entry = { group, transient: undefined, owned: new Map() };
    this.#entries.set(filter, entry);
    return entry;
  }

  #settleSoon(filter: string): void {
    this.#settle(filter).catch((error: unknown) => this.#options.events.brokerFailed(error));
  }

  /** Makes the queues of a group fit its members. */
  async #settle(filter: string): Promise<void> {
    await this.#locks.run(filter, async () => {
      const entry = this.#entries.get(filter);
      if (entry === undefined) return;
      try {
        if (entry.group.members.size === 0) await this.#end(entry);
        else if (entry.group.weight > 0) await this.#serve(entry);
        else await this.#rest(entry);
      } catch (error) {
        // `queueTaken` follows.
        if (!(error instanceof TakenOverError)) throw error;
      }
      entry.group.pump();
    });
  }

  /** There are connected members here. */
  async #serve(entry: Entry): Promise<void> {
    const { cluster } = this.#options;
    const { filter, members, weight } = entry.group;
    const ownId = sharedQueueId(filter, cluster.edge);
    const own = entry.owned.get(ownId);
    const isStored = cluster.hasOthers() || [...members.values()].includes(true);
    if (own === undefined && isStored) await this.#claim(entry, ownId, weight);
    else if (own !== undefined && cluster.hasOthers()) await this.#saveWeight(own, weight);
    for (const { id, edge, record } of [...this.#queues.of(filter)]) {
      if (edge === cluster.edge || entry.owned.has(id) || record.awayAtUs === undefined) continue;
      const able = this.#queues.active(filter, weight).map((queue) => queue.edge);
      if (cluster.isChosenFor(id, able)) await this.#claim(entry, id, 0);
    }
  }

  /** The members here are away: what waits is for those at other edges, or for the first that comes back. */
  async #rest(entry: Entry): Promise<void> {
    if (!this.#options.cluster.hasOthers()) return;
    await entry.group.untilIdle();
    for (const [id, owned] of [...entry.owned]) {
      this.#disown(entry, id, owned);
      // All that members have finished is saved: nobody gets it again.
      await owned.queue.close();
      await this.#saveWeight(owned, 0);
    }
  }

  /** There are no members here, nor in the store. */
  async #end(entry: Entry): Promise<void> {
    const { store } = this.#options;
    const { filter } = entry.group;
    const ids = new Set(entry.owned.keys());
    const hasOthers = this.#queues.active(filter, 0).some(({ id }) => !ids.has(id));
    if (hasOthers) await this.#rest(entry);
    for (const [id, owned] of [...entry.owned]) {
      this.#disown(entry, id, owned);
      await removeIfThere(store, owned.record);
    }
    if (entry.owned.size === 0 && entry.group.members.size === 0) this.#entries.delete(filter);
  }

  async #claim(entry: Entry, id: string, weight: number): Promise<void> {
    const wish = { user: `${weight}`, cleanStart: false, expirySeconds: NEVER_EXPIRES };
    const { nowUs, store } = this.#options;
    const { record, queue } = await store.claim(id, wish);
    entry.owned.set(id, { record, queue, sinceUs: nowUs() });
    entry.group.addSource(queue, { name: id, kind: "stored" });
  }

  /** Other edges choose by it. With none, another edge may take what is in the queue. */
  async #saveWeight(owned: Owned, weight: number): Promise<void> {
    const { store, nowUs } = this.#options;
    const { awayAtUs, ...record } = owned.record;
    if (record.user === `${weight}` && (weight === 0) === (awayAtUs !== undefined)) return;
    const next = { ...record, user: `${weight}`, ...(weight > 0 ? {} : { awayAtUs: nowUs() }) };
    owned.record = next;
    await unlessTaken(store.save(next));
  }

  #disown(entry: Entry, id: string, owned: Owned): void {
    entry.owned.delete(id);
    entry.group.removeSource(owned.queue);
  }

  #takenBy(session: Session): TakenBy {
    const taken = this.#taken.get(session) ?? new Map();
    this.#taken.set(session, taken);
    return taken;
  }
}
