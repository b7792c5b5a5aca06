import type { Copy, Message, QueuedMessage, SessionQueue, SessionRecord, Subscription } from "../store/port.ts";
import { sharedOrigin } from "./return-shared.ts";
import { lower } from "./routes.ts";
import type { DeliverOptions, Session } from "./session.ts";

/** Messages of one shared subscription that one member has and has not finished. */
const TAKEN_MAX = 64;
const READ_MAX = 64;

/** A message of a group's queue. */
interface Waiting {
  readonly source: SessionQueue;
  readonly queued: QueuedMessage;
}

/** A queue that the group takes from. */
interface Source {
  /** The same after a restart, and no other's of the group. */
  readonly name: string;
  readonly kind: "stored" | "transient";
  unreleased: readonly number[];
}

/** A message, and the member that gets it. */
interface Gift extends Waiting {
  /** A record: it got the message before a crash, or may have got it. */
  readonly to: Session | SessionRecord;
  readonly message: Message;
  readonly copy: Omit<Copy, "clientId">;
  readonly taken?: Taken;
}

/** A message that a member has. */
interface Taken extends Waiting {
  readonly group: ShareGroup;
  /** In the queue of the member; undefined until it is sent. */
  ordinal: number | undefined;
  isReceived: boolean;
}

/** What each connected session has taken from its groups, by the origin that the copy for it has. */
export type TakenBy = Map<string, Taken>;

export interface ShareGroupOptions {
  /** `$share/group/filter`. */
  readonly filter: string;
  readonly connected: ReadonlyMap<string, Session>;
  readonly takenBy: (session: Session) => TakenBy;
  readonly recordOf: (clientId: string | undefined) => SessionRecord | undefined;
  /** Puts a copy into the queue of a member, which need not be connected. */
  readonly give: (to: Session | SessionRecord, message: Message, copy: Omit<Copy, "clientId">) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

/**
 * The queue of one shared subscription, and who takes from it. A message belongs to the queue until a member has
 * finished it, or has it in a session that the store keeps. So when a member dies, another one gets it; except for a
 * QoS 2 message that the member has been sent [MQTT-4.8.2-4].
 */
export class ShareGroup {
  readonly filter: string;
  readonly #options: ShareGroupOptions;
  /** Client ids of members, and whether the store has their sessions. The one whose turn it is comes first. */
  readonly members = new Map<string, boolean>();
  readonly #sources = new Map<SessionQueue, Source>();
  /** Given back by members that left, oldest first. */
  readonly #returned: Waiting[] = [];
  #isPumping = false;
  readonly #onIdle: (() => void)[] = [];
  #isPumpDue = false;

  constructor(options: ShareGroupOptions) {
    this.filter = options.filter;
    this.#options = options;
  }

  addSource(queue: SessionQueue, { name, kind }: Pick<Source, "name" | "kind">): void {
    this.#sources.set(queue, { name, kind, unreleased: queue.unreleased });
    queue.onMore(() => this.pump());
    this.pump();
  }

  /** Another edge has it. */
  removeSource(queue: SessionQueue): void {
    this.#sources.delete(queue);
    const left = this.#returned.filter(({ source }) => source !== queue);
    this.#returned.splice(0, this.#returned.length, ...left);
  }

