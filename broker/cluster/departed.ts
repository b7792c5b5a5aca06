import { leftBehind } from "../store/expiry.ts";
import type { SessionRecord, SessionStore } from "../store/port.ts";
import { edgeOfInbox } from "./inbox.ts";
import { removeIfThere, unlessTaken } from "./remove.ts";

/** What a dead edge has left is removed after this: its clients have noticed long before. */
const FORGET_MS = 600_000;

export interface DepartedOptions {
  readonly store: SessionStore;
  readonly nowUs: () => number;
  readonly nowMs: () => number;
  readonly forgetMs?: number | undefined;
  /** See `leftBehind`. */
  readonly graceSeconds?: number | undefined;
  readonly edges: () => readonly string[];
  readonly isChosenFor: (key: string) => boolean;
  /** Removes what the edge has stored of its clients' subscriptions. */
  readonly forgetInterest: (edge: string) => Promise<void>;
}

/** What edges have left in the store that are not alive. One of the others looks after each of it. */
export class Departed {
  readonly #options: DepartedOptions;
  /** When each was first missed. */
  readonly #since = new Map<string, number>();

  constructor(options: DepartedOptions) {
    this.#options = options;
  }

  /**
   * The clients of dead edges have left their sessions. If an edge only was cut off, it says so itself when it is back.
   * Call it when an edge is lost, and now and then: the one that was to do it may have died as well.
   */
  async leaveSessions(): Promise<void> {
    const { store, edges, isChosenFor, nowUs, graceSeconds } = this.#options;
    const alive = new Set(edges());
    const left: SessionRecord[] = [];
    for (const record of store.sessions()) {
      const { clientId, edge, awayAtUs } = record;
      if (edge === undefined || alive.has(edge) || awayAtUs !== undefined) continue;
      // What is no session is left too: a will is due, and an inbox may be trimmed.
      if (isChosenFor(clientId)) left.push(record);
    }
    await Promise.all(
      left.map((record) => {
        return unlessTaken(store.save(leftBehind(record, nowUs(), graceSeconds), record));
      }),
    );
  }

  /** Forgets edges that were not there for long. Call it now and then. */
  async forget(): Promise<void> {
    const { store, edges, isChosenFor, nowMs, forgetMs = FORGET_MS, forgetInterest } = this.#options;
    const alive = new Set(edges());
    const inboxes = new Map<string, SessionRecord>();
    for (const record of store.sessions()) {
      const edge = edgeOfInbox(record.clientId);
      if (edge !== undefined && !alive.has(edge)) inboxes.set(edge, record);
    }
    for (const edge of this.#since.keys()) if (!inboxes.has(edge)) this.#since.delete(edge);
    for (const [edge, inbox] of inboxes) {
      const since = this.#since.get(edge) ?? nowMs();
      this.#since.set(edge, since);
      if (nowMs() - since < forgetMs || !isChosenFor(edge)) continue;
      // The inbox last: it is what this begins with.
      await forgetInterest(edge);
      await removeIfThere(store, inbox);
    }
  }
}
