import { setTimeout as sleep } from "node:timers/promises";
import { readingsSubject, windowsSubject } from "../../domain/subjects.ts";
import { decodeWindows } from "../../domain/windows-codec.ts";
import type { Log } from "../../platform/log/port.ts";

const POLL_MS = 50;

interface Kill {
  readonly atMs: number;
  /** False: no process was killed, the test only waits for the results. */
  readonly isKill: boolean;
  /** By partition: the newest entry at that moment. */
  readonly ends: readonly number[];
  /** Whether processes were killed again before the results were there. */
  isDisturbed: boolean;
}

export interface Recovery {
  readonly ms: number;
  readonly isDisturbed: boolean;
}

/**
 * The time from each kill until the results of every partition reach the end of its log at the kill. While processes
 * are killed faster than they recover, the time keeps running.
 */
export class Recoveries {
  readonly #log: Log;
  readonly #partitions: number;
  #open: Kill[] = [];
  readonly #done: Recovery[] = [];
  #following = Promise.resolve();
  #going = true;

  constructor(log: Log, partitions: number) {
    this.#log = log;
    this.#partitions = partitions;
  }

  start(): void {
    this.#following = this.#follow();
  }

  async stop(): Promise<void> {
    this.#going = false;
    await this.#following;
  }

  /** Notes a kill, or begins to wait for the results of the log's current content. */
  async mark({ isKill }: { readonly isKill: boolean }): Promise<void> {
    const atMs = performance.now();
    const ends = await this.#each(async (partition) => {
      return (await this.#log.lastFor("READINGS", readingsSubject(partition)))?.sequence ?? 0;
    });
    if (isKill) for (const each of this.#open) each.isDisturbed = true;
    this.#open.push({ atMs, ends, isKill, isDisturbed: false });
  }

  get unrecovered(): number {
    return this.#open.length;
  }

  /** In the order of kills. */
  get done(): readonly Recovery[] {
    return this.#done;
  }

  async #follow(): Promise<void> {
    while (this.#going) {
      await sleep(POLL_MS);
      if (this.#open.length === 0) continue;
      const reached = await this.#each(async (partition) => {
        const last = await this.#log.lastFor("WINDOWS", windowsSubject(partition));
        return last === undefined ? 0 : decodeWindows(last.payload).lastInput;
      });
      this.#open = this.#open.filter(({ atMs, ends, isKill, isDisturbed }) => {
        if (!ends.every((end, partition) => (reached[partition] ?? 0) >= end)) return true;
        if (isKill) this.#done.push({ ms: performance.now() - atMs, isDisturbed });
        return false;
      });
    }
  }

  #each(ask: (partition: number) => Promise<number>): Promise<number[]> {
    return Promise.all(Array.from({ length: this.#partitions }, (_, partition) => ask(partition)));
  }
}
