import { PACE, type PaceNotice } from "../contracts/processor-notices.ts";
import type { Bus } from "../platform/log/port.ts";

/** Partitions that catch up stay within about this much of the log's time of each other. */
const SLACK_US = 1_000_000;
/** How long to wait for a partition without an owner, */
const UNHEARD_MS = 1_000;
/** and for one that has gone silent. */
const SILENT_MS = 10_000;
const RECHECK_MS = 250;

interface Place {
  /** The stored time of the next entry; null when the partition has caught up. */
  readonly nextUs: number | null;
  readonly heardAtMs: number;
}

/**
 * Keeps the partitions together while they catch up with the log. Rules over several devices see readings in the
 * order in which the partitions forward them: if one partition were hours ahead, the readings of the others would all
 * be late. It only waits, so results never depend on whether its notices arrive.
 */
export class Pace {
  readonly #bus: Bus;
  readonly #partition: number;
  readonly #partitions: number;
  readonly #places = new Map<number, Place>();
  #nextUs: number | null = 0;
  #publishedUs: number | null = 0;
  #askedAtMs: number | undefined;
  #stopped = false;
  #wake: () => void = () => {};
  #unsubscribe: () => void = () => {};

  constructor(bus: Bus, partition: number, partitions: number) {
    this.#bus = bus;
    this.#partition = partition;
    this.#partitions = partitions;
  }

  /** From now on the others wait for this partition, until it reports its progress. */
  start(): void {
    this.#unsubscribe = this.#bus.subscribe(PACE, (notice) => this.#hear(notice));
    this.#publish(false);
  }

  stop(): void {
    if (this.#stopped) return;
    this.caughtUp();
    this.#stopped = true;
    this.#unsubscribe();
    this.#wake();
  }

  /** The others no longer wait for this partition. */
  caughtUp(): void {
    if (this.#nextUs === null || this.#stopped) return;
    this.#nextUs = null;
    this.#publish(false);
  }

  /** Resolves when no partition that catches up is far behind an entry of this stored time. */
  async waitFor(nextUs: number): Promise<void> {
    while (this.holds(nextUs)) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, RECHECK_MS);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Notes the stored time of the next entry. Returns whether it must wait for another partition that catches up. */
  holds(nextUs: number): boolean {
    if (this.#stopped) return false;
    this.#nextUs = nextUs;
    if (this.#askedAtMs === undefined) {
      this.#askedAtMs = performance.now();
      this.#publish(true);
    } else if (nextUs - (this.#publishedUs ?? 0) > SLACK_US / 2) this.#publish(false);
    return this.#isAhead(nextUs);
  }

  #isAhead(nextUs: number): boolean {
    const nowMs = performance.now();
    for (let partition = 0; partition < this.#partitions; partition++) {
      if (partition === this.#partition) continue;
      const place = this.#places.get(partition);
      if (place === undefined) {
        if (nowMs - (this.#askedAtMs ?? nowMs) < UNHEARD_MS) return true;
      } else if (place.nextUs !== null && place.nextUs + SLACK_US < nextUs && nowMs - place.heardAtMs < SILENT_MS) {
        return true;
      }
    }
    return false;
  }

  #publish(asks: boolean): void {
    this.#publishedUs = this.#nextUs;
    this.#bus.publish(PACE, { partition: this.#partition, nextUs: this.#nextUs, asks });
  }

  #hear({ partition, nextUs, asks }: PaceNotice): void {
    if (partition === this.#partition) return;
    this.#places.set(partition, { nextUs, heardAtMs: performance.now() });
    if (asks) this.#publish(false);
    this.#wake();
  }
}
