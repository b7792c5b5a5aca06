import type { Channel } from "../../contracts/feed/protocol.ts";

/**
 * A place in the log, down to the row of an entry, as one sortable number: sequence * 65536 + row. Exact up to
 * sequence 2^37. Rows beyond the last share its number.
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

const CURSOR = /^([a-z]+):([a-z0-9]{1,16})\.(\d{1,12})\.(\d{1,5})$/;

/** A position is only valid for its own log: in another log it would mean another place. */
export interface CursorScope {
  readonly channel: Channel;
  readonly logId: () => string;
}

export function formatCursor({ channel, logId }: CursorScope, position: Position): string {
  return `${channel}:${logId()}.${sequenceOf(position)}.${position % ROWS_MAX}`;
}

/**
 * Undefined unless it is a cursor of this channel and log: it may be invented, or come from another version or
 * gateway.
 */
export function parseCursor({ channel, logId }: CursorScope, cursor: string): Position | undefined {
  const found = CURSOR.exec(cursor);
  if (found === null || found[1] !== channel || found[2] !== logId()) return undefined;
  const sequence = Number(found[3]);
  const row = Number(found[4]);
  return sequence < 2 ** 37 && row < ROWS_MAX ? positionOf(sequence, row) : undefined;
}
