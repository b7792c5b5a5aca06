import { mqttQueueSubject } from "../../../domain/subjects.ts";
import { type Follower, follow } from "../../../platform/log/follow.ts";
import type { Log, LogMessage } from "../../../platform/log/port.ts";
import { readNewest } from "../../../platform/log/read-range.ts";
import { decodeFrameHead, type FrameHead } from "../codec/frame-codec.ts";
import { decodeProgress } from "../codec/progress-codec.ts";
import { OWN_PREFIX, StoreClosedError, type StoreLimits } from "../port.ts";
import { type Amount, type Entry, waitingOf } from "./entry.ts";
import type { FrameIndex } from "./frame-index.ts";
import { FrameIndices } from "./frame-indices.ts";
import { Position } from "./position.ts";
import type { Records } from "./records.ts";

const QUEUE = "MQTT_QUEUE";
/** An absent queue is trimmed by at least this part of its bound: each trim reads it from the log. */
const SLACK = 0.1;
/** Above the bound of all queues, they are trimmed to this part of it. */
const KEPT = 0.95;

export interface QueueFollowerOptions {
  readonly log: Log;
  readonly limits: StoreLimits;
  readonly records: Records;
  /** The run of this edge. */
  readonly writer: string;
  /** Drops the oldest of a queue until at most this much waits: how many. None of one that another edge owns. */
  readonly trim: (entry: Entry, most: Amount) => Promise<number>;
  readonly onFailed: (what: string, error: unknown) => void;
}

/** Messages that one queue may hold. */
export function queuedMaxOf({ clientId }: Entry, { queuedPerSessionMax }: StoreLimits): number {
  return clientId.startsWith(OWN_PREFIX) ? Number.POSITIVE_INFINITY : queuedPerSessionMax;
}

/** Follows the queues of all sessions: gives frames to those that this edge owns, and keeps all within the bounds. */
export class QueueFollower {
  readonly #options: QueueFollowerOptions;
  readonly #position = new Position();
  readonly #indices: FrameIndices;
  #frames: Follower | undefined;
  #progress: Follower | undefined;
  readonly #trimming = new Set<Entry>();
  #isTrimmingAll = false;
  #waitingBytes = 0;

  constructor(options: QueueFollowerOptions) {
    this.#options = options;
    const { log, onFailed } = options;
    this.#indices = new FrameIndices({ log, onFailed, doneOf: (subject) => this.#entryOf(subject)?.doneSequence });
  }

