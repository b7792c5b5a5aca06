import type { Frame } from "./frame.ts";

/** The time for drawing charts in one frame. The remaining charts have their turn in the next frames. */
const DRAWING_MS = 8;
/**
 * The most charts in one frame. Without a GPU, the browser copies everything from the first changed chart to the
 * last.
 */
const NEIGHBOURS = 18;
/** The cost of painting after a chart was drawn, without a GPU: for each chart, and for each of its points. */
const PAINTING_MS = 0.5;
const PAINTING_POINT_MS = 0.001;

/**
 * Charts take turns to be drawn, so that drawing all of them never holds up the page. ADR 16.
 *
 * A frame draws neighbours only, and the next frame is left to the browser. Every chart that is due gets its turn. A
 * chart that is due again before its turn does not delay the others.
 */
export class Turns<T> {
  readonly #frame: Frame;
  readonly #nowMs: () => number;
  readonly #drawItem: (item: T) => void;
  readonly #waiting = new Set<T>();
  #order: readonly T[] = [];
  /** Where the next turn starts. */
  #at = 0;
  /** Every other frame is enough for the eye. It leaves the browser time to show the frame and to free its memory. */
  #resting = false;
  /** What the charts of this frame will cost after the script. */
  #paintingMs = 0;

  constructor(options: {
    readonly frame: Frame;
    /** For pacing only: `performance.now()`. */
    readonly nowMs: () => number;
    readonly draw: (item: T) => void;
  }) {
    this.#frame = options.frame;
    this.#nowMs = options.nowMs;
    this.#drawItem = options.draw;
  }

  /** In their order on the screen. Other items are not drawn. */
  arrange(items: readonly T[]): void {
    this.#order = items;
    if (this.#waiting.size > 0) this.#frame(this.#run);
  }

  due(item: T): void {
    this.#waiting.add(item);
    this.#frame(this.#run);
  }

  /** A whole item was drawn, with this many points. */
  drewAll(points: number): void {
    this.#paintingMs += PAINTING_MS + points * PAINTING_POINT_MS;
  }

  end(): void {
    this.#order = [];
    this.#waiting.clear();
  }

  readonly #run = (): void => {
    if (this.#resting) {
      this.#resting = false;
      if (this.#waiting.size > 0) this.#frame(this.#run);
      return;
    }
    const first = this.#nextWaiting();
    if (first === -1) return;
    this.#drawFrom(first);
    this.#resting = true;
    this.#frame(this.#run);
  };

  #nextWaiting(): number {
    const next = this.#order.findIndex((item, index) => index >= this.#at && this.#waiting.has(item));
    return next === -1 ? this.#order.findIndex((item) => this.#waiting.has(item)) : next;
  }

  #drawFrom(first: number): void {
    const startedMs = this.#nowMs();
    this.#paintingMs = 0;
    let drawn = 0;
    for (this.#at = first; this.#at < first + NEIGHBOURS; this.#at++) {
      const item = this.#order[this.#at];
      if (item === undefined || !this.#waiting.has(item)) continue;
      if (drawn > 0 && this.#nowMs() - startedMs + this.#paintingMs >= DRAWING_MS) break;
      this.#waiting.delete(item);
      this.#drawItem(item);
      drawn++;
    }
  }
}
