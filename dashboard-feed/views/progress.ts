import { endOf, type Position, sequenceOf } from "../common/cursor.ts";

/** How far a view has applied a stream. */
export class Progress {
  head: Position = 0;
  floor: Position = 0;
  loaded = false;
  began: Position = 0;

  /** All entries from this one on will be in the view. */
  begin(sequence: number): void {
    this.head = endOf(sequence - 1);
    this.began = this.head;
    this.floor = this.head;
  }

  /** The entry is in the view. */
  done(sequence: number): void {
    this.head = endOf(sequence);
  }

  /** A change at this position is no longer in the view. */
  forget(position: Position): void {
    if (position > this.floor) this.floor = position;
  }

  /** How many entries after a position were never in the view; -1 when the view has had all of them. */
  missedSince(position: Position): number {
    const missed = sequenceOf(this.began) - sequenceOf(position);
    return missed > 0 ? missed : -1;
  }
}
