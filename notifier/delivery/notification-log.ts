import { deliverySubject } from "../../domain/subjects.ts";
import { ConflictError, type Log } from "../../platform/log/port.ts";
import type { AlertRecord, InFlightRecord } from "../queue/queue-types.ts";
import { decodeQueueState, encodeAlertRecord, encodeQueueState, type QueueState } from "./stored-records.ts";

/** Another notifier works on the same log. The newest one continues; the others stop sending. */
export class SupersededError extends Error {
  override readonly name = "SupersededError";
}

/** The contents of a queue that the notification log stores; see `NotificationQueue`. */
export interface RecordedQueue {
  cursor(): number;
  inFlightRecords(): readonly InFlightRecord[];
  takeRecords(): readonly { readonly alert: string; readonly record: AlertRecord }[];
}

/**
 * Records the notifications sent to one target, so that nothing is sent twice: a record per alert, and one state for the
 * target.
 *
 * Invariants: the records of alerts are stored before the cursor moves past their changes; a notification is stored
 * before it is sent; the state is written by compare-and-set, so of two notifiers only one continues.
 */
export class NotificationLog {
  readonly #log: Log;
  readonly #receiver: string;
  readonly #target: string;
  readonly #queue: RecordedQueue;
  #revision = 0;
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(log: Log, place: { readonly receiver: string; readonly target: string }, queue: RecordedQueue) {
    this.#log = log;
    this.#receiver = place.receiver;
    this.#target = place.target;
    this.#queue = queue;
  }

  /** Takes over the state. Another notifier that still runs notices at its next notification. */
  async claim(): Promise<QueueState | undefined> {
    const record = await this.#log.records.get(this.#name);
    if (record === undefined) return undefined;
    const state = decodeQueueState(record.value);
    this.#revision = record.revision;
    await this.#write(record.value);
    return state;
  }

  /** Resolves when every decision so far is stored. Rejects with SupersededError. */
  store(): Promise<void> {
    // A write in progress may lack the newest decisions. The next write includes them all.
    if (this.#next !== undefined) return this.#next;
    if (this.#writing === undefined) return this.#start();
    this.#next = this.#writing.catch(() => {}).then(() => this.#start());
    return this.#next;
  }

  #start(): Promise<void> {
    this.#next = undefined;
    const writing = this.#storeNow().finally(() => {
      this.#writing = undefined;
    });
    this.#writing = writing;
    return writing;
  }

  async #storeNow(): Promise<void> {
    const cursor = this.#queue.cursor();
    const inFlight = [...this.#queue.inFlightRecords()];
    const records = this.#queue.takeRecords();
    const place = { receiver: this.#receiver, target: this.#target };
    await Promise.all(
      records.map(({ alert, record }) =>
        this.#log.append({ subject: deliverySubject({ ...place, alert }), payload: encodeAlertRecord(record) }),
      ),
    );
    await this.#write(encodeQueueState({ cursor, inFlight }));
  }

  async #write(value: Uint8Array): Promise<void> {
    try {
      this.#revision = await this.#log.records.set(this.#name, value, this.#revision);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      throw new SupersededError(`another notifier sends to ${this.#receiver}.${this.#target}`, { cause: error });
    }
  }

  get #name(): string {
    return `notifier.${this.#receiver}.${this.#target}`;
  }
}
