import { encodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import { reasonOf } from "../../domain/reason.ts";
import { deadLetterSubject } from "../../domain/subjects.ts";
import type { Log, LogMessage, LogReader } from "../../platform/log/port.ts";
import type { StorageEvents } from "../common/events.ts";
import { NO_POSITION, type Position, type StoredStream, type StoreWriter } from "../common/store.ts";
import { BatchPump } from "./batch-pump.ts";
import type { BatchBuilder } from "./reading-batches.ts";

const READ_RETRY_MS = 1000;

export interface LaneOptions {
  readonly stream: StoredStream;
  readonly log: Log;
  readonly store: StoreWriter;
  readonly builder: BatchBuilder;
  readonly events: StorageEvents;
  readonly lingerMs: number;
  readonly nowUs: () => number;
}

/**
 * Copies one stream of the log to the store: reads messages (here), gathers them (`reading-batches.ts`,
 * `result-batches.ts`) and writes them (`batch-pump.ts`). It starts at the last applied message, and reads that message
 * again to check that the log is still the same one.
 * Invariant: messages reach the store in order, and the store's position decides where reading starts. After any failure
 * the lane discards the gathered messages and restarts from that position.
 */
export class Lane {
  readonly stream: StoredStream;
  readonly #options: LaneOptions;
  readonly #pump: BatchPump;
  #reader: LogReader | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopping = false;
  #endPause: () => void = () => {};
  #applied: Position = NO_POSITION;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.stream = options.stream;
    this.#pump = new BatchPump({
      stream: options.stream,
      store: options.store,
      builder: options.builder,
      events: options.events,
      lingerMs: options.lingerMs,
      onApplied: (position) => {
        this.#applied = position;
      },
      onFailed: () => void this.#reader?.close(),
    });
  }

  /** The last message whose effect is in the store, as far as this lane knows. */
  get applied(): Position {
    return this.#applied;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Stops reading, and writes the gathered messages within `drainMs`. */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    this.#endPause();
    await this.#reader?.close();
    await this.#pump.drain(drainMs);
  }

  /** Call it after closing the store. Resolves when nothing is running any more. */
  async ended(): Promise<void> {
    await this.#running;
    await this.#pump.reset();
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      try {
        await this.#follow();
      } catch (error) {
        if (!this.#stopping) this.#options.events.readFailed(this.stream, error);
      }
      if (this.#stopping) return;
      await this.#pause(READ_RETRY_MS);
      // Reading restarts at the store's position, so the gathered messages are discarded.
      if (!this.#stopping) await this.#pump.reset();
    }
  }

  async #follow(): Promise<void> {
    const { events, log, store } = this.#options;
    let known = await store.position(this.stream);
    const bounds = await log.bounds(this.stream);
    if (known.sequence > bounds.lastSequence) {
      events.logReplaced(this.stream, known.sequence);
      known = NO_POSITION;
    }
    if (this.#stopping) return;
    if ((await this.#readAfter(known)) === "replaced") {
      events.logReplaced(this.stream, known.sequence);
      await this.#readAfter(NO_POSITION);
    }
  }

  async #readAfter(known: Position): Promise<"ended" | "replaced"> {
    this.#applied = known;
    const { sequence } = known;
    const from = sequence === 0 ? ({ kind: "first" } as const) : ({ kind: "sequence", sequence } as const);
    const reader = this.#options.log.read({ stream: this.stream, from });
    this.#reader = reader;
    // A new store cannot have missed anything.
    let expected = sequence === 0 ? 0 : sequence + 1;
    try {
      for await (const messages of reader) {
        for (const message of messages) {
          if (message.sequence === sequence) {
            if (message.storedAtUs === known.storedAtUs) continue;
            return "replaced";
          }
          if (this.#stopping || !(await this.#pump.ready())) return "ended";
          this.#countMissed(message.sequence - expected, expected);
          expected = message.sequence + 1;
          await this.#add(message);
        }
      }
      return "ended";
    } finally {
      this.#reader = undefined;
      await reader.close();
    }
  }

  #countMissed(count: number, expected: number): void {
    // The log of alerts keeps a limited number of messages per subject, so gaps are normal there.
    if (expected > 0 && count > 0 && this.stream !== "ALERTS") this.#options.events.messagesMissed(this.stream, count);
  }

  async #add(message: LogMessage): Promise<void> {
    try {
      this.#pump.add(message);
    } catch (error) {
      await this.#setAside(message, error);
      this.#pump.skip(message);
    }
  }

  async #setAside(message: LogMessage, error: unknown): Promise<void> {
    const { events, log, nowUs } = this.#options;
    events.entryUnreadable(this.stream, message.sequence, error);
    const reason = "unreadable-entry";
    const payload = encodeDeadLetter({
      reason,
      detail: reasonOf(error),
      topic: message.subject,
      payload: message.payload,
      clientId: "",
      receivedAtUs: nowUs(),
    });
    const id = `storage-${this.stream}-${message.sequence}-${message.storedAtUs}`;
    try {
      await log.append({ subject: deadLetterSubject(reason), payload, id });
    } catch (cause) {
      events.deadLetterLost(cause);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
