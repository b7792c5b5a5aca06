import type { BrokerEvents } from "../common/events.ts";
import { type Copy, type Message, NEVER_EXPIRES, type SessionRecord, type SessionStore } from "../store/port.ts";
import { TransientSession } from "../store/transient-session.ts";
import { Locks } from "./locks.ts";
import type { Session } from "./session.ts";
import { ShareGroup, type TakenBy } from "./share-group.ts";

export interface SharesOptions {
  readonly store: SessionStore;
  readonly connected: ReadonlyMap<string, Session>;
  readonly events: BrokerEvents;
  readonly queuedMax: number;
  readonly queuedBytesMax: number;
  readonly give: ConstructorParameters<typeof ShareGroup>[0]["give"];
}

const SHARE = "$share/";
const NO_GROUPS: readonly ShareGroup[] = [];

interface Entry {
  readonly group: ShareGroup;
  /** For members whose sessions end with their connections. */
  transient: TransientSession | undefined;
  /** In the store, once a member's session is there. */
  record: SessionRecord | undefined;
}

/** Whether a client id is that of a group's queue in the store. */
export function isShareId(clientId: string): boolean {
  return clientId.startsWith(SHARE);
}

/**
 * Shared subscriptions (MQTT 5, section 4.8.2): each message goes to one member of a group. The queue of a group with a
 * member in the store is there too, as a session whose client id is the group's filter.
 */
export class Shares {
  readonly #options: SharesOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #groupsOf = new Map<string, readonly ShareGroup[]>();
  readonly #taken = new WeakMap<Session, TakenBy>();
  readonly #locks = new Locks();

  constructor(options: SharesOptions) {
    this.#options = options;
  }

  /** A session's subscriptions have changed. Resolves once its groups are as safe as the session. */
  async set(clientId: string, filters: Iterable<string>, isStored: boolean): Promise<void> {
    const shared = new Set([...filters].filter(isShareId));
    if (shared.size === 0 && !this.#groupsOf.delete(clientId)) return;
    for (const [filter, { group }] of this.#entries) {
      if (!shared.has(filter) && group.members.delete(clientId) && group.members.size === 0) await this.#remove(filter);
    }
    for (const filter of shared) await this.#join(filter, clientId, isStored);
    const groups = [...shared].flatMap((filter) => this.#entries.get(filter)?.group ?? []);
    if (groups.length > 0) this.#groupsOf.set(clientId, groups);
  }

  /** Its connection has ended, its queue is still open: what it has not finished goes to other members. */
  async left(session: Session): Promise<void> {
    const taken = this.#taken.get(session);
    if (taken === undefined) return;
    this.#taken.delete(session);
    for (const { group, source, queued, ordinal, isReceived } of taken.values()) {
      const wasSent = ordinal !== undefined;
      const isMembers = queued.qos === 2 && (wasSent || isReceived);
      if (session.transient === undefined) {
        // Unsent ones are safe in its session, and wait there for it.
        if (!wasSent || isMembers) continue;
        const { origin: _ofMember, ...message } = queued.message;
        await this.#options.store.enqueue(message, [{ ...queued, clientId: group.filter }]);
        session.queue.finish(ordinal);
      } else if (isMembers) {
        source.finish(queued.ordinal);
      } else {
        group.giveBack({ source, queued });
      }
      group.pump();
    }
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
    for (const filter of filters) {
      if (this.#entries.get(filter)?.record === undefined) continue;
      copies.push({ clientId: filter, qos, retain: false, identifiers: [] });
    }
    return copies;
  }

  /** Gives a message to groups whose queue is not in the store. */
  deliver(filters: ReadonlySet<string>, message: Message): void {
    const { qos } = message;
    for (const filter of filters) {
      const entry = this.#entries.get(filter);
      if (entry === undefined) continue;
      if (qos === 0) {
        entry.group.deliver(message);
      } else if (entry.record === undefined) {
        const dropped = this.#transientOf(entry).push(message, { qos, retain: false, identifiers: [] });
        if (dropped > 0) this.#options.events.queuedMessagesDropped(filter, dropped);
      }
    }
  }

  #transientOf(entry: Entry): TransientSession {
    const { queuedMax, queuedBytesMax } = this.#options;
    if (entry.transient === undefined) {
      entry.transient = new TransientSession(entry.group.filter, { queuedMax, queuedBytesMax });
      entry.group.addSource(entry.transient.queue, "transient");
    }
    return entry.transient;
  }

  async #join(filter: string, clientId: string, isStored: boolean): Promise<void> {
    const entry = this.#entries.get(filter) ?? this.#create(filter);
    entry.group.members.set(clientId, isStored);
    if (isStored) await this.#locks.run(filter, () => this.#store(entry));
    entry.group.pump();
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
    const entry: Entry = { group, transient: undefined, record: undefined };
    this.#entries.set(filter, entry);
    return entry;
  }

  /** Has its queue in the store from now on. */
  async #store(entry: Entry): Promise<void> {
    if (entry.record !== undefined) return;
    const wish = { user: "", cleanStart: false, expirySeconds: NEVER_EXPIRES };
    const { record, queue } = await this.#options.store.claim(entry.group.filter, wish);
    entry.record = record;
    entry.group.addSource(queue, "stored");
  }

  async #remove(filter: string): Promise<void> {
    const record = this.#entries.get(filter)?.record;
    this.#entries.delete(filter);
    if (record !== undefined) await this.#options.store.remove(filter, record.epoch);
  }

  #takenBy(session: Session): TakenBy {
    const taken = this.#taken.get(session) ?? new Map();
    this.#taken.set(session, taken);
    return taken;
  }
}
