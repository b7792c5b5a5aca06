import type { Copy, Message, QueuedMessage, SessionQueue } from "../store/port.ts";
import { lower } from "./routes.ts";
import type { DeliverOptions, Session } from "./session.ts";

/** Messages of one shared subscription that one member has and has not finished. */
const TAKEN_MAX = 64;
const READ_MAX = 64;

/** A message that a member has. */
interface Taken {
  readonly group: ShareGroup;
  readonly source: SessionQueue;
  readonly queued: QueuedMessage;
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
  /** Puts a copy into a member's own queue. */
  readonly give: (session: Session, message: Message, copy: Omit<Copy, "clientId">) => Promise<void>;
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
  readonly #sources = new Map<SessionQueue, "stored" | "transient">();
  /** Given back by members that left, oldest first. */
  readonly #returned: { readonly source: SessionQueue; readonly queued: QueuedMessage }[] = [];
  #isPumping = false;
  #isPumpDue = false;

  constructor(options: ShareGroupOptions) {
    this.filter = options.filter;
    this.#options = options;
  }

  addSource(queue: SessionQueue, kind: "stored" | "transient"): void {
    this.#sources.set(queue, kind);
    queue.onMore(() => this.pump());
    this.pump();
  }

  /** Gives a QoS 0 message to one member that is connected; best to one that has room. */
  deliver(message: Message): void {
    const session = this.#next() ?? this.#next({ mayBeFull: true });
    session?.client.deliver(message, this.#optionsFor(session, message));
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
    };
    this.#pumpAll().then(() => paused(), paused);
  }

  /** A member left: its message goes to another one. */
  giveBack({ source, queued }: Pick<Taken, "source" | "queued">): void {
    const later = this.#returned.findIndex((other) => other.queued.ordinal > queued.ordinal);
    this.#returned.splice(later < 0 ? this.#returned.length : later, 0, { source, queued });
  }

  async #pumpAll(): Promise<void> {
    while (this.#isPumpDue) {
      this.#isPumpDue = false;
      while (this.#returned.length > 0) {
        const session = this.#next();
        const returned = session === undefined ? undefined : this.#returned.shift();
        if (session === undefined || returned === undefined) return;
        await this.#give(session, returned.source, returned.queued);
      }
      for (const source of this.#sources.keys()) await this.#pumpSource(source);
    }
  }

  async #pumpSource(source: SessionQueue): Promise<void> {
    for (;;) {
      const room = this.#room();
      if (room === 0) return;
      const messages = await source.read(Math.min(room, READ_MAX));
      if (messages.length === 0) return;
      for (const queued of messages) {
        const session = this.#next();
        // The member with room has left meanwhile.
        if (session === undefined) this.giveBack({ source, queued });
        else await this.#give(session, source, queued);
      }
    }
  }

  async #give(session: Session, source: SessionQueue, queued: QueuedMessage): Promise<void> {
    const { message } = queued;
    const options = this.#optionsFor(session, message);
    const qos = lower(queued.qos, session.subscriptions.get(this.filter)?.qos ?? 0);
    if (qos === 0) {
      session.client.deliver(message, options);
      source.finish(queued.ordinal);
      return;
    }
    // The same after a crash: a member that has the message does not get it again. An ordinal alone would come again
    // once all members have left.
    const origin = `share ${this.#sources.get(source)} ${queued.ordinal} ${message.receivedAtUs} ${this.filter}`;
    const taken = this.#options.takenBy(session);
    taken.set(origin, { group: this, source, queued, ordinal: undefined, isReceived: false });
    await this.#options.give(session, { ...message, origin }, { qos, ...options });
    if (session.transient !== undefined) return;
    // Saved at once: after a crash, another member would get it as well.
    if (queued.qos === 2) await source.received(queued.ordinal);
    source.finish(queued.ordinal);
  }

  #optionsFor(session: Session, { retain }: Message): DeliverOptions {
    const { identifier, retainAsPublished = false } = session.subscriptions.get(this.filter) ?? {};
    return { retain: retain && retainAsPublished, identifiers: identifier === undefined ? [] : [identifier] };
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