  async start(): Promise<void> {
    const { log, onFailed } = this.#options;
    const from = await readNewest(log, { stream: QUEUE }, (message) => {
      const entry = this.#entryOf(message.subject);
      if (entry !== undefined) this.#sync(entry, message);
    });
    this.#position.reached(from - 1);
    const progressFrom = await readNewest(log, { stream: "MQTT_PROGRESS" }, (message) => this.#applyProgress(message));
    for (const { arrived, finished } of this.#options.records.live()) {
      // Everything was finished and deleted.
      arrived.messages = Math.max(arrived.messages, finished.messages);
      arrived.bytes = Math.max(arrived.bytes, finished.bytes);
    }
    this.#countWaiting();
    this.#frames = follow({
      ...{ log, stream: QUEUE, from },
      apply: (message) => this.#apply(message),
      onFailed: (error) => onFailed("following the queues", error),
    });
    this.#progress = follow({
      ...{ log, stream: "MQTT_PROGRESS", from: progressFrom },
      apply: (message) => this.#applyProgress(message),
      onFailed: (error) => onFailed("following the progress of sessions", error),
    });
    this.#indices.start(from);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#frames?.stop(), this.#progress?.stop(), this.#indices.stop()]);
    this.#position.end();
  }

  /** Resolves once frames up to a stored sequence were given to their queues. */
  async reached(sequence: number): Promise<void> {
    await this.#position.wait(sequence);
  }

  /** Reads the end of a queue from the log: the follower may not be there yet. */
  async refresh(entry: Entry): Promise<void> {
    const subject = mqttQueueSubject(entry.token, entry.incarnation);
    const newest = await this.#options.log.lastFor(QUEUE, subject);
    if (newest !== undefined && newest.sequence > entry.lastSequence) this.#sync(entry, newest);
  }

  get isIndexed(): boolean {
    return this.#indices.isComplete;
  }

  /** Undefined while not all frames of the queue between the two sequences are known. */
  indexOf(subject: string, after: number, lastSequence: number): FrameIndex | undefined {
    return this.#position.at < lastSequence ? undefined : this.#indices.get(subject, after);
  }

  /** Deletes frames of a queue up to a sequence, soon. */
  purge(subject: string, upTo: number): void {
    this.#indices.purge(subject, upTo);
  }

  /** Deletes the queue of a session that is gone. */
  remove(subject: string): void {
    this.#indices.remove(subject);
  }

  /** Deletes frames that came for sessions when these were being deleted. Call it now and then. */
  async sweep(): Promise<void> {
    await this.#indices.sweep();
  }

  #apply(message: LogMessage): void {
    const { sequence, subject } = message;
    const head = this.#headOf(message);
    // Whether or not its session is known yet.
    this.#indices.add(subject, { sequence, messages: head?.count ?? 0, bytes: head?.bytes ?? 0 });
    const entry = this.#entryOf(subject);
    if (entry !== undefined && head !== undefined) {
      if (head.writer === this.#options.writer) {
        entry.underWay.messages = Math.max(0, entry.underWay.messages - head.count);
        entry.underWay.bytes = Math.max(0, entry.underWay.bytes - head.bytes);
      }
      if (sequence > entry.lastSequence) {
        const before = entry.lastSequence;
        entry.lastSequence = sequence;
        entry.arrived.messages += head.count;
        entry.arrived.bytes += head.bytes;
        entry.queue?.pushed(sequence, message.payload, before);
        this.#waitingBytes += head.bytes;
        this.#keepBounds(entry, head);
      }
    }
    this.#position.reached(sequence);
  }

  #applyProgress({ subject, payload, sequence }: LogMessage): void {
    const entry = this.#options.records.byToken(subject.slice(subject.indexOf(".") + 1));
    if (entry === undefined || entry.queue !== undefined) return;
    try {
      const { incarnation, progress, doneSequence, doneBytes } = decodeProgress(payload);
      if (incarnation !== entry.incarnation) return;
      entry.doneSequence = doneSequence;
      this.#indices.purged(mqttQueueSubject(entry.token, incarnation), doneSequence);
      entry.finished.messages = progress.cursor + progress.finished.size;
      entry.finished.bytes = doneBytes;
    } catch (error) {
      this.#options.onFailed(`reading the progress at sequence ${sequence}`, error);
    }
  }

  #sync(entry: Entry, message: LogMessage): void {
    const head = this.#headOf(message);
    if (head === undefined) return;
    entry.lastSequence = message.sequence;
    entry.arrived.messages = Math.max(entry.arrived.messages, head.messagesHint);
    entry.arrived.bytes = Math.max(entry.arrived.bytes, head.bytesHint);
  }

  #headOf({ payload, sequence }: LogMessage): FrameHead | undefined {
    try {
      return decodeFrameHead(payload);
    } catch (error) {
      this.#options.onFailed(`reading the frame at sequence ${sequence} of ${QUEUE}`, error);
      return undefined;
    }
  }

  /** The session whose present queue has the subject. */
  #entryOf(subject: string): Entry | undefined {
    const [, token = "", incarnation = ""] = subject.split(".");
    const entry = this.#options.records.byToken(token);
    return entry?.record !== undefined && entry.incarnation === Number(incarnation) ? entry : undefined;
  }

  #keepBounds(entry: Entry, head: FrameHead): void {
    const { queuedBytesMax } = this.#options.limits;
    const queuedPerSessionMax = queuedMaxOf(entry, this.#options.limits);
    const { messages } = waitingOf(entry);
    if (entry.queue !== undefined) {
      if (messages > queuedPerSessionMax) this.#trim(entry, queuedPerSessionMax);
    } else if (head.writer === this.#options.writer) {
      // The edge that fills an absent queue keeps its bound.
      if (messages > queuedPerSessionMax * (1 + SLACK)) this.#trim(entry, queuedPerSessionMax);
    }
    if (this.#waitingBytes > queuedBytesMax) this.#trimAll();
  }

  #trim(entry: Entry, messages: number): void {
    if (this.#trimming.has(entry)) return;
    this.#trimming.add(entry);
    this.#options
      .trim(entry, { messages, bytes: Number.POSITIVE_INFINITY })
      .catch((error: unknown) => this.#failed("trimming a queue", error))
      .finally(() => this.#trimming.delete(entry));
  }

  #failed(what: string, error: unknown): void {
    if (!(error instanceof StoreClosedError)) this.#options.onFailed(what, error);
  }

  #countWaiting(): number {
    this.#waitingBytes = 0;
    for (const entry of this.#options.records.live()) this.#waitingBytes += waitingOf(entry).bytes;
    return this.#waitingBytes;
  }

  #trimAll(): void {
    // Counted again: deliveries that finished have freed some.
    if (this.#isTrimmingAll || this.#countWaiting() <= this.#options.limits.queuedBytesMax) return;
    this.#isTrimmingAll = true;
    this.#trimLongest()
      .catch((error: unknown) => this.#failed("trimming the queues", error))
      .finally(() => {
        this.#isTrimmingAll = false;
      });
  }

  async #trimLongest(): Promise<void> {
    const most = this.#options.limits.queuedBytesMax * KEPT;
    const spent = new Set<Entry>();
    while (this.#countWaiting() > most) {
      let longest: Entry | undefined;
      for (const entry of this.#options.records.live()) {
        if (spent.has(entry)) continue;
        if (longest === undefined || waitingOf(entry).bytes > waitingOf(longest).bytes) longest = entry;
      }
      if (longest === undefined) return;
      const { bytes } = waitingOf(longest);
      const target = { messages: Number.POSITIVE_INFINITY, bytes: Math.max(0, bytes - (this.#waitingBytes - most)) };
      if ((await this.#options.trim(longest, target)) === 0) spent.add(longest);
    }
  }
}
