import type { RecordedRow } from "./recording.ts";

interface Cursor {
  readonly batches: AsyncIterator<readonly RecordedRow[]>;
  readonly order: number;
  rows: readonly RecordedRow[];
  at: number;
}

/**
 * The rows of several recordings by event time, so that their devices advance together. Keeps the order within each
 * recording, even where its times go backward.
 */
export async function* mergeByTime(
  recordings: readonly AsyncIterable<readonly RecordedRow[]>[],
): AsyncGenerator<RecordedRow> {
  const heap: Cursor[] = [];
  const cursors: Cursor[] = [];
  try {
    for (const [order, recording] of recordings.entries()) {
      const cursor: Cursor = { batches: recording[Symbol.asyncIterator](), order, rows: [], at: 0 };
      cursors.push(cursor);
      if (await refill(cursor)) siftUp(heap, cursor);
    }
    for (let first = heap[0]; first !== undefined; first = heap[0]) {
      const row = first.rows[first.at];
      if (row !== undefined) yield row;
      first.at += 1;
      if (first.at < first.rows.length || (await refill(first))) siftDown(heap);
      else {
        const last = heap.pop();
        if (last !== undefined && last !== first) {
          heap[0] = last;
          siftDown(heap);
        }
      }
    }
  } finally {
    for (const { batches } of cursors) await batches.return?.();
  }
}

async function refill(cursor: Cursor): Promise<boolean> {
  const { done, value } = await cursor.batches.next();
  cursor.rows = done === true ? [] : value;
  cursor.at = 0;
  return cursor.rows.length > 0;
}

function before(a: Cursor, b: Cursor): boolean {
  const difference = (a.rows[a.at]?.atUs ?? 0) - (b.rows[b.at]?.atUs ?? 0);
  return difference === 0 ? a.order < b.order : difference < 0;
}

function siftUp(heap: Cursor[], cursor: Cursor): void {
  let i = heap.push(cursor) - 1;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || before(above, cursor)) break;
    heap[i] = above;
    i = parent;
  }
  heap[i] = cursor;
}

function siftDown(heap: Cursor[]): void {
  const cursor = heap[0];
  if (cursor === undefined) return;
  let i = 0;
  for (;;) {
    const left = heap[2 * i + 1];
    const right = heap[2 * i + 2];
    if (left === undefined) break;
    const [child, at] = right !== undefined && before(right, left) ? [right, 2 * i + 2] : [left, 2 * i + 1];
    if (before(cursor, child)) break;
    heap[i] = child;
    i = at;
  }
  heap[i] = cursor;
}
