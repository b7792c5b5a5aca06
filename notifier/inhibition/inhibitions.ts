import type { AlertChange } from "../../domain/alert.ts";
import type { LoggedChange } from "../common/logged-change.ts";
import { SourceIncidents } from "./source-incidents.ts";

/** Whether other incidents inhibit a change. `wait`: it is too early to decide; the cause may still arrive. */
export type Inhibition =
  | { readonly kind: "none" }
  | { readonly kind: "wait"; readonly untilUs: number }
  | { readonly kind: "inhibited"; readonly by: readonly string[] };

const NONE: Inhibition = { kind: "none" };

export interface InhibitionTimes {
  /** How long a new change waits for its cause: causes and effects arrive in any order. */
  readonly waitUs: number;
  /** How long an incident inhibits after its end, while its effects end too. */
  readonly afterUs: number;
  /** An ended incident is no longer notified after this time. */
  readonly maxAgeUs: number;
}

/**
 * Which alerts are held while incidents of other rules fire (`inhibited_by`). Its only inputs are logged changes and
 * times; it reads no clock.
 */
export class Inhibitions {
  readonly #times: InhibitionTimes;
  readonly #now: SourceIncidents;
  /** For incidents that ended before they were notified: their cause may have ended too. */
  readonly #past: SourceIncidents;
  #head = 0;

  constructor(times: InhibitionTimes) {
    this.#times = times;
    this.#now = new SourceIncidents(times.afterUs);
    this.#past = new SourceIncidents(Math.max(times.afterUs, times.maxAgeUs));
  }

  /** The log has been read up to this sequence. A later change is not evaluated yet. */
  seen(sequence: number): void {
    this.#head = Math.max(this.#head, sequence);
  }

  apply(logged: LoggedChange, nowUs: number): void {
    this.#now.apply(logged, nowUs);
    this.#past.apply(logged, nowUs);
  }

  /** Drops incidents that ended long enough ago. */
  prune(nowUs: number): void {
    this.#now.prune(nowUs);
    this.#past.prune(nowUs);
  }

  /** `endedAtUs`: when the change's incident ended, if it has. */
  evaluate(logged: LoggedChange, nowUs: number, endedAtUs?: number): Inhibition {
    const { change, sequence, storedAtUs } = logged;
    if (change.inhibitedBy === undefined) return NONE;
    const now = this.inhibiting(change, nowUs);
    const by = now.length > 0 || endedAtUs === undefined ? now : this.#inhibitingThen(change, endedAtUs);
    if (by.length > 0) return { kind: "inhibited", by };
    const untilUs = storedAtUs + this.#times.waitUs;
    return sequence > this.#head || nowUs < untilUs ? { kind: "wait", untilUs } : NONE;
  }

  /** The incidents that inhibit a change now, at most ten. */
  inhibiting(change: AlertChange, nowUs: number): string[] {
    const { afterUs } = this.#times;
    return this.#now.inhibiting(change, ({ endedAtUs }) => endedAtUs === undefined || nowUs < endedAtUs + afterUs);
  }

  /** The incidents that inhibited it when it ended, or whose beginnings arrived soon after. */
  #inhibitingThen(change: AlertChange, thenUs: number): string[] {
    const { waitUs, afterUs } = this.#times;
    return this.#past.inhibiting(
      change,
      ({ sinceUs, endedAtUs }) =>
        sinceUs <= thenUs + waitUs && (endedAtUs === undefined || thenUs < endedAtUs + afterUs),
    );
  }
}
