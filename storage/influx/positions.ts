import { Backoff } from "../../domain/backoff.ts";
import { fnv1a32 } from "../../domain/partition.ts";
import { sleep } from "../../platform/async/sleep.ts";
import { ConflictError, type Records } from "../../platform/log/port.ts";
import type { StorageEvents } from "../common/events.ts";
import { NO_POSITION, type Position, type StoredStream } from "../common/store.ts";
import type { InfluxdbConfig } from "./config.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Keeps the position of one stream in the log's records, because InfluxDB has no transactions. It is saved after the
 * points, so it may lag behind; points are then written again, with the same effect.
 */
export class SavedPosition {
  readonly #records: Records;
  readonly #name: string;
  readonly #stream: StoredStream;
  readonly #events: StorageEvents;
  readonly #signal: AbortSignal;
  #revision = 0;
  #target: Position | undefined;
  #saving: Promise<void> | undefined;

  constructor(options: {
    readonly records: Records;
    readonly config: InfluxdbConfig;
    readonly stream: StoredStream;
    readonly events: StorageEvents;
    readonly signal: AbortSignal;
  }) {
    const { url, org, bucket } = options.config;
    // A different bucket receives everything in the log.
    const place = fnv1a32(`${new URL(url).href}\u0000${org}\u0000${bucket}`).toString(16);
    this.#name = `storage.influx.${place}.${options.stream}`;
    this.#records = options.records;
    this.#stream = options.stream;
    this.#events = options.events;
    this.#signal = options.signal;
  }

  async load(): Promise<Position> {
    await this.#saving;
    const record = await this.#records.get(this.#name);
    this.#revision = record?.revision ?? 0;
    if (record === undefined) return NO_POSITION;
    const { sequence, storedAtUs } = JSON.parse(decoder.decode(record.value)) as Position;
    return { sequence, storedAtUs };
  }

  /** Saves the position soon; of several in quick succession only the last. */
  moveTo(position: Position): void {
    this.#target = position;
    this.#saving ??= this.#save().finally(() => {
      this.#saving = undefined;
    });
  }

  /** Resolves when the last position is saved. */
  async settled(): Promise<void> {
    while (this.#saving !== undefined) await this.#saving;
  }

  async #save(): Promise<void> {
    const backoff = new Backoff({ firstMs: 100, maxMs: 5000 }, Math.random);
    while (this.#target !== undefined) {
      const target = this.#target;
      try {
        this.#revision = await this.#records.set(this.#name, encoder.encode(JSON.stringify(target)), this.#revision);
        if (this.#target === target) this.#target = undefined;
      } catch (error) {
        if (this.#signal.aborted) return;
        if (error instanceof ConflictError) {
          this.#events.positionContested(this.#stream);
          this.#revision = (await this.#records.get(this.#name).catch(() => undefined))?.revision ?? 0;
        } else {
          this.#events.positionNotSaved(this.#stream, error);
        }
        await sleep(backoff.nextMs(), { signal: this.#signal });
      }
    }
  }
}
