const FIRST_PAUSE_MS = 5_000;
const PAUSE_MS_MAX = 300_000;
/** A node whose data arrives before its birth is usually about to send it. */
const PATIENCE_MS = 1_000;
const PER_SECOND_MAX = 50;
const WAITING_MAX = 20_000;

interface Asked {
  dueMs: number;
  pauseMs: number;
  isWaiting: boolean;
}

/**
 * Which nodes to ask for their births, and when. A node is asked again after 5 s, and then after twice as long each
 * time; its birth forgets that. All nodes together are asked 50 times a second at most: a thousand that come back at
 * once mostly send their births before their turn.
 */
export class Rebirths {
  readonly #asked = new Map<string, Asked>();
  #lastMs = Number.NEGATIVE_INFINITY;

  /** How many wait for their turn. */
  get waiting(): number {
    let count = 0;
    for (const { isWaiting } of this.#asked.values()) if (isWaiting) count++;
    return count;
  }

  /** Returns false if the node waits already, or cannot. */
  want(node: string, nowMs: number): boolean {
    const asked = this.#asked.get(node);
    if (asked?.isWaiting) return false;
    if (asked === undefined && this.#asked.size >= WAITING_MAX) return false;
    if (asked === undefined) {
      this.#asked.set(node, { dueMs: nowMs + PATIENCE_MS, pauseMs: FIRST_PAUSE_MS, isWaiting: true });
    } else asked.isWaiting = true;
    return true;
  }

  /** A birth has arrived, or the node has died: nothing is wanted of it. */
  settle(node: string): void {
    this.#asked.delete(node);
  }

  /** The node to ask now, if there is one. */
  next(nowMs: number): string | undefined {
    if (nowMs - this.#lastMs < 1_000 / PER_SECOND_MAX) return undefined;
    for (const [node, asked] of this.#asked) {
      if (!asked.isWaiting || asked.dueMs > nowMs) continue;
      this.#lastMs = nowMs;
      asked.isWaiting = false;
      asked.dueMs = nowMs + asked.pauseMs;
      asked.pauseMs = Math.min(PAUSE_MS_MAX, asked.pauseMs * 2);
      // Behind all others, which are asked first the next time.
      this.#asked.delete(node);
      this.#asked.set(node, asked);
      return node;
    }
    return undefined;
  }
}
