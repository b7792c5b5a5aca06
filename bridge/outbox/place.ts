import { z } from "zod";
import { sleep } from "../../platform/async/sleep.ts";
import { ConflictError, type Records } from "../../platform/log/port.ts";

/** The next message to send: an entry of the log, and which message in it. */
export interface Cursor {
  readonly sequence: number;
  readonly index: number;
}

const recordSchema = z.object({
  /** Who runs the bridge. `beat` grows while it lives. */
  holder: z.object({ member: z.string(), id: z.string(), beat: z.number() }).nullable(),
  cursor: z.object({ sequence: z.number(), index: z.number() }),
  /** The newest entry of this bridge that was seen. */
  newest: z.number(),
  /** The subscriptions at the outside broker: those that the configuration no longer has are removed there. */
  subscriptions: z.array(z.string()),
});

type PlaceRecord = z.output<typeof recordSchema>;

const EMPTY: PlaceRecord = { holder: null, cursor: { sequence: 1, index: 0 }, newest: 0, subscriptions: [] };
/** How often the holder writes the record. */
const BEAT_MS = 1_000;
/** Without a beat for this long, the holder is dead. */
const SILENT_MS = 10_000;
const LOOK_MS = 1_000;

export interface PlaceOptions {
  readonly records: Records;
  readonly bridge: string;
  /** Names this gateway; the same after a restart. */
  readonly member: string;
  /** Names this start of it. */
  readonly id: string;
}

/**
 * A bridge's place in the log, and the right to run it: of several edges with the same configuration, one runs the
 * bridge, because the outside broker knows one client. Another takes over when it dies.
 */
export class Place {
  readonly #options: PlaceOptions;
  readonly #name: string;
  #record: PlaceRecord = EMPTY;
  #revision = 0;
  #saved = "";
  #beats: NodeJS.Timeout | undefined;
  #saving: Promise<void> | undefined;
  #lost = new AbortController();

  constructor(options: PlaceOptions) {
    this.#options = options;
    this.#name = `bridge.${options.bridge}`;
  }

  get cursor(): Cursor {
    return this.#record.cursor;
  }

  get newest(): number {
    return this.#record.newest;
  }

  get subscriptions(): readonly string[] {
    return this.#record.subscriptions;
  }

  /** Aborted when another edge has taken the bridge. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Saved with the next beat: after a crash, the messages since are sent again. */
  update(changes: Partial<Pick<PlaceRecord, "cursor" | "newest" | "subscriptions">>): void {
    this.#record = { ...this.#record, ...changes };
  }

  /** Resolves when this edge runs the bridge, or when the signal aborts. `onHeld`: another one runs it. */
  async take(signal: AbortSignal, onHeld: (member: string) => void): Promise<void> {
    const { records, member, id } = this.#options;
    let seen = "";
    let sinceMs = 0;
    while (!signal.aborted) {
      const found = await records.get(this.#name);
      const record = decode(found?.value);
      const { holder } = record;
      const beat = JSON.stringify(holder);
      if (beat !== seen) {
        seen = beat;
        sinceMs = performance.now();
      }
      const free = holder === null || holder.member === member || performance.now() - sinceMs > SILENT_MS;
      if (free) {
        const next: PlaceRecord = { ...record, holder: { member, id, beat: (holder?.beat ?? 0) + 1 } };
        if (await this.#tryTake(next, found?.revision ?? 0)) return;
        continue;
      }
      onHeld(holder.member);
      await sleep(LOOK_MS, { signal });
    }
  }

  /** Saves the place, and gives the bridge back. */
  async release(): Promise<void> {
    clearTimeout(this.#beats);
    await this.#saving;
    if (this.#revision === 0 || this.#lost.signal.aborted) return;
    await this.#save({ ...this.#record, holder: null });
  }

  async #tryTake(next: PlaceRecord, revision: number): Promise<boolean> {
    try {
      this.#revision = await this.#options.records.set(this.#name, encode(next), revision);
    } catch (error) {
      if (error instanceof ConflictError) return false;
      throw error;
    }
    this.#record = next;
    this.#saved = contentOf(next);
    this.#lost = new AbortController();
    this.#beat();
    return true;
  }

  #beat(): void {
    this.#beats = setTimeout(() => {
      const { holder } = this.#record;
      if (holder === null) return;
      const isNews = contentOf(this.#record) !== this.#saved || holder.beat % 3 === 0;
      this.#record = { ...this.#record, holder: { ...holder, beat: holder.beat + 1 } };
      this.#saving = (isNews ? this.#save(this.#record) : Promise.resolve()).then(() => {
        if (!this.#lost.signal.aborted) this.#beat();
      });
    }, BEAT_MS);
    this.#beats.unref();
  }

  async #save(record: PlaceRecord): Promise<void> {
    try {
      this.#revision = await this.#options.records.set(this.#name, encode(record), this.#revision);
      this.#saved = contentOf(record);
    } catch (error) {
      // While the log is away, nobody can take the bridge; the next beat tries again.
      if (error instanceof ConflictError) this.#lost.abort();
    }
  }
}

function contentOf({ cursor, newest, subscriptions }: PlaceRecord): string {
  return JSON.stringify({ cursor, newest, subscriptions });
}

function encode(record: PlaceRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record));
}

function decode(value: Uint8Array | undefined): PlaceRecord {
  if (value === undefined || value.length === 0) return EMPTY;
  return recordSchema.parse(JSON.parse(new TextDecoder().decode(value)));
}
