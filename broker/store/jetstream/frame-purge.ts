/** Finished frames are deleted this many at a time, or after a quiet time. */
const FRAMES = 256;
const QUIET_MS = 30_000;

export interface FramePurgeOptions {
  /** Deletes the queue's frames up to a sequence, soon. */
  readonly purge: (upTo: number) => void;
}

/** Deletes the frames of a queue that are finished, once the progress that says so is stored. */
export class FramePurge {
  readonly #options: FramePurgeOptions;
  #savedUpTo: number;
  #purgedUpTo: number;
  #frames = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(doneSequence: number, options: FramePurgeOptions) {
    this.#options = options;
    this.#savedUpTo = doneSequence;
    this.#purgedUpTo = doneSequence;
  }

  /** The stored progress has this many more frames finished, up to a sequence. */
  saved(doneSequence: number, frames: number): void {
    this.#savedUpTo = doneSequence;
    this.#frames += frames;
    if (this.#savedUpTo <= this.#purgedUpTo) return;
    if (this.#frames >= FRAMES) this.now();
    else if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.now(), QUIET_MS);
      this.#timer.unref();
    }
  }

  now(): void {
    this.stop();
    if (this.#savedUpTo <= this.#purgedUpTo) return;
    this.#purgedUpTo = this.#savedUpTo;
    this.#frames = 0;
    this.#options.purge(this.#purgedUpTo);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
