import { mqttSessionSubject } from "../../../domain/subjects.ts";
import { type Follower, follow } from "../../../platform/log/follow.ts";
import { ConflictError, type Log, type LogMessage } from "../../../platform/log/port.ts";
import { readNewest } from "../../../platform/log/read-range.ts";
import { decodeRecord, encodeRecord, type StoredRecord } from "../codec/record-codec.ts";
import { OWN_PREFIX, type SessionRecord } from "../port.ts";
import { subjectTokenOf } from "../tokens.ts";
import { type Entry, newEntry, resetQueue } from "./entry.ts";
import type { NewestWriter } from "./newest-writer.ts";

/** Edges that are cut off for longer must start again: they would not hear of a deletion. */
export const TOMBSTONE_US = 7 * 86_400_000_000;

export interface RecordsOptions {
  readonly log: Log;
  readonly writer: NewestWriter;
  /** A record is new, changed or deleted, by this edge or another; not called while `start` reads. */
  readonly onRecord: (entry: Entry, by: "us" | "others") => void;
  readonly onFailed: (what: string, error: unknown) => void;
  /** Deleted sessions to remember. */
  readonly deletedMax: number;
}

/** All sessions of all edges, as the log has them. */
export class Records {
  readonly #options: RecordsOptions;
  readonly #byToken = new Map<string, Entry>();
  /** The same: a token is a hash, too slow for each message. */
  readonly #byClient = new Map<string, Entry>();
  /** What this edge writes now: it may be read back before its acknowledgement. */
  readonly #writing = new Map<string, Uint8Array>();
  #live = 0;
  #isStarted = false;
  #follower: Follower | undefined;

  constructor(options: RecordsOptions) {
    this.#options = options;
  }

  /** The number of sessions, without the broker's own. */
  get size(): number {
    return this.#live;
  }

  async start(): Promise<void> {
    const { log, onFailed } = this.#options;
    const stream = "MQTT_SESSIONS";
    const from = await readNewest(log, { stream }, (message) => this.#apply(message));
    this.#isStarted = true;
    this.#follower = follow({
      log,
      stream,
      from,
      apply: (message) => this.#apply(message),
      onFailed: (error) => onFailed("following the sessions", error),
    });
  }

  async stop(): Promise<void> {
    await this.#follower?.stop();
  }

  /** Entries of sessions that exist. */
  *live(): Generator<Entry & { record: SessionRecord }> {
    for (const entry of this.#byToken.values()) if (isLive(entry)) yield entry;
  }

  byToken(token: string): Entry | undefined {
    return this.#byToken.get(token);
  }

  /** With a record, or one that was deleted. */
  of(clientId: string): Entry | undefined {
    return this.#byClient.get(clientId);
  }

  /** Made if there is none. */
  entryOf(clientId: string): Entry {
    const known = this.#byClient.get(clientId);
    if (known !== undefined) return known;
    const entry = newEntry(clientId, subjectTokenOf(clientId));
    this.#byToken.set(entry.token, entry);
    this.#byClient.set(clientId, entry);
    return entry;
  }

  /**
   * Replaces the record that this edge knows. Rejects with `ConflictError` when another edge was faster; its record
   * is known then.
   */
  async write(entry: Entry, next: Omit<StoredRecord, "clientId">): Promise<void> {
    const subject = mqttSessionSubject(entry.token);
    const stored = { clientId: entry.clientId, ...next };
    const expected = entry.recordSequence;
    const payload = encodeRecord(stored);
    this.#writing.set(entry.token, payload);
    try {
      const write = { stream: "MQTT_SESSIONS", subject, payload: () => payload, expected: () => expected } as const;
      this.#set(entry, await this.#options.writer.write(write), stored, "us");
    } catch (error) {
      if (error instanceof ConflictError) {
        const newest = await this.#options.log.lastFor("MQTT_SESSIONS", subject);
        if (newest !== undefined) this.#apply(newest);
        // Forgotten by another edge after its deletion.
        else if (entry.record === undefined) entry.recordSequence = 0;
      }
      throw error;
    } finally {
      this.#writing.delete(entry.token);
    }
  }

  /** Forgets sessions that were deleted long ago. */
  async forgetDeleted(nowUs: number): Promise<void> {
    const deleted = [...this.#byToken.values()].filter(({ record, recordSequence }) => {
      return record === undefined && recordSequence > 0;
    });
    deleted.sort((a, b) => a.recordSequence - b.recordSequence);
    const tooMany = deleted.length - this.#options.deletedMax;
    for (const [i, entry] of deleted.entries()) {
      const { recordSequence, recordAtUs, token } = entry;
      if (i >= tooMany && recordAtUs + TOMBSTONE_US > nowUs) return;
      await this.#options.log.purge("MQTT_SESSIONS", mqttSessionSubject(token), recordSequence + 1);
      if (entry.recordSequence !== recordSequence) continue;
      this.#byToken.delete(token);
      this.#byClient.delete(entry.clientId);
    }
  }

  #apply(message: LogMessage): void {
    const stored = this.#decoded(message);
    if (stored === undefined) return;
    const entry = this.entryOf(stored.clientId);
    const ours = this.#writing.get(entry.token);
    const by = ours !== undefined && Buffer.compare(ours, message.payload) === 0 ? "us" : "others";
    if (message.sequence >= entry.recordSequence) entry.recordAtUs = message.storedAtUs;
    this.#set(entry, message.sequence, stored, by);
  }

  #decoded({ payload, sequence }: LogMessage): StoredRecord | undefined {
    try {
      return decodeRecord(payload);
    } catch (error) {
      this.#options.onFailed(`reading the session at sequence ${sequence} of MQTT_SESSIONS`, error);
      return undefined;
    }
  }

  #set(entry: Entry, sequence: number, stored: Omit<StoredRecord, "clientId">, by: "us" | "others"): void {
    if (sequence <= entry.recordSequence) return;
    const wasLive = entry.record !== undefined;
    entry.recordSequence = sequence;
    entry.record = stored.record;
    entry.epoch = stored.epoch;
    if (stored.incarnation !== entry.incarnation) resetQueue(entry);
    entry.incarnation = stored.incarnation;
    if (!entry.clientId.startsWith(OWN_PREFIX)) this.#live += Number(stored.record !== undefined) - Number(wasLive);
    if (this.#isStarted) this.#options.onRecord(entry, by);
  }
}

function isLive(entry: Entry): entry is Entry & { record: SessionRecord } {
  return entry.record !== undefined;
}
