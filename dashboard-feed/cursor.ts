import type { Channel } from "./protocol.ts";

/**
 * A place in the log, down to the row of an entry, as one number that sorts: sequence * 65536 + row. Exact up to
 * sequence 2^37. Rows beyond the last share it.
 */
export type Position = number;

export const ROWS_MAX = 65_536;

/** Before the first row of the first entry. */
export const START: Position = 0;

export function positionOf(sequence: number, row: number): Position {
  return sequence * ROWS_MAX + Math.min(row, ROWS_MAX - 1);
}

/** After the last row of an entry. */
export function endOf(sequence: number): Position {
  return sequence * ROWS_MAX + ROWS_MAX - 1;
}

export function sequenceOf(position: Position): number {
  return Math.floor(position / ROWS_MAX);
}

const CURSOR = /^([a-z]+):(\d{1,12})\.(\d{1,5})$/;

export function formatCursor(channel: Channel, position: Position): string {
  return `${channel}:${sequenceOf(position)}.${position % ROWS_MAX}`;
}

/** Undefined when it is no cursor of this channel: from another version, or made up. */
export function parseCursor(channel: Channel, cursor: string): Position | undefined {
  const found = CURSOR.exec(cursor);
  if (found === null || found[1] !== channel) return undefined;
  const sequence = Number(found[2]);
  const row = Number(found[3]);
  return sequence < 2 ** 37 && row < ROWS_MAX ? positionOf(sequence, row) : undefined;
}
