import { mqttProgressSubject, mqttQueueSubject } from "../../../domain/subjects.ts";
import { decodeCopies, decodeFrameHead, type FrameCopy } from "../codec/frame-codec.ts";
import { encodeProgress, type StoredProgress } from "../codec/progress-codec.ts";
import { queuedBytes } from "../memory-queue.ts";
import { type QueuedMessage, type SessionQueue, TakenOverError } from "../port.ts";
import type { Progress } from "../progress.ts";
import { originKey } from "../tokens.ts";
import { Ahead } from "./ahead.ts";
import { type Amount, type Entry, type LiveQueue, waitingOf } from "./entry.ts";
import { FramePurge } from "./frame-purge.ts";
import { ProgressSaver } from "./progress-saver.ts";
import type { LoadedProgress, QueueDeps } from "./queue-deps.ts";
import { readFrames } from "./read-frames.ts";
import { Unfinished } from "./unfinished.ts";

interface Frame {
  readonly sequence: number;
  /** The ordinal after its last message, and the bytes of the queue up to its end. */
  readonly end: number;
  readonly bytes: number;
}

/**
 * A session's queue in the log, with its progress, while this edge owns it. Frames come from the follower as long as
 * the connection reads them; one that is slow, or that comes back to a long queue, reads them from the log.
 */
export class OwnedQueue implements SessionQueue, LiveQueue {
  readonly #entry: Entry;
  readonly #deps: QueueDeps;
  readonly epoch: number;
  readonly #subject: string;
  readonly progress: Progress;
  readonly unreleased: readonly number[];
  readonly sentUpTo: number;
  /** Stored as it is while no client has the session. */
  #sent: number | undefined;
  #isConnected = false;
  /** Frames that were decoded and are not finished, oldest first. */
  readonly #frames: Frame[] = [];
  #done: Frame;
  #decoded: Frame;
  readonly #ahead = new Ahead();
  readonly #unfinished = new Unfinished();
  /** Messages below were read by the connection. */
  #readUpTo: number;
  /** The log has frames that were not decoded. */
  #isBehind: boolean;
  #isHungry = false;
  #act: () => void = () => {};
  #state: "open" | "closed" | "taken" = "open";
  #fetching: Promise<void> | undefined;
  readonly #saver: ProgressSaver;
  readonly #purge: FramePurge;
  /** Finished since the last save. */
  #finishedFrames = 0;

  /** `sentUpTo` is the highest ordinal that an earlier connection may have sent. */
  constructor(entry: Entry, stored: LoadedProgress, sentUpTo: number, deps: QueueDeps) {
    this.#entry = entry;
    this.#deps = deps;
    this.epoch = entry.epoch;
    this.#subject = mqttQueueSubject(entry.token, entry.incarnation);
    this.progress = stored.progress;
    this.unreleased = [...stored.progress.received];
    this.#sent = stored.sentUpTo;
    this.sentUpTo = sentUpTo;
    this.#done = { sequence: stored.doneSequence, end: stored.doneMessages, bytes: stored.doneBytes };
    this.#decoded = this.#done;
    this.#readUpTo = stored.doneMessages;
    this.#isBehind = entry.lastSequence > stored.doneSequence;
    this.#saver = this.#newSaver(stored.sequence);
    this.#purge = new FramePurge(stored.doneSequence, { purge: (upTo) => deps.purge(this.#subject, upTo) });
    this.#count();
  }

