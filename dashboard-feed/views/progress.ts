import { endOf, type Position, sequenceOf } from "../common/cursor.ts";

/** How far a view has applied a stream. */
export class Progress {
  head: Position = 0;
  floor: Position = 0;
  loaded = false;
  began: Position = 0;

  /** The view will have all entries from this one on. */
  begin(sequence: number): void {
    this.head = endOf(sequence - 1);
    this.began = this.head;
    this.floor = this.head;
  }

  /** The view has the entry. */
  done(sequence: number): void {
    this.head = endOf(sequence);
  }

  /** The view no longer has a change at this position. */
  forget(position: Position): void {
    if (position > this.floor) this.floor = position;
  }

  /** How many entries after a position the view never had; -1 if it has had all of them. */
  missedSince(position: Position): number {
    const missed = sequenceOf(this.began) - sequenceOf(position);
    return missed > 0 ? missed : -1;
  }
}
