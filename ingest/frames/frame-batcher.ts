import { FrameWriter } from "../../domain/frame-writer.ts";
import { asError } from "../../domain/reason.ts";
import { readingsSubject } from "../../domain/subjects.ts";
import { type Append, type Log, TooLargeError } from "../../platform/log/port.ts";
import { splitFrame } from "./split-frame.ts";

/** Called once the frame with the message is in the log, or with an error if it never will be. */
export type OnKept = (error?: Error) => void;

/** When a frame is sent. */
export interface FramePace {
  readonly readingsMax: number;
  /** How long a frame stays open for others when someone waits for it. */
  readonly lingerMs: number;
  /** The same when nobody does. */
  readonly patientMs: number;
}

export interface FrameBatcherOptions extends FramePace {
  readonly log: Log;
  readonly partitions: number;
  /** Makes the frames' ids unique among all gateways and their runs. */
  readonly origin: string;
  readonly onFrame?: (readings: number, bytes: number) => void;
}

/**
 * A frame takes at most this share of a log message: processors that forward readings prepend up to an eighth of a
 * message to whole frames.
 */
const FRAME_SHARE_MAX = 0.75;
/** No server takes so little. */
const BYTES_MAX_LOWEST = 4 * 1_024;
/** Flushing takes at most this share of the event loop: when sending is slow, frames linger longer and grow. */
const FLUSH_SHARE_MAX = 0.05;
const LINGER_MS_MAX = 10;
/**
 * After this many messages whose senders wait for acknowledgements, frames are sent as soon as a burst ends: all of
 * them may be waiting.
 */
const BURST_MESSAGES = 32;

/**
 * Gathers readings into one frame per partition. A full frame is sent at once. All frames are sent together when a
 * burst of messages ends, or when the oldest reading has lingered long enough.
 */
export class FrameBatcher {
  readonly #options: FrameBatcherOptions;
  #pace: FramePace;
  readonly #open: OpenFrame[];
  #bytesMax: number;
  readonly #inFlight = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #isHurried = false;
  #burstCheck: NodeJS.Immediate | undefined;
  #messages = 0;
  #messagesSeen = 0;
  #lingerMs: number;
  #frames = 0;

