import type { Cluster } from "../cluster/port.ts";
import { removeIfThere } from "../cluster/remove.ts";
import {
  NEVER_EXPIRES,
  OWN_PREFIX,
  type SessionRecord,
  type SessionStore,
  type StoredWill,
  TakenOverError,
} from "../store/port.ts";
import type { Locks } from "./locks.ts";
import type { Session } from "./session.ts";

const US_PER_S = 1_000_000;
const SWEEP_MS = 200;
/** When the edge that is to send a will has not, another look is due after this. */
const AGAIN_US = 1_000_000;
const WILL = `${OWN_PREFIX}will/`;

export interface WillsOptions {
  readonly nowUs: () => number;
  readonly store: SessionStore;
  readonly cluster: Cluster;
  /** By client id. */
  readonly locks: Locks;
  readonly connected: ReadonlyMap<string, Session>;
  /** Publishes it. Resolves once it is kept, or was dropped for a reason that is counted. */
  readonly publish: (will: StoredWill, of: { readonly clientId: string; readonly user: string }) => Promise<void>;
  readonly inBackground: (work: Promise<void>) => void;
}

/**
 * The wills of sessions that their clients have left. Every edge knows when they are due, and one of them sends each.
 * For clients whose sessions are not stored, their wills are, as long as there is another edge to send them.
 */
export class Wills {
  readonly #options: WillsOptions;
  readonly #dueAtUs = new Map<string, number>();
  /** Clients whose wills are stored without their sessions, at any edge. */
  readonly #kept = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WillsOptions) {
    this.#options = options;
  }

  /** The session is new, or has changed, here or at another edge. */
  changed(id: string, record: SessionRecord | undefined): void {
    if (isWillId(id)) this.#keptChanged(clientIdOf(id), record);
    else if (record !== undefined) this.#restore(id, record);
    if (record?.will === undefined || record.awayAtUs === undefined) {
      this.#dueAtUs.delete(id);
      return;
    }
    this.#dueAtUs.set(id, willDueAtUs(record));
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#dueAtUs.clear();
  }

  /** A client is back before its will was sent: the will is due only if its session has ended. */
  async endWait(record: SessionRecord, isGone: boolean): Promise<void> {
    if (!isGone && willDueAtUs(record) > this.#options.nowUs()) return;
    if (record.awayAtUs !== undefined) await this.#send(record);
  }

  /** Stores the will of a client whose session is not stored, if another edge could send it. */
  async keepFor(clientId: string): Promise<void> {
    const { connected, locks } = this.#options;
    await locks.run(clientId, async () => {
      const session = connected.get(clientId);
      if (session !== undefined) await this.keep(session);
    });
  }

  /** The same, under the lock of the client. Undefined: there is nothing to do. */
  keep({ clientId, user, will, transient }: Session): Promise<unknown> | undefined {
    const { cluster, store } = this.#options;
    if (cluster.hasOthers() && will !== undefined && transient !== undefined) {
      return store.claim(WILL + clientId, { user, cleanStart: true, expirySeconds: NEVER_EXPIRES, will });
    }
    return this.#kept.has(clientId) ? this.#remove(clientId) : undefined;
  }

  /** It was sent, or its client said good-bye. If the client is at another edge, that one has stored its new will. */
  async drop(clientId: string): Promise<void> {
    const { cluster } = this.#options;
    const { edge = cluster.edge } = this.#keptOf(clientId) ?? {};
    if (edge === cluster.edge) await this.#remove(clientId);
  }

  #keptOf(clientId: string): SessionRecord | undefined {
    return this.#kept.has(clientId) ? this.#options.store.session(WILL + clientId) : undefined;
  }

  async #remove(clientId: string): Promise<void> {
    const record = this.#keptOf(clientId);
    if (record !== undefined) await removeIfThere(this.#options.store, record);
  }

  #keptChanged(clientId: string, record: SessionRecord | undefined): void {
    if (record !== undefined) {
      this.#kept.add(clientId);
      return;
    }
    this.#kept.delete(clientId);
    // Another edge took this one for dead and has sent it. The client was there all the time, and still may die.
    if (this.#options.connected.has(clientId)) this.#options.inBackground(this.keepFor(clientId));
  }

  /** The same for the will of a stored session. */
  #restore(clientId: string, record: SessionRecord): void {
    const session = this.#options.connected.get(clientId);
    if (session?.will === undefined || session.record?.epoch !== record.epoch) return;
    if (record.will !== undefined || record.awayAtUs !== undefined) return;
    const { inBackground, store } = this.#options;
    inBackground(store.save({ ...record, will: session.will }, record));
  }

  #sweep(): void {
    const { cluster, nowUs, inBackground } = this.#options;
    const now = nowUs();
    for (const [id, dueAtUs] of this.#dueAtUs) {
      if (dueAtUs > now) continue;
      this.#dueAtUs.set(id, now + AGAIN_US);
      if (cluster.isChosenFor(id)) inBackground(this.#sendDue(id));
    }
    if (this.#dueAtUs.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #sendDue(id: string): Promise<void> {
    const { cluster, connected, locks, nowUs, store } = this.#options;
    const clientId = clientIdOf(id);
    await locks.run(clientId, async () => {
      const record = store.session(id);
      if (record?.awayAtUs === undefined || connected.has(clientId) || willDueAtUs(record) > nowUs()) return;
      await this.#send(record);
      const after = store.session(id);
      if (after?.will?.sender !== cluster.edge) return;
      const { will: _sent, ...rest } = after;
      await (isWillId(id) ? store.remove(id, after.epoch) : store.save(rest, after));
    });
  }

  /** The first edge that says that it does so sends it. If that one dies before it is done, another one does. */
  async #send(record: SessionRecord): Promise<void> {
    const { store, cluster, publish } = this.#options;
    const { will, clientId, user } = record;
    if (will === undefined) return;
    if (will.sender !== undefined && will.sender !== cluster.edge && cluster.edges().includes(will.sender)) return;
    try {
      await store.save({ ...record, will: { ...will, sender: cluster.edge } }, record);
    } catch (error) {
      if (error instanceof TakenOverError) return;
      throw error;
    }
    await publish(will, { clientId: clientIdOf(clientId), user });
  }
}

/** Whether a session of the store only has the will of a client. */
export function isWillId(id: string): boolean {
  return id.startsWith(WILL);
}

function clientIdOf(id: string): string {
  return isWillId(id) ? id.slice(WILL.length) : id;
}

/** When the will of a session that its client has left is due: after its delay, or when the session ends. */
function willDueAtUs({ awayAtUs = 0, expirySeconds, will }: SessionRecord): number {
  const seconds = expirySeconds === NEVER_EXPIRES ? Number.POSITIVE_INFINITY : expirySeconds;
  return awayAtUs + Math.min(will?.delaySeconds ?? 0, seconds) * US_PER_S;
}

/** Whether the session's time is over; it may still wait for its will, or for the next sweep. */
export function isOver({ awayAtUs, expirySeconds }: SessionRecord, nowUs: number): boolean {
  if (awayAtUs === undefined || expirySeconds === NEVER_EXPIRES) return false;
  return awayAtUs + expirySeconds * US_PER_S <= nowUs;
}
