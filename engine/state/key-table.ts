import { keyName } from "../../domain/alert-ids.ts";
import { fnv1a32 } from "../../domain/partition.ts";
import type { Tags } from "../../domain/reading.ts";

const SLOTS_AT_FIRST = 8;

/**
 * Numbers groups from 0, and finds a group by its labels. A new group gets the number that was removed last, so that
 * numbers stay few; without one, the next number.
 */
export class KeyTable {
  readonly #labels: (Tags | undefined)[] = [];
  #free: number[] = [];
  #slots = new Int32Array(SLOTS_AT_FIRST).fill(-1);

  /** Keys have numbers below this. */
  get size(): number {
    return this.#labels.length;
  }

  /** The number of groups. */
  get count(): number {
    return this.#labels.length - this.#free.length;
  }

  labels(key: number): Tags {
    const labels = this.#labels[key];
    if (labels === undefined) throw new RangeError(`no key ${key}`);
    return labels;
  }

  /** Undefined for a number that is free. */
  labelsOrNone(key: number): Tags | undefined {
    return this.#labels[key];
  }

  /** -1 for an unknown group. */
  find(labels: Tags): number {
    return this.#slots[this.#slotOf(labels)] as number;
  }

  /** The group must be new. */
  add(labels: Tags): number {
    const key = this.#free.pop() ?? this.#labels.length;
    this.#labels[key] = labels;
    this.#slots[this.#slotOf(labels)] = key;
    if (this.#labels.length * 2 > this.#slots.length) this.#rehash();
    return key;
  }

  /** Frees the key's number. */
  remove(key: number): void {
    this.#emptySlot(this.#slotOf(this.labels(key)));
    this.#labels[key] = undefined;
    this.#free.push(key);
  }

  *entries(): Iterable<readonly [number, Tags]> {
    for (const [key, labels] of this.#labels.entries()) if (labels !== undefined) yield [key, labels];
  }

  /** The free numbers, in the order of their removal. */
  get free(): readonly number[] {
    return this.#free;
  }

  /** Restores the key with the next number; undefined for a free number. Call `restoreFree` after the last. */
  restoreNext(labels: Tags | undefined): number {
    const key = this.#labels.push(labels) - 1;
    if (labels !== undefined) this.#slots[this.#slotOf(labels)] = key;
    if (this.#labels.length * 2 > this.#slots.length) this.#rehash();
    return key;
  }

  restoreFree(free: Iterable<number>): void {
    this.#free = [...free];
  }

  /** The slot of an equal group, or a free slot for it. */
  #slotOf(labels: Tags): number {
    const mask = this.#slots.length - 1;
    let slot = homeOf(labels, mask);
    for (;;) {
      const key = this.#slots[slot] as number;
      if (key < 0 || areEqual(this.labels(key), labels)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  /** Moves groups behind the slot forward, so that no search ends early at it. */
  #emptySlot(slot: number): void {
    const mask = this.#slots.length - 1;
    let hole = slot;
    for (let next = (slot + 1) & mask; (this.#slots[next] as number) >= 0; next = (next + 1) & mask) {
      const home = homeOf(this.labels(this.#slots[next] as number), mask);
      // Reached from its home without passing the hole, so it can stay.
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      this.#slots[hole] = this.#slots[next] as number;
      hole = next;
    }
    this.#slots[hole] = -1;
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    for (const [key, labels] of this.entries()) this.#slots[this.#slotOf(labels)] = key;
  }
}

function homeOf(labels: Tags, mask: number): number {
  const hash = fnv1a32(keyName(labels));
  return (hash ^ (hash >>> 15)) & mask;
}

function areEqual(a: Tags, b: Tags): boolean {
  const names = Object.keys(a);
  if (Object.keys(b).length !== names.length) return false;
  for (const name of names) if (a[name] !== b[name]) return false;
  return true;
}
