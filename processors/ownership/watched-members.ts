import type { OwnersRecord } from "./owners-record.ts";

interface Watched {
  readonly beat: number;
  unchangedMs: number;
}

/**
 * Which members are alive, as one member sees it: another member whose beat has not changed for a lease time is dead.
 * Only watched time counts. What one read adds is bounded, so a member that was away itself (paused, or cut off)
 * gives the others time to show up.
 */
export class WatchedMembers {
  readonly #leaseMs: number;
  #watched = new Map<string, Watched>();
  #readAtMs: number | undefined;

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  /** Notes a record that was just read. `self` is not watched. */
  observe(record: OwnersRecord, self: string, nowMs: number): void {
    const watchedMs = Math.min(nowMs - (this.#readAtMs ?? nowMs), this.#leaseMs / 2);
    this.#readAtMs = nowMs;
    const before = this.#watched;
    this.#watched = new Map();
    for (const [id, { beat }] of Object.entries(record.members)) {
      if (id === self) continue;
      const known = before.get(id);
      const unchangedMs = known?.beat === beat ? known.unchangedMs + watchedMs : 0;
      this.#watched.set(id, { beat, unchangedMs });
    }
  }

  dead(): ReadonlySet<string> {
    return new Set([...this.#watched].filter(([, { unchangedMs }]) => unchangedMs >= this.#leaseMs).map(([id]) => id));
  }

  /** How soon the next member would count as dead, if it stays silent. */
  nextDeathMs(): number {
    return Math.min(...[...this.#watched.values()].map(({ unchangedMs }) => this.#leaseMs - unchangedMs));
  }
}