  constructor(options: FrameBatcherOptions) {
    this.#options = options;
    this.#pace = options;
    this.#lingerMs = options.lingerMs;
    this.#bytesMax = Math.floor(options.log.payloadBytesMax * FRAME_SHARE_MAX);
    this.#open = Array.from({ length: options.partitions }, () => ({
      writer: new FrameWriter(),
      receivedAtUs: 0,
      openedBytes: 0,
      waiting: [],
    }));
  }

  /** Takes effect from the next frame on. */
  set pace(pace: FramePace) {
    this.#pace = pace;
    this.#lingerMs = pace.lingerMs;
  }

  /** The largest frame, in bytes. */
  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** The open frame of a partition. Add all readings of one message to it, then call `close` or `undo`. */
  open(partition: number, receivedAtUs: number): FrameWriter {
    const frame = this.#frame(partition);
    if (frame.writer.count === 0) frame.receivedAtUs = receivedAtUs;
    frame.writer.mark();
    frame.openedBytes = frame.writer.bytes;
    return frame.writer;
  }

  /** The open frame of a partition, for further readings of the message that opened it. */
  opened(partition: number): FrameWriter {
    return this.#frame(partition).writer;
  }

  /** Whether the open frame is larger than the log accepts; if so, undo the message. */
  isOverfull(partition: number): boolean {
    return this.#frame(partition).writer.bytes > this.bytesMax;
  }

  /** Whether the open message alone is larger than the log accepts. */
  isTooLarge(partition: number): boolean {
    const { writer, openedBytes } = this.#frame(partition);
    return writer.bytes - openedBytes > this.bytesMax;
  }

  /** Removes the readings of the open message from its frame. */
  undo(partition: number): void {
    this.#frame(partition).writer.undo();
  }

  /** Sends the open frame of a partition, between messages. Returns false if it is empty. */
  sendOpen(partition: number): boolean {
    const frame = this.#frame(partition);
    if (frame.writer.count === 0) return false;
    this.#send(partition, frame);
    return true;
  }

  /** Puts an entry behind the readings that are in the frame so far. */
  sendEntry(partition: number, payload: Uint8Array, onKept: OnKept): void {
    this.sendOpen(partition);
    this.#track(this.#append(this.#framed(partition, payload)), [onKept]);
  }

  /**
   * Ends a message. Calls `onKept` once the log has all readings that are in the frame so far. `isAwaited`: its sender
   * may be waiting for that.
   */
  close(partition: number, onKept: OnKept, isAwaited: boolean): void {
    const frame = this.#frame(partition);
    frame.waiting.push(onKept);
    if (frame.writer.count >= this.#pace.readingsMax || frame.writer.bytes >= this.bytesMax) {
      this.#send(partition, frame);
      return;
    }
    this.#flushWithin(isAwaited);
    if (!isAwaited) return;
    this.#messages++;
    if (this.#messages >= BURST_MESSAGES) this.#burstCheck ??= setImmediate(() => this.#endBurst());
  }

  #flushWithin(isAwaited: boolean): void {
    if (this.#timer !== undefined && (this.#isHurried || !isAwaited)) return;
    clearTimeout(this.#timer);
    this.#isHurried = isAwaited;
    const ms = isAwaited ? this.#lingerMs : Math.max(this.#lingerMs, this.#pace.patientMs);
    this.#timer = setTimeout(() => this.flush(), ms);
  }

  /** Sends the open frames of all partitions. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#burstCheck) clearImmediate(this.#burstCheck);
    this.#burstCheck = undefined;
    this.#messages = 0;
    const startedMs = performance.now();
    for (const [partition, frame] of this.#open.entries()) if (frame.writer.count > 0) this.#send(partition, frame);
    const wantedMs = (performance.now() - startedMs) / FLUSH_SHARE_MAX;
    this.#lingerMs = Math.max(this.#pace.lingerMs, Math.min(LINGER_MS_MAX, wantedMs));
  }

  /** Flushes, and resolves when nothing is in flight. */
  async drain(): Promise<void> {
    this.flush();
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }

  /** A turn of the event loop without messages ends a burst. */
  #endBurst(): void {
    this.#burstCheck = undefined;
    if (this.#messages === this.#messagesSeen) this.flush();
    else {
      this.#messagesSeen = this.#messages;
      this.#burstCheck = setImmediate(() => this.#endBurst());
    }
  }

  #frame(partition: number): OpenFrame {
    const frame = this.#open[partition];
    if (frame === undefined) throw new RangeError(`no partition ${partition}`);
    return frame;
  }

  #send(partition: number, frame: OpenFrame): void {
    const readings = frame.writer.count;
    const payload = frame.writer.finish(frame.receivedAtUs);
    const waiting = frame.waiting;
    frame.waiting = [];
    this.#options.onFrame?.(readings, payload.length);
    this.#track(this.#append(this.#framed(partition, payload)), waiting);
  }

  #framed(partition: number, payload: Uint8Array) {
    return { subject: readingsSubject(partition), payload, id: `${this.#options.origin}-${this.#frames++}` };
  }

  #track(appended: Promise<void>, waiting: readonly OnKept[]): void {
    const sent: Promise<void> = appended
      .then(
        () => settle(waiting),
        (error: unknown) => settle(waiting, asError(error)),
      )
      .finally(() => this.#inFlight.delete(sent));
    this.#inFlight.add(sent);
  }

  /**
   * If the server's `max_payload` was lowered since the start, the frame is split: as an error its senders would send
   * the same again, forever.
   */
  async #append(frame: Required<Pick<Append, "subject" | "payload" | "id">>): Promise<void> {
    try {
      await this.#options.log.append(frame);
    } catch (error) {
      if (!(error instanceof TooLargeError)) throw error;
      const halves = splitFrame(frame.payload);
      if (halves === undefined) throw error;
      this.#bytesMax = Math.min(this.#bytesMax, Math.max(BYTES_MAX_LOWEST, Math.floor(frame.payload.length / 2)));
      await Promise.all(halves.map((payload, i) => this.#append({ ...frame, payload, id: `${frame.id}.${i}` })));
    }
  }
}

interface OpenFrame {
  readonly writer: FrameWriter;
  receivedAtUs: number;
  /** Its size before the open message. */
  openedBytes: number;
  waiting: OnKept[];
}

function settle(waiting: readonly OnKept[], error?: Error): void {
  for (const onKept of waiting) onKept(error);
}
