import { mqttSessionSubject } from "../../../domain/subjects.ts";
import type { Log } from "../../../platform/log/port.ts";
import { readRange } from "../../../platform/log/read-range.ts";
import { decodeRecord } from "../codec/record-codec.ts";
import { FrameIndex, type Place } from "./frame-index.ts";
import { Purges } from "./purges.ts";

const QUEUE = "MQTT_QUEUE";
/** Of one sweep: each asks the log for a session. */
const ORPHANS_MAX = 200;

export interface FrameIndicesOptions {
  readonly log: Log;
  /** The sequence up to which a queue is finished; undefined: no session that this edge knows has the queue. */
  readonly doneOf: (subject: string) => number | undefined;
  readonly onFailed: (what: string, error: unknown) => void;
}

/** Where the frames of all queues are. Those from before the start are found in the background. */
export class FrameIndices {
  readonly #options: FrameIndicesOptions;
  readonly #purges: Purges;
  readonly #bySubject = new Map<string, FrameIndex>();
  readonly #stopping = new AbortController();
  /** Frames from this sequence on are known. */
  #from = Number.POSITIVE_INFINITY;
  #reading: Promise<void> = Promise.resolve();
  /** Queues that had no session at the last sweep. */
  #orphans: ReadonlySet<string> = new Set();

  constructor(options: FrameIndicesOptions) {
    this.#options = options;
    this.#purges = new Purges(options);
  }

  get isComplete(): boolean {
    return this.#from === 0;
  }

  /** `add` is called for all frames from a sequence on. */
  start(from: number): void {
    this.#from = from;
    this.#reading = this.#readOlder(from - 1).catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#options.onFailed("finding the messages of sessions", error);
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#purges.stop();
    await this.#reading;
  }

  add(subject: string, place: Place): void {
    this.#entryOf(subject).add(place);
  }

  /** Undefined while not all frames of the queue after a sequence are known. */
  get(subject: string, after: number): FrameIndex | undefined {
    return after + 1 >= this.#from ? this.#entryOf(subject) : undefined;
  }

  /** Deletes frames of a queue up to a sequence, soon. */
  purge(subject: string, upTo: number): void {
    this.#bySubject.get(subject)?.dropUpTo(upTo);
    this.#purges.add(subject, upTo + 1);
  }

  /** Another edge has deleted them. */
  purged(subject: string, upTo: number): void {
    this.#bySubject.get(subject)?.dropUpTo(upTo);
  }

  /** Deletes all frames of a queue whose session is gone. */
  remove(subject: string): void {
    this.#bySubject.delete(subject);
    this.#purges.add(subject, Number.MAX_SAFE_INTEGER);
  }

  /** Deletes frames that came for sessions when these were being deleted. Call it now and then. */
  async sweep(): Promise<void> {
    const before = this.#orphans;
    const orphans = new Set<string>();
    for (const [subject, index] of this.#bySubject) {
      if (this.#options.doneOf(subject) !== undefined) continue;
      if (index.size === 0) this.#bySubject.delete(subject);
      else if (orphans.size < ORPHANS_MAX) orphans.add(subject);
    }
    this.#orphans = orphans;
    for (const subject of orphans) {
      if (before.has(subject) && (await this.#isGone(subject))) this.remove(subject);
    }
  }

  /** This edge may not have heard of the session yet. */
  async #isGone(subject: string): Promise<boolean> {
    const [, token = "", incarnation = ""] = subject.split(".");
    const newest = await this.#options.log.lastFor("MQTT_SESSIONS", mqttSessionSubject(token));
    if (newest === undefined) return true;
    const stored = decodeRecord(newest.payload);
    return stored.record === undefined || stored.incarnation > Number(incarnation);
  }

  async #readOlder(end: number): Promise<void> {
    const { log, doneOf } = this.#options;
    const { signal } = this.#stopping;
    const newest = await log.newest(QUEUE);
    const lastSequence = Math.min(newest?.sequence ?? 0, end);
    if (lastSequence > 0) {
      for await (const batch of readRange(log, { stream: QUEUE, lastSequence, headersOnly: true, signal })) {
        for (const { subject, sequence } of batch) this.#entryOf(subject).addOlder(sequence);
      }
    }
    if (signal.aborted) return;
    this.#from = 0;
    for (const [subject, index] of this.#bySubject) {
      index.completed();
      const done = doneOf(subject);
      // An earlier run has not deleted what it had finished.
      if (done !== undefined && index.dropUpTo(done) > 0) this.#purges.add(subject, done + 1);
    }
  }

  #entryOf(subject: string): FrameIndex {
    let index = this.#bySubject.get(subject);
    if (index === undefined) {
      index = new FrameIndex();
      this.#bySubject.set(subject, index);
    }
    return index;
  }
}
