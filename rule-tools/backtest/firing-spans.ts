import { type AlertChange, SEVERITIES, type Severity } from "../../domain/alert.ts";
import { keyName } from "../../domain/alert-ids.ts";
import type { Tags } from "../../domain/reading.ts";

/** A span of time in which an alert fired. */
export interface FiringSpan {
  readonly rule: string;
  readonly key: Tags;
  readonly incident: string;
  /** The event time of `firing`. */
  readonly fromUs: number;
  /** The event time of `resolved`, or the end of the recording if the alert was still firing. */
  readonly toUs: number;
  readonly isOpen: boolean;
  /** The value with which it began to fire. */
  readonly value: number | string;
  /** The greatest that it had. */
  readonly severity: Severity;
}

/** Bounds memory. A longer report would not be read. */
const SPANS_MAX = 200_000;

/** Collects firing spans from alert changes. The changes of each alert must be in order. */
export class FiringSpans {
  readonly #closed: FiringSpan[] = [];
  readonly #open = new Map<string, AlertChange>();
  #changes = 0;
  #left = 0;

  /** The number of all changes, including pending ones. */
  get changes(): number {
    return this.#changes;
  }

  /** The number of spans beyond the limit. */
  get leftOut(): number {
    return this.#left;
  }

  add(change: AlertChange): void {
    this.#changes++;
    const name = `${change.rule}\u0000${keyName(change.key)}`;
    if (change.state === "firing") this.#open.set(name, withSeverity(this.#open.get(name) ?? change, change));
    else if (change.state === "resolved") {
      const began = this.#open.get(name);
      this.#open.delete(name);
      if (began) this.#close(began, change.atUs, false);
    }
  }

  /** Returns the spans ordered by start. Open spans end at `untilUs`. */
  finish(untilUs: number): FiringSpan[] {
    for (const began of this.#open.values()) this.#close(began, Math.max(untilUs, began.atUs), true);
    this.#open.clear();
    return this.#closed.sort((a, b) => a.fromUs - b.fromUs);
  }

  #close({ rule, key, incident, atUs, value, severity }: AlertChange, toUs: number, isOpen: boolean): void {
    if (this.#closed.length === SPANS_MAX) this.#left++;
    else this.#closed.push({ rule, key, incident, fromUs: atUs, toUs, isOpen, value, severity });
  }
}

/** A change from firing to firing begins nothing: it can only be more severe. */
function withSeverity(began: AlertChange, { severity }: AlertChange): AlertChange {
  return SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(began.severity) ? { ...began, severity } : began;
}
