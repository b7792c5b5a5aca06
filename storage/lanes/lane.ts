import { reasonOf } from "../../domain/reason.ts";
import type { Log, LogMessage, LogReader } from "../../platform/log/port.ts";
import { DeadLetters, type LetterContent, UNREADABLE_ENTRY, WRITE_REFUSED } from "../common/dead-letters.ts";
import type { StorageEvents } from "../common/events.ts";
import { NO_POSITION, type Position, StoreClosedError, type StoredStream, type StoreWriter } from "../common/store.ts";
import { BatchPump, type FailedBatch } from "./batch-pump.ts";
import type { BatchBuilder, RefusedRow } from "./reading-batches.ts";

const READ_RETRY_MS = 1000;
/** A message that fails so often alone is set aside. */
const TRIES = 3;

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
 * the lane discards the gathered messages and restarts from that position. Messages of a failed batch are then written
 * one by one, and one that fails again and again becomes a dead letter: no message ends the lane.
 */
export class Lane {
  readonly stream: StoredStream;
  readonly #options: LaneOptions;
  readonly #pump: BatchPump;
  readonly #deadLetters: DeadLetters;
  #reader: LogReader | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopping = false;
  #endPause: () => void = () => {};
  #applied: Position = NO_POSITION;
  /** Up to this sequence, each message is a batch of its own. */
  #carefulTo = 0;
  /** The message that failed last as a batch of its own. */
  #poison: { readonly sequence: number; readonly tries: number; readonly error: unknown } | undefined;

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
      onFailed: (failed) => {
        this.#suspect(failed);
        void this.#reader?.close();
      },
    });
    this.#deadLetters = new DeadLetters(options);
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
      this.#carefulTo = 0;
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
          if (message.sequence <= this.#carefulTo && !(await this.#pump.flush())) return "ended";
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
    const poison = this.#poison;
    if (poison !== undefined && poison.sequence === message.sequence && poison.tries >= TRIES) {
      this.#poison = undefined;
      const detail = `not stored after ${poison.tries} tries: ${reasonOf(poison.error)}`;
      await this.#setAside(message, { reason: WRITE_REFUSED, detail, error: poison.error });
      this.#pump.skip(message);
      return;
    }
    let refused: readonly RefusedRow[];
    try {
      refused = this.#pump.add(message);
    } catch (error) {
      await this.#setAside(message, { reason: UNREADABLE_ENTRY, detail: reasonOf(error), error });
      this.#pump.skip(message);
      return;
    }
    if (refused.length === 0) return;
    for (const [i, row] of refused.entries()) await this.#setAsideRow(message, i, row);
    this.#pump.release();
  }

  async #setAside(
    { subject, payload, sequence, storedAtUs }: LogMessage,
    { reason, detail, error }: Pick<LetterContent, "reason" | "detail"> & { readonly error: unknown },
  ): Promise<void> {
    this.#options.events.entrySetAside(this.stream, sequence, error);
    const letter = { reason, detail, topic: subject, payload };
    await this.#deadLetters.keep(letter, `storage-${this.stream}-${sequence}-${storedAtUs}`);
  }

  async #setAsideRow({ subject, sequence, storedAtUs }: LogMessage, i: number, row: RefusedRow): Promise<void> {
    const { detail, text } = row;
    this.#options.events.pointRefused(text, detail);
    const letter = { reason: WRITE_REFUSED, detail, topic: subject, payload: new TextEncoder().encode(text) } as const;
    await this.#deadLetters.keep(letter, `storage-${this.stream}-${sequence}-${storedAtUs}-${i}`);
  }

  /** A store retries while it is unavailable, so a write that fails cannot be made from its messages: one is at fault. */
  #suspect({ position, messages, error }: FailedBatch): void {
    if (error instanceof StoreClosedError) return;
    const { sequence } = position;
    this.#carefulTo = Math.max(this.#carefulTo, sequence);
    if (messages > 1) return;
    const tries = this.#poison?.sequence === sequence ? this.#poison.tries + 1 : 1;
    this.#poison = { sequence, tries, error };
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
