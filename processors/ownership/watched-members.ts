import type { Processes } from "../../platform/processes.ts";
import type { OwnersRecord } from "./owners-record.ts";

interface Watched {
  readonly beat: number;
  /** The lease time when it is dead. */
  readonly unchangedMs: number;
  readonly process: string | undefined;
}

type HasEnded = Processes["hasEnded"];

/**
 * Which members are alive, as one member sees it: another member whose beat has not changed for a lease time is dead.
 * Only watched time counts. What one read adds is bounded, so a member that was away itself (paused, or cut off)
 * gives the others time to show up. A member whose process has ended is dead at once, if that can be seen from here.
 */
export class WatchedMembers {
  readonly #leaseMs: number;
  readonly #hasEnded: HasEnded;
  #watched = new Map<string, Watched>();
  #readAtMs: number | undefined;

  constructor(leaseMs: number, hasEnded: HasEnded) {
    this.#leaseMs = leaseMs;
    this.#hasEnded = hasEnded;
  }

  /** Notes a record that was just read. `self` is not watched. */
  observe(record: OwnersRecord, self: string, nowMs: number): void {
    const watchedMs = Math.min(nowMs - (this.#readAtMs ?? nowMs), this.#leaseMs / 2);
    this.#readAtMs = nowMs;
    const before = this.#watched;
    this.#watched = new Map();
    for (const [id, { beat, process }] of Object.entries(record.members)) {
      if (id === self) continue;
      const known = before.get(id);
      const silentMs = known?.beat === beat ? known.unchangedMs + watchedMs : 0;
      const unchangedMs = this.#isOver(process) ? this.#leaseMs : silentMs;
      this.#watched.set(id, { beat, unchangedMs, process });
    }
  }

  dead(): ReadonlySet<string> {
    return new Set([...this.#watched].filter(([, { unchangedMs }]) => unchangedMs >= this.#leaseMs).map(([id]) => id));
  }

  /** Whether the process of a member that counted as alive has ended. */
  someEnded(): boolean {
    return [...this.#watched.values()].some((each) => each.unchangedMs < this.#leaseMs && this.#isOver(each.process));
  }

  /** How soon the next member would count as dead, if it stays silent. */
  nextDeathMs(): number {
    return Math.min(...[...this.#watched.values()].map(({ unchangedMs }) => this.#leaseMs - unchangedMs));
  }

  #isOver(process: string | undefined): boolean {
    return process !== undefined && this.#hasEnded(process);
  }
}
