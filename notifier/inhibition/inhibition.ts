import type { AlertChange } from "../../domain/alert.ts";
import type { ChangeEntry } from "../common/change-entry.ts";
import { InhibitionBook } from "./inhibition-book.ts";

/** Whether other incidents keep a change from being told. `wait`: one that does may still turn up until then. */
export type Inhibition =
  | { readonly kind: "free" }
  | { readonly kind: "wait"; readonly untilUs: number }
  | { readonly kind: "held"; readonly by: readonly string[] };

const FREE: Inhibition = { kind: "free" };

export interface InhibitionTimes {
  /** A new change waits so long for what inhibits it: causes and consequences come in any order. */
  readonly waitUs: number;
  /** An incident goes on inhibiting for so long beyond its end, while its consequences end, too. */
  readonly afterUs: number;
  /** What is over is not told any more after this time. */
  readonly maxAgeUs: number;
}

/** Which alerts nobody is told of while incidents of other rules fire (`inhibited_by`). */
export class Inhibitions {
  readonly #times: InhibitionTimes;
  readonly #now: InhibitionBook;
  /** For incidents that are over and were not told yet: what held them then may be over as well. */
  readonly #past: InhibitionBook;
  #head = 0;

  constructor(times: InhibitionTimes) {
    this.#times = times;
    this.#now = new InhibitionBook(times.afterUs);
    this.#past = new InhibitionBook(Math.max(times.afterUs, times.maxAgeUs));
  }

  /** The log is read up to here; a change that stands later is not judged before. */
  seen(sequence: number): void {
    this.#head = Math.max(this.#head, sequence);
  }

  apply(entry: ChangeEntry, nowUs: number): void {
    this.#now.apply(entry, nowUs);
    this.#past.apply(entry, nowUs);
  }

  /** Forgets what has ended long enough ago. */
  prune(nowUs: number): void {
    this.#now.prune(nowUs);
    this.#past.prune(nowUs);
  }

  /** `overAtUs`: when the change's incident ended, if it did. */
  look(entry: ChangeEntry, nowUs: number, overAtUs?: number): Inhibition {
    const { change, sequence, storedAtUs } = entry;
    if (change.inhibitedBy === undefined) return FREE;
    const now = this.holding(change, nowUs);
    const by = now.length > 0 || overAtUs === undefined ? now : this.#held(change, overAtUs);
    if (by.length > 0) return { kind: "held", by };
    const untilUs = storedAtUs + this.#times.waitUs;
    return sequence > this.#head || nowUs < untilUs ? { kind: "wait", untilUs } : FREE;
  }

  /** The incidents that hold a change now, ten at most. */
  holding(change: AlertChange, nowUs: number): string[] {
    const { afterUs } = this.#times;
    return this.#now.holding(change, ({ endedAtUs }) => endedAtUs === undefined || nowUs < endedAtUs + afterUs);
  }

  /** Those that held it when it ended, or were noticed soon after. */
  #held(change: AlertChange, overAtUs: number): string[] {
    const { waitUs, afterUs } = this.#times;
    return this.#past.holding(
      change,
      ({ sinceUs, endedAtUs }) =>
        sinceUs <= overAtUs + waitUs && (endedAtUs === undefined || overAtUs < endedAtUs + afterUs),
    );
  }
}
