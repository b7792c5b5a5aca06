import { FrameWriter } from "../domain/frame-writer.ts";
import type { ReadingValue, Series } from "../domain/reading.ts";
import { readingsSubject } from "../domain/subjects.ts";
import type { Log } from "../platform/log/port.ts";

/** Told once the frame that holds a message is kept, or will never be. */
export type OnKept = (error?: Error) => void;

export interface FrameBatcherOptions {
  readonly log: Log;
  readonly partitions: number;
  readonly readingsMax: number;
  readonly lingerMs: number;
  /** Makes the frames' ids unique among all gateways and runs. */
  readonly origin: string;
  readonly onFrame?: (readings: number, bytes: number) => void;
}

/** Flushing takes at most this share of the event loop: when frames are costly to send, they wait and grow. */
const FLUSH_SHARE_MAX = 0.1;
const LINGER_MS_MAX = 20;

/**
 * Gathers readings into one frame per partition. All partitions are flushed together: when one is full, or when the
 * oldest reading has lingered long enough.
 */
export class FrameBatcher {
  readonly #options: FrameBatcherOptions;
  readonly #open: OpenFrame[];
  readonly #bytesMax: number;
  readonly #inFlight = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #lingerMs: number;
  #frames = 0;

  constructor(options: FrameBatcherOptions) {
    this.#options = options;
    this.#lingerMs = options.lingerMs;
    this.#bytesMax = Math.floor(options.log.payloadBytesMax * 0.75);
    this.#open = Array.from({ length: options.partitions }, () => ({
      writer: new FrameWriter(),
      receivedAtUs: 0,
      waiting: [],
    }));
  }

  /** Adds one reading of a message. Call `close` after the last one of the message. */
  add(partition: number, reading: BatchedReading, receivedAtUs: number): void {
    const frame = this.#frame(partition);
    if (frame.writer.count === 0) frame.receivedAtUs = receivedAtUs;
    frame.writer.add(reading.series, reading.atUs, reading.value, reading.clockAhead);
  }

  /** Ends a message: `onKept` is called when all readings added to the partition so far are kept. */
  close(partition: number, onKept: OnKept): void {
    const frame = this.#frame(partition);
    frame.waiting.push(onKept);
    if (frame.writer.count >= this.#options.readingsMax || frame.writer.bytes >= this.#bytesMax) {
      this.#send(partition, frame);
    } else {
      this.#timer ??= setTimeout(() => this.flush(), this.#lingerMs);
    }
  }

  /** Sends what is open in all partitions. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const startedMs = performance.now();
    for (const [partition, frame] of this.#open.entries()) if (frame.writer.count > 0) this.#send(partition, frame);
    const wantedMs = (performance.now() - startedMs) / FLUSH_SHARE_MAX;
    this.#lingerMs = Math.max(this.#options.lingerMs, Math.min(LINGER_MS_MAX, wantedMs));
  }

  /** Flushes, and resolves when nothing is in flight any more. */
  async drain(): Promise<void> {
    this.flush();
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
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
    const id = `${this.#options.origin}-${this.#frames++}`;
    this.#options.onFrame?.(readings, payload.length);
    const sent: Promise<void> = this.#options.log
      .append({ subject: readingsSubject(partition), payload, id })
      .then(
        () => settle(waiting),
        (error: unknown) => settle(waiting, error instanceof Error ? error : new Error(String(error))),
      )
      .finally(() => this.#inFlight.delete(sent));
    this.#inFlight.add(sent);
  }
}

export interface BatchedReading {
  readonly series: Series;
  readonly atUs: number;
  readonly value: ReadingValue;
  readonly clockAhead: boolean;
}

interface OpenFrame {
  readonly writer: FrameWriter;
  receivedAtUs: number;
  waiting: OnKept[];
}

function settle(waiting: readonly OnKept[], error?: Error): void {
  for (const onKept of waiting) onKept(error);
}