  get length(): number {
    return waitingOf(this.#entry).messages;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** A client has the session from now on: after a crash, anything may have been sent. Resolves once that is safe. */
  async connect(): Promise<void> {
    this.#isConnected = true;
    await this.#saver.now();
  }

  /** What the next owner at this edge starts from. */
  async detach(): Promise<LoadedProgress> {
    this.#end("taken");
    await this.#saver.settled();
    return { ...this.#stored(), sentUpTo: this.#highestSent(), sequence: this.#saver.sequence };
  }

  /** Another edge has the session. */
  taken(): void {
    this.#end("taken");
  }

  async read(max: number): Promise<readonly QueuedMessage[]> {
    while (this.isOpen && this.#ahead.length === 0 && this.#isBehind) await this.#fetch();
    if (!this.isOpen) return [];
    const messages = this.#ahead.take(max);
    this.#readUpTo = Math.max(this.#readUpTo, (messages.at(-1)?.ordinal ?? -1) + 1);
    this.#isHungry = messages.length === 0;
    return messages;
  }

  onMore(act: () => void): void {
    this.#act = act;
  }

  finish(ordinal: number): void {
    if (!this.isOpen || ordinal >= this.#decoded.end) return;
    this.#finish(ordinal);
    this.#advance();
    this.saveSoon();
  }

  async received(ordinal: number): Promise<void> {
    this.#checkOpen();
    if (!this.progress.isFinished(ordinal) && ordinal < this.#decoded.end) this.progress.received.add(ordinal);
    await this.changed();
  }

  async assign(takers: ReadonlyMap<number, string>): Promise<void> {
    this.progress.assign(takers);
    await this.changed();
  }

  takerOf(ordinal: number): string | undefined {
    return this.progress.takers.get(ordinal);
  }

  async close(): Promise<void> {
    if (!this.isOpen) return;
    this.#isConnected = false;
    this.#sent = this.#highestSent();
    const saved = this.#saver.now();
    this.#end("closed");
    this.#entry.busy = Promise.allSettled([this.#entry.busy, saved]);
    try {
      await saved;
      this.#purge.now();
    } catch (error) {
      if (!(error instanceof TakenOverError)) this.#deps.onFailed(`saving ${this.#subject}`, error);
    }
  }

  /** The follower has a frame; `entry` already counts it. */
  pushed(sequence: number, payload: Uint8Array, before: number): void {
    if (!this.isOpen || sequence <= this.#decoded.sequence) return;
    const isNext = !this.#isBehind && this.#decoded.sequence >= before && this.#fetching === undefined;
    if (isNext && !this.#ahead.isFull) {
      this.#decode(sequence, payload);
      this.#count();
    } else this.#isBehind = true;
    if (!this.#isHungry || (this.#ahead.length === 0 && !this.#isBehind)) return;
    this.#isHungry = false;
    this.#act();
  }

  /**
   * Drops the oldest unread messages until at most this much waits; resolves to how many. What a connection has read
   * stays.
   */
  async trim(most: Amount): Promise<number> {
    const dropped = await this.#drop(most);
    if (dropped === 0) return 0;
    this.#deps.onDropped(this.#entry.clientId, dropped);
    this.saveSoon();
    return dropped;
  }

  /** The same for a queue that no client has, which has dropped some already; saved, unless a client claims it. */
  async trimAway(most: Amount, skipped: number): Promise<number> {
    try {
      const dropped = skipped + (await this.#drop(most));
      if (dropped === 0) return 0;
      await this.#saver.now();
      this.#deps.onDropped(this.#entry.clientId, dropped);
      this.#purge.now();
      return dropped;
    } catch (error) {
      if (!(error instanceof TakenOverError)) throw error;
      return 0;
    } finally {
      this.#end("closed");
    }
  }

  async #drop(most: Amount): Promise<number> {
    let dropped = 0;
    const isOver = () => {
      const { messages, bytes } = waitingOf(this.#entry);
      return messages > most.messages || bytes > most.bytes;
    };
    while (this.isOpen && isOver()) {
      const oldest = this.#ahead.shift();
      if (oldest === undefined) {
        if (!this.#isBehind) break;
        await this.#fetch();
        continue;
      }
      this.#finish(oldest.ordinal);
      this.#advance();
      dropped++;
    }
    return dropped;
  }

  /** Changes are saved soon, with others. */
  saveSoon(): void {
    if (this.isOpen) this.#saver.soon();
  }

  /** Saves a change that its caller must not forget. */
  async changed(): Promise<void> {
    this.#checkOpen();
    await this.#saver.now();
  }

  /** Resolves once all changes so far are safe; at once when they are. */
  async saved(): Promise<void> {
    this.#checkOpen();
    await this.#saver.saved();
  }

  #newSaver(sequence: number): ProgressSaver {
    return new ProgressSaver({
      ...{ writer: this.#deps.writer, subject: mqttProgressSubject(this.#entry.token), sequence },
      encode: () => encodeProgress({ ...this.#stored(), epoch: this.epoch }),
      mark: () => {
        const { sequence: done } = this.#done;
        const frames = this.#finishedFrames;
        this.#finishedFrames = 0;
        return () => this.#purge.saved(done, frames);
      },
      onTaken: () => {
        if (this.#entry.queue === this) this.#deps.onDisplaced(this.#entry.clientId);
        this.#end("taken");
        return this.#takenOver();
      },
      onFailed: this.#deps.onFailed,
    });
  }

  #highestSent(): number {
    return Math.max(this.sentUpTo, this.#readUpTo - 1);
  }

  #checkOpen(): void {
    if (!this.isOpen) throw this.#takenOver();
  }

  #takenOver(): TakenOverError {
    return new TakenOverError(`session ${JSON.stringify(this.#entry.clientId)} has another owner`);
  }

  #end(state: "closed" | "taken"): void {
    if (this.#state === "taken") return;
    this.#state = state;
    if (state === "taken") this.#saver.taken(this.#takenOver());
    else this.#saver.stopTimer();
    this.#purge.stop();
    this.#ahead.clear();
    if (this.#entry.queue === this) this.#entry.queue = undefined;
  }

  #stored(): Omit<StoredProgress, "epoch"> {
    const { sequence, end, bytes } = this.#done;
    return {
      incarnation: this.#entry.incarnation,
      doneSequence: sequence,
      doneMessages: end,
      doneBytes: bytes,
      sentUpTo: this.#isConnected ? undefined : this.#sent,
      progress: this.progress,
    };
  }

  #finish(ordinal: number): void {
    if (!this.progress.finish(ordinal)) return;
    const delivery = this.#unfinished.remove(ordinal);
    this.#entry.finished.messages++;
    this.#entry.finished.bytes += delivery?.bytes ?? 0;
    if (delivery?.origin !== undefined) this.progress.remember(delivery.origin);
  }

  /** Leaves the frames behind whose messages are all finished. */
  #advance(): void {
    for (let first = this.#frames[0]; first !== undefined && first.end <= this.progress.cursor; ) {
      this.#frames.shift();
      this.#done = first;
      this.#finishedFrames++;
      first = this.#frames[0];
    }
  }

  #decode(sequence: number, payload: Uint8Array): void {
    let ordinal = this.#decoded.end;
    let { bytes } = this.#decoded;
    for (const copy of decodeCopies(payload)) {
      const size = queuedBytes(copy.message);
      bytes += size;
      this.#take(ordinal++, copy, size);
    }
    const frame = { sequence, end: ordinal, bytes };
    this.#decoded = frame;
    this.#frames.push(frame);
    this.#advance();
  }

  #take(ordinal: number, { message, qos, retain, identifiers }: FrameCopy, bytes: number): void {
    if (this.progress.isFinished(ordinal)) {
      this.#entry.finished.bytes += bytes;
      return;
    }
    const origin = message.origin === undefined ? undefined : originKey(message.origin);
    const isReceived = this.progress.received.has(ordinal);
    if (
      origin !== undefined &&
      !isReceived &&
      (this.#unfinished.hasOrigin(origin) || this.progress.origins.has(origin))
    ) {
      // Its publisher repeated it.
      this.#finish(ordinal);
      this.#entry.finished.bytes += bytes;
      this.#saver.dirty();
      return;
    }
    this.#unfinished.add(ordinal, { bytes, origin });
    if (isReceived) return;
    this.#ahead.push({ ordinal, message, qos, retain, identifiers, bytes });
  }

  /** What is finished follows from what is not; exact once everything was decoded. */
  #count(): void {
    const { arrived, finished } = this.#entry;
    if (this.#isBehind) {
      finished.messages = this.progress.cursor + this.progress.finished.size;
      finished.bytes = this.#done.bytes;
      return;
    }
    arrived.messages = this.#decoded.end;
    arrived.bytes = this.#decoded.bytes;
    finished.messages = arrived.messages - this.#unfinished.size;
    finished.bytes = arrived.bytes - this.#unfinished.bytes;
  }

  /** Decodes the next part of the log. */
  #fetch(): Promise<void> {
    this.#fetching ??= this.#readPart().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #readPart(): Promise<void> {
    const { log, indexOf } = this.#deps;
    const { lastSequence } = this.#entry;
    const after = this.#decoded.sequence;
    const index = indexOf(this.#subject, after, lastSequence);
    for await (const { frames, isWhole } of readFrames({ log, subject: this.#subject, after, lastSequence, index })) {
      for (const { sequence, payload } of frames) {
        if (!isWhole) this.#skipLost(payload);
        this.#decode(sequence, payload);
        if (this.#ahead.isFull) return;
      }
    }
    if (this.#decoded.sequence < lastSequence) this.#decoded = { ...this.#decoded, sequence: lastSequence };
    if (lastSequence < this.#entry.lastSequence) return;
    this.#isBehind = false;
    this.#count();
  }

  /** The stream was full and dropped its oldest messages, perhaps some of this queue. */
  #skipLost(payload: Uint8Array): void {
    const { messagesHint, bytesHint, count, bytes } = decodeFrameHead(payload);
    const end = messagesHint - count;
    const lost = end - this.#decoded.end;
    if (lost <= 0) return;
    for (let ordinal = this.#decoded.end; ordinal < end; ordinal++) this.progress.finish(ordinal);
    this.#decoded = { sequence: this.#decoded.sequence, end, bytes: Math.max(this.#decoded.bytes, bytesHint - bytes) };
    this.#saver.dirty();
    this.#deps.onDropped(this.#entry.clientId, lost);
  }
}
