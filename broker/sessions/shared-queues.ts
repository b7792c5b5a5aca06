import type { Cluster } from "../cluster/port.ts";
import { type SessionRecord, SHARE_PREFIX } from "../store/port.ts";

const SEPARATOR = "\u0000";

/** The queue that an edge has for the members of a shared subscription that are connected to it. */
export interface SharedQueue {
  /** Its client id in the store. */
  readonly id: string;
  /** `$share/group/filter` */
  readonly filter: string;
  /** Whose members get what is in it. */
  readonly edge: string;
  readonly record: SessionRecord;
  /** Connected members. 0: none, or another edge looks after what is left in it. */
  readonly weight: number;
}

interface Group {
  readonly queues: Map<string, SharedQueue>;
  /** Messages that each is owed, in parts of a message: the one with the most is next. */
  readonly owed: Map<string, number>;
}

/** Whether a client id is that of such a queue. */
export function isShareId(clientId: string): boolean {
  return clientId.startsWith(SHARE_PREFIX);
}

/** `$share/group/filter` of a queue. */
export function filterOf(id: string): string {
  return partsOf(id).filter;
}

export function sharedQueueId(filter: string, edge: string): string {
  return `${filter}${SEPARATOR}${edge}`;
}

/** The queues of all shared subscriptions at all edges, and which one gets the next message. */
export class SharedQueues {
  readonly #cluster: Pick<Cluster, "edge" | "edges">;
  readonly #groups = new Map<string, Group>();

  constructor(cluster: Pick<Cluster, "edge" | "edges">) {
    this.#cluster = cluster;
  }

  changed(id: string, record: SessionRecord | undefined): void {
    const { filter, edge } = partsOf(id);
    const group = this.#groups.get(filter) ?? { queues: new Map(), owed: new Map() };
    if (record === undefined) {
      group.queues.delete(id);
      group.owed.delete(id);
      if (group.queues.size === 0) this.#groups.delete(filter);
      return;
    }
    this.#groups.set(filter, group);
    const isEdges = record.edge === edge && record.awayAtUs === undefined;
    group.queues.set(id, { id, filter, edge, record, weight: isEdges ? Number(record.user) || 0 : 0 });
  }

  filters(): Iterable<string> {
    return [...this.#groups.keys()];
  }

  of(filter: string): Iterable<SharedQueue> {
    return this.#groups.get(filter)?.queues.values() ?? [];
  }

  get(filter: string, id: string): SharedQueue | undefined {
    return this.#groups.get(filter)?.queues.get(id);
  }

  /** Those with connected members, at edges that are alive. `ownWeight` is newer than what is stored. */
  active(filter: string, ownWeight: number): readonly SharedQueue[] {
    const alive = this.#cluster.edges();
    const active: SharedQueue[] = [];
    for (const queue of this.of(filter)) {
      const isOwn = queue.edge === this.#cluster.edge;
      const weight = isOwn ? ownWeight : queue.weight;
      if (weight > 0 && alive.includes(queue.edge)) active.push({ ...queue, weight });
    }
    return active;
  }

  /**
   * The queue for the next message: edges take turns by their connected members. Without any, one that is there for
   * members that will come back. Undefined if there is none.
   */
  next(filter: string, ownWeight: number): SharedQueue | undefined {
    const group = this.#groups.get(filter);
    if (group === undefined) return undefined;
    const active = this.active(filter, ownWeight);
    if (active.length <= 1) return active[0] ?? firstOf(group.queues.values());
    let total = 0;
    for (const { weight } of active) total += weight;
    let best = active[0] as SharedQueue;
    let most = Number.NEGATIVE_INFINITY;
    for (const queue of active) {
      const owed = (group.owed.get(queue.id) ?? 0) + queue.weight / total;
      group.owed.set(queue.id, owed);
      if (owed <= most) continue;
      best = queue;
      most = owed;
    }
    group.owed.set(best.id, most - 1);
    return best;
  }
}

function firstOf(queues: Iterable<SharedQueue>): SharedQueue | undefined {
  let first: SharedQueue | undefined;
  for (const queue of queues) if (first === undefined || queue.id < first.id) first = queue;
  return first;
}

function partsOf(id: string): { readonly filter: string; readonly edge: string } {
  const at = id.indexOf(SEPARATOR);
  return at < 0 ? { filter: id, edge: "" } : { filter: id.slice(0, at), edge: id.slice(at + 1) };
}
