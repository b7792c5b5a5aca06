import type { Position } from "../common/cursor.ts";

const NONE = -1;

/**
 * Numbered slots in the order of their last change, oldest first. A doubly linked list in typed arrays, because every
 * reading moves a slot to the end.
 */
export class ChangeOrder {
  #previous = new Int32Array(256).fill(NONE);
  #next = new Int32Array(256).fill(NONE);
  #position = new Float64Array(256);
  #first = NONE;
  #last = NONE;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The slot with the oldest last change; -1 if no slot has changed. */
  get first(): number {
    return this.#first;
  }

  /** The position of a slot's last change; 0 if it never changed. */
  positionOf(slot: number): Position {
    return this.#position[slot] ?? 0;
  }

  /** Moves the slot to the end. Positions never go backward. */
  touch(slot: number, position: Position): void {
    if (slot >= this.#position.length) this.#grow(slot);
    if (slot !== this.#last) {
      if (this.#position[slot] !== 0) this.#unlink(slot);
      else this.#size++;
      this.#previous[slot] = this.#last;
      this.#next[slot] = NONE;
      if (this.#last === NONE) this.#first = slot;
      else this.#next[this.#last] = slot;
      this.#last = slot;
    }
    this.#position[slot] = position;
  }

  remove(slot: number): void {
    if (this.positionOf(slot) === 0) return;
    this.#unlink(slot);
    this.#position[slot] = 0;
    this.#size--;
  }

  /** The slot with the oldest change after a position; -1 if there is none. Walks back from the end. */
  firstAfter(position: Position): number {
    if (this.#first !== NONE && this.positionOf(this.#first) > position) return this.#first;
    let found = NONE;
    for (let slot = this.#last; slot !== NONE; slot = this.#previous[slot] ?? NONE) {
      if (this.positionOf(slot) <= position) break;
      found = slot;
    }
    return found;
  }

  /** The slots that changed after a position, oldest change first. */
  changedAfter(position: Position): number[] {
    const slots: number[] = [];
    for (let slot = this.#last; slot !== NONE; slot = this.#previous[slot] ?? NONE) {
      if (this.positionOf(slot) <= position) break;
      slots.push(slot);
    }
    return slots.reverse();
  }

  /** The slot with the next change; -1 at the end. */
  next(slot: number): number {
    return this.#next[slot] ?? NONE;
  }

  #unlink(slot: number): void {
    const previous = this.#previous[slot] as number;
    const next = this.#next[slot] as number;
    if (previous === NONE) this.#first = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#last = previous;
    else this.#previous[next] = previous;
  }

  #grow(slot: number): void {
    const size = Math.max(this.#position.length * 2, slot + 1);
    const previous = new Int32Array(size).fill(NONE);
    previous.set(this.#previous);
    this.#previous = previous;
    const next = new Int32Array(size).fill(NONE);
    next.set(this.#next);
    this.#next = next;
    const position = new Float64Array(size);
    position.set(this.#position);
    this.#position = position;
  }
}
