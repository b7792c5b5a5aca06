import type { LogMessage } from "../../platform/log/port.ts";
import type { StorageEvents } from "../common/events.ts";
import { type Batch, type Position, StoreClosedError, type StoredStream, type StoreWriter } from "../common/store.ts";
import type { BatchBuilder, RefusedRow } from "./reading-batches.ts";

/** How often messages without content move the position. */
const IDLE_COMMIT_MS = 5000;

export interface FailedBatch {
  /** Of its last message. */
  readonly position: Position;
  readonly messages: number;
  readonly error: unknown;
}

export interface BatchPumpOptions {
  readonly stream: StoredStream;
  readonly store: StoreWriter;
  readonly builder: BatchBuilder;
  readonly events: StorageEvents;
  readonly lingerMs: number;
  /** The position advanced. */
  readonly onApplied: (position: Position) => void;
  /** A write failed permanently; call `reset` before adding more. */
  readonly onFailed: (failed: FailedBatch) => void;
}

/**
 * Gathers the next batch while others are being written. Not `ready` when the batch is full and the store accepts no
 * more.
 */
export class BatchPump {
  readonly #options: BatchPumpOptions;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = 0;
  #due = false;
  #writing = 0;
  #failed = false;
  #held = false;
  readonly #waiting = new Set<() => void>();

  constructor(options: BatchPumpOptions) {
    this.#options = options;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** Resolves to true when a message may be added, and to false after a failure. */
  async ready(): Promise<boolean> {
    const { builder } = this.#options;
    while (builder.full && !this.#failed) {
      this.#pump();
      if (builder.full) await this.#writeEnded();
    }
    return !this.#failed;
  }

  /**
   * Throws when the message cannot be read; then `skip` it. Returns the rows that no store can hold: set them aside,
   * and then call `release`. Until then the pump writes nothing, so that the position stays before them.
   */
  add(message: LogMessage): readonly RefusedRow[] {
    const refused = this.#options.builder.add(message);
    this.#held = refused.length > 0;
    this.#schedule();
    return refused;
  }

  release(): void {
    this.#held = false;
    this.#pump();
  }

  skip(message: LogMessage): void {
    this.#options.builder.skip(message);
    this.#schedule();
  }

  /** Writes the gathered messages. Resolves to false after a failure. */
  async flush(): Promise<boolean> {
    const { builder } = this.#options;
    while (!this.#failed && (builder.messages > 0 || this.#writing > 0)) {
      this.#due = true;
      this.#pump();
      if (this.#writing === 0) break;
      await this.#writeEnded();
    }
    return !this.#failed;
  }

  /** Writes the gathered messages; waits at most `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    const { builder } = this.#options;
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      this.#due = true;
      this.#pump();
      const leftMs = deadlineMs - performance.now();
      if (this.#failed || leftMs <= 0 || (builder.messages === 0 && this.#writing === 0)) break;
      await this.#writeEnded(leftMs);
    }
    this.#disarm();
  }

  /** Discards the gathered messages, after all writes have ended. */
  async reset(): Promise<void> {
    this.#failed = true;
    while (this.#writing > 0) await this.#writeEnded();
    this.#disarm();
    this.#options.builder.clear();
    this.#failed = false;
    this.#held = false;
    this.#due = false;
  }

  #schedule(): void {
    const { builder, lingerMs } = this.#options;
    if (builder.full) this.#pump();
    else this.#arm(builder.rows > 0 ? lingerMs : IDLE_COMMIT_MS);
  }

  #arm(ms: number): void {
    const atMs = performance.now() + ms;
    if (this.#due || (this.#timer !== undefined && this.#timerAtMs <= atMs)) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#due = true;
      this.#pump();
    }, ms);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Passes the gathered batch to the store when it is due or full, and the store accepts another one. */
  #pump(): void {
    const { builder, store, stream } = this.#options;
    if (!this.#due && !builder.full) return;
    if (this.#failed || this.#held || builder.messages === 0 || this.#writing >= store.writesMax(stream)) return;
    this.#due = false;
    this.#disarm();
    this.#writing++;
    const { messages } = builder;
    void this.#write(builder.take(), messages);
  }

  async #write(batch: Batch, messages: number): Promise<void> {
    const { builder, events, store, stream } = this.#options;
    const startMs = performance.now();
    try {
      const report = await store.write(batch);
      events.batchWritten(stream, report, (performance.now() - startMs) / 1000);
      this.#options.onApplied(batch.position);
      builder.recycle(batch);
    } catch (error) {
      this.#failed = true;
      if (!(error instanceof StoreClosedError)) events.batchFailed(stream, error);
      this.#options.onFailed({ position: batch.position, messages, error });
    }
    this.#writing--;
    this.#pump();
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  #writeEnded(timeoutMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
      this.#waiting.add(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
