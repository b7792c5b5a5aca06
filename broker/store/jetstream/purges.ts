import { sleep } from "../../../platform/async/sleep.ts";
import type { Log } from "../../../platform/log/port.ts";

export interface PurgesOptions {
  readonly log: Pick<Log, "purge">;
  readonly onFailed: (what: string, error: unknown) => void;
}

/**
 * Deletes frames of queues, one queue after the other, with as long a pause after each: the server stores nothing in
 * the stream while it searches the frames of a queue, which takes the longer the more others the stream has.
 */
export class Purges {
  readonly #options: PurgesOptions;
  readonly #due = new Map<string, number>();
  readonly #stopping = new AbortController();
  #isRunning = false;

  constructor(options: PurgesOptions) {
    this.#options = options;
  }

  /** Deletes the frames of a queue before a sequence, soon. */
  add(subject: string, beforeSequence: number): void {
    if (this.#stopping.signal.aborted) return;
    this.#due.set(subject, Math.max(beforeSequence, this.#due.get(subject) ?? 0));
    if (this.#isRunning) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** What is due then is found again at the next start. */
  stop(): void {
    this.#stopping.abort();
    this.#due.clear();
  }

  async #run(): Promise<void> {
    for (let [due] = this.#due; due !== undefined; [due] = this.#due) {
      const [subject, beforeSequence] = due;
      this.#due.delete(subject);
      const startedMs = performance.now();
      try {
        await this.#options.log.purge("MQTT_QUEUE", subject, beforeSequence);
      } catch (error) {
        if (!this.#stopping.signal.aborted) this.#options.onFailed(`deleting what is finished of ${subject}`, error);
      }
      await sleep(performance.now() - startedMs, { signal: this.#stopping.signal });
    }
    this.#isRunning = false;
  }
}
