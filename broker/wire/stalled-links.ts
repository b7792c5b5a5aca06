import type { Link } from "./link.ts";

/** Time in one turn of the event loop to resume links; the rest waits for the next turn, so that others are answered. */
const WAKE_MS_MAX = 5;
const RATE_WAKE_MS = 20;

export interface StalledLinksOptions {
  readonly hasRoom: (link: Link) => boolean;
  readonly onCount: (count: number) => void;
}

/**
 * The links that the broker has stopped reading from. They are resumed in the order in which they stalled; but those
 * whose messages took long come after the others, so that few heavy clients do not delay many light ones.
 */
export class StalledLinks {
  readonly #options: StalledLinksOptions;
  readonly #links = new Set<Link>();
  #isWaking = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: StalledLinksOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#links.size;
  }

  add(link: Link): void {
    this.#links.add(link);
    this.#options.onCount(this.#links.size);
    if (link.conn.writableNeedDrain) link.conn.once("drain", () => this.wakeSoon());
    if (link.rate.exceeded !== undefined) this.#wakeLater();
    this.wakeSoon();
  }

  delete(link: Link): void {
    if (this.#links.delete(link)) this.#options.onCount(this.#links.size);
  }

  wakeSoon(): void {
    if (this.#isWaking) return;
    this.#isWaking = true;
    setImmediate(() => this.#wake());
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Resumes links that have room. The next flush checks the others. */
  #wake(): void {
    this.#isWaking = false;
    const endMs = performance.now() + WAKE_MS_MAX;
    const heavy: Link[] = [];
    let isLate = false;
    for (const link of [...this.#links]) {
      if (link.isHeavy) heavy.push(link);
      else isLate ||= !this.#resume(link, endMs);
      if (isLate) break;
    }
    for (const link of heavy) {
      if (isLate) break;
      isLate = !this.#resume(link, endMs);
    }
    if (isLate) this.wakeSoon();
    this.#options.onCount(this.#links.size);
  }

  /** Returns false if there is no time left for it. */
  #resume(link: Link, endMs: number): boolean {
    if (!this.#options.hasRoom(link)) return true;
    if (performance.now() > endMs) return false;
    this.#links.delete(link);
    link.resume();
    return true;
  }

  /** For clients that exceed their rate: no acknowledgement wakes them. */
  #wakeLater(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#wake();
      for (const link of this.#links) if (link.rate.exceeded !== undefined) return this.#wakeLater();
    }, RATE_WAKE_MS);
    this.#timer.unref();
  }
}
