import { z } from "zod";
import { deliverySubject } from "../../domain/subjects.ts";
import { ConflictError, type Log } from "../../platform/log/port.ts";
import { type DeliveryRecord, type FlightRecord, flightRecordSchema } from "../common/lane-types.ts";

/** Another notifier works on the same log. The newest one goes on, the others stop telling. */
export class SupersededError extends Error {
  override readonly name = "SupersededError";
}

const stateSchema = z.strictObject({
  /** Alert changes before this sequence are decided. */
  cursor: z.number(),
  flights: z.array(flightRecordSchema),
});
type LaneState = z.output<typeof stateSchema>;

/** What one target's lane has to say to the next one. */
export interface Decisions {
  cursor(): number;
  flights(): readonly FlightRecord[];
  takeRecords(): readonly { readonly alert: string; readonly record: DeliveryRecord }[];
}

/**
 * Remembers what a target was told. Records of alerts are kept before the cursor moves over their changes, and a message
 * before it is sent. The state is written by compare-and-set, so of two notifiers only one goes on.
 */
export class Journal {
  readonly #log: Log;
  readonly #receiver: string;
  readonly #target: string;
  readonly #decisions: Decisions;
  #revision = 0;
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(log: Log, place: { readonly receiver: string; readonly target: string }, decisions: Decisions) {
    this.#log = log;
    this.#receiver = place.receiver;
    this.#target = place.target;
    this.#decisions = decisions;
  }

  /** Takes the state over: another notifier that still works finds that out at its next message. */
  async claim(): Promise<LaneState | undefined> {
    const record = await this.#log.records.get(this.#name);
    if (record === undefined) return undefined;
    const state = stateSchema.parse(JSON.parse(new TextDecoder().decode(record.value)));
    this.#revision = record.revision;
    await this.#write(record.value);
    return state;
  }

  /** Resolves when everything decided so far is kept. Throws SupersededError. */
  keep(): Promise<void> {
    // What is being written may not hold the newest decisions: they go with the next write, all at once.
    if (this.#next !== undefined) return this.#next;
    if (this.#writing === undefined) return this.#start();
    this.#next = this.#writing.catch(() => {}).then(() => this.#start());
    return this.#next;
  }

  #start(): Promise<void> {
    this.#next = undefined;
    const writing = this.#keepNow().finally(() => {
      this.#writing = undefined;
    });
    this.#writing = writing;
    return writing;
  }

  async #keepNow(): Promise<void> {
    const cursor = this.#decisions.cursor();
    const flights = [...this.#decisions.flights()];
    const records = this.#decisions.takeRecords();
    await Promise.all(
      records.map(({ alert, record }) =>
        this.#log.append({
          subject: deliverySubject({ receiver: this.#receiver, target: this.#target, alert }),
          payload: toBytes(record),
        }),
      ),
    );
    await this.#write(toBytes({ cursor, flights } satisfies LaneState));
  }

  async #write(value: Uint8Array): Promise<void> {
    try {
      this.#revision = await this.#log.records.set(this.#name, value, this.#revision);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      throw new SupersededError(`another notifier tells ${this.#receiver}.${this.#target}`, { cause: error });
    }
  }

  get #name(): string {
    return `notifier.${this.#receiver}.${this.#target}`;
  }
}

function toBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
