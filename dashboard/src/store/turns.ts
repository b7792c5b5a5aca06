import type { Frame } from "./frame.ts";

/** Charts are drawn for so long per frame; the others have their turn in the next ones. */
const DRAWING_MS = 8;
/**
 * So many neighbours per frame: a browser without a GPU copies all that lies between the first and the last that
 * changed, so that two charts far apart cost as much as all of them.
 */
const NEIGHBOURS = 18;
/** What the browser paints after a new picture was drawn: without a GPU, about so much for each, and for each point. */
const PAINTING_MS = 0.5;
const PAINTING_POINT_MS = 0.001;

/** Things on the screen that take turns to be drawn, so that drawing all of them never holds up the page. */
export interface Turns<T> {
  /** As they stand on the screen. What is not among them is not drawn. */
  arrange(items: readonly T[]): void;
  due(item: T): void;
  /** One of them was drawn as a whole, of so many points. */
  drewAnew(points: number): void;
  end(): void;
}

export function createTurns<T>(options: {
  readonly frame: Frame;
  /** For pacing only: `performance.now()`. */
  readonly nowMs: () => number;
  readonly draw: (item: T) => void;
}): Turns<T> {
  const { frame, nowMs, draw } = options;
  const waiting = new Set<T>();
  let order: readonly T[] = [];
  /** Whose turn it is next. */
  let at = 0;
  /** Every other frame is enough for the eye: the browser has time to show what was drawn, and to take its memory back. */
  let resting = false;
  /** What charts of this frame will cost after the script is done. */
  let paintingMs = 0;

  function run(): void {
    if (resting) {
      resting = false;
      if (waiting.size > 0) frame(run);
      return;
    }
    const first = nextWaiting();
    if (first === -1) return;
    drawFrom(first);
    resting = true;
    frame(run);
  }

  function nextWaiting(): number {
    const next = order.findIndex((item, index) => index >= at && waiting.has(item));
    return next === -1 ? order.findIndex((item) => waiting.has(item)) : next;
  }

  function drawFrom(first: number): void {
    const startedMs = nowMs();
    paintingMs = 0;
    let drawn = 0;
    for (at = first; at < first + NEIGHBOURS; at++) {
      const item = order[at];
      if (item === undefined || !waiting.has(item)) continue;
      if (drawn > 0 && nowMs() - startedMs + paintingMs >= DRAWING_MS) break;
      waiting.delete(item);
      draw(item);
      drawn++;
    }
  }

  return {
    arrange(items) {
      order = items;
      if (waiting.size > 0) frame(run);
    },
    due(item) {
      waiting.add(item);
      frame(run);
    },
    drewAnew(points) {
      paintingMs += PAINTING_MS + points * PAINTING_POINT_MS;
    },
    end() {
      order = [];
      waiting.clear();
    },
  };
}