  /** Members that are connected here. */
  get weight(): number {
    let weight = 0;
    for (const clientId of this.members.keys()) if (this.#options.connected.has(clientId)) weight++;
    return weight;
  }

  /** Gives a QoS 0 message to one member that is connected; best to one that has room. */
  deliver(message: Message): void {
    const session = this.#next() ?? this.#next({ mayBeFull: true });
    session?.client.deliver(message, optionsFor(session?.subscriptions.get(this.filter), message));
  }

  /** Gives messages to members that have room. */
  pump(): void {
    this.#isPumpDue = true;
    if (this.#isPumping) return;
    this.#isPumping = true;
    const paused = (error?: unknown) => {
      this.#isPumping = false;
      if (error !== undefined) this.#options.onError(error);
      // Asked for since the last look.
      else if (this.#isPumpDue) this.pump();
      if (!this.#isPumping) for (const act of this.#onIdle.splice(0)) act();
    };
    this.#pumpAll().then(() => paused(), paused);
  }

  /** Resolves once no message is on its way to a member's queue. */
  async untilIdle(): Promise<void> {
    if (this.#isPumping) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /** A member left: its message goes to another one. */
  giveBack({ source, queued }: Waiting): void {
    const later = this.#returned.findIndex((other) => other.queued.ordinal > queued.ordinal);
    this.#returned.splice(later < 0 ? this.#returned.length : later, 0, { source, queued });
  }

  async #pumpAll(): Promise<void> {
    while (this.#isPumpDue) {
      this.#isPumpDue = false;
      while (this.#returned.length > 0) {
        const room = this.#room();
        if (room === 0) return;
        await this.#giveAll(this.#returned.splice(0, Math.min(room, READ_MAX)));
      }
      for (const [source, state] of [...this.#sources]) await this.#pumpSource(source, state);
    }
  }

  async #pumpSource(source: SessionQueue, state: Source): Promise<void> {
    for (;;) {
      const room = this.#room();
      if (room === 0) return;
      const messages = await source.read(Math.min(room, READ_MAX));
      if (messages.length === 0) {
        // Sent with QoS 2 to members of a dead edge: nobody else may get them.
        for (const ordinal of state.unreleased) source.finish(ordinal);
        state.unreleased = [];
        return;
      }
      await this.#giveAll(messages.map((queued) => ({ source, queued })));
    }
  }

  async #giveAll(waiting: readonly Waiting[]): Promise<void> {
    const gifts = waiting.flatMap((each) => this.#giftOf(each) ?? []);
    await this.#assign(gifts);
    await Promise.all(gifts.map(({ to, message, copy }) => this.#options.give(to, message, copy)));
    for (const gift of gifts) {
      const { to, source, queued, taken } = gift;
      if (isTransient(to)) continue;
      const isLost = this.#options.recordOf(to.clientId) === undefined && taken?.ordinal === undefined;
      // Its session ended before it had the message.
      if (isLost) this.giveBack(gift);
      else source.finish(queued.ordinal);
    }
  }

  /** Chooses who gets a message; undefined if it got it, or waits. */
  #giftOf({ source, queued }: Waiting): Gift | undefined {
    const { message, ordinal } = queued;
    // The same after a crash: a member that has the message does not get it again. An ordinal alone would come again
    // once all members have left.
    const { name = "", kind = "transient" } = this.#sources.get(source) ?? {};
    const origin = sharedOrigin({ kind, name, ordinal, receivedAtUs: message.receivedAtUs });
    const before = this.#options.recordOf(source.takerOf(ordinal));
    if (before !== undefined) {
      const options = optionsFor(
        before.subscriptions.find(({ filter }) => filter === this.filter),
        message,
      );
      return { source, queued, to: before, message: { ...message, origin }, copy: { qos: 2, ...options } };
    }
    const session = this.#next();
    if (session === undefined) {
      // The member with room has left meanwhile.
      this.giveBack({ source, queued });
      return undefined;
    }
    const subscription = session.subscriptions.get(this.filter);
    const options = optionsFor(subscription, message);
    const qos = lower(queued.qos, subscription?.qos ?? 0);
    if (qos === 0) {
      session.client.deliver(message, options);
      source.finish(ordinal);
      return undefined;
    }
    const taken: Taken = { group: this, source, queued, ordinal: undefined, isReceived: false };
    this.#options.takenBy(session).set(origin, taken);
    return { source, queued, to: session, message: { ...message, origin }, copy: { qos, ...options }, taken };
  }

  /** Saves who gets messages with QoS 2, before they get them: after a crash, no other member may. */
  async #assign(gifts: readonly Gift[]): Promise<void> {
    const bySource = new Map<SessionQueue, Map<number, string>>();
    const toTransient: Promise<void>[] = [];
    for (const { to, source, queued, copy } of gifts) {
      if (copy.qos !== 2) continue;
      if (isTransient(to)) {
        // If this edge dies, its session is gone, and the message with it.
        if (this.#sources.get(source)?.kind === "stored") toTransient.push(source.received(queued.ordinal));
        continue;
      }
      const takers = bySource.get(source) ?? new Map();
      bySource.set(source, takers.set(queued.ordinal, to.clientId));
    }
    const toStored = Array.from(bySource, ([source, takers]) => source.assign(takers));
    await Promise.all([...toTransient, ...toStored]);
  }

  #room(): number {
    let room = 0;
    for (const clientId of this.members.keys()) room += this.#roomOf(clientId);
    return room;
  }

  #roomOf(clientId: string): number {
    const session = this.#options.connected.get(clientId);
    if (session === undefined) return 0;
    const taken = this.#options.takenBy(session);
    let unsent = 0;
    for (const { ordinal } of taken.values()) if (ordinal === undefined) unsent++;
    return Math.max(0, Math.min(session.client.room() - unsent, TAKEN_MAX - taken.size));
  }

  /** The next connected member in turn that has room. */
  #next({ mayBeFull = false } = {}): Session | undefined {
    for (const [clientId, isStored] of this.members) {
      const session = this.#options.connected.get(clientId);
      if (session === undefined || (!mayBeFull && this.#roomOf(clientId) === 0)) continue;
      this.members.delete(clientId);
      this.members.set(clientId, isStored);
      return session;
    }
    return undefined;
  }
}

function optionsFor(subscription: Subscription | undefined, { retain }: Message): DeliverOptions {
  const { identifier, retainAsPublished = false } = subscription ?? {};
  return { retain: retain && retainAsPublished, identifiers: identifier === undefined ? [] : [identifier] };
}

function isTransient(to: Session | SessionRecord): boolean {
  return "transient" in to && to.transient !== undefined;
}
