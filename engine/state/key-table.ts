import { keyName } from "../../domain/alert-ids.ts";
import { fnv1a32 } from "../../domain/partition.ts";
import type { Tags } from "../../domain/reading.ts";

const SLOTS_AT_FIRST = 8;

/** Numbers groups from 0 in order of first appearance, and finds a group by its labels. */
export class KeyTable {
  readonly #labels: Tags[] = [];
  #slots = new Int32Array(SLOTS_AT_FIRST).fill(-1);

  get size(): number {
    return this.#labels.length;
  }

  labels(key: number): Tags {
    const labels = this.#labels[key];
    if (labels === undefined) throw new RangeError(`no key ${key}`);
    return labels;
  }

  /** -1 for an unknown group. */
  find(labels: Tags): number {
    return this.#slots[this.#slotOf(labels)] as number;
  }

  /** The group must be new. */
  add(labels: Tags): number {
    const key = this.#labels.push(labels) - 1;
    this.#slots[this.#slotOf(labels)] = key;
    if (this.#labels.length * 2 > this.#slots.length) this.#rehash();
    return key;
  }

  entries(): Iterable<readonly [number, Tags]> {
    return this.#labels.entries();
  }

  /** The slot of an equal group, or a free slot for it. */
  #slotOf(labels: Tags): number {
    const mask = this.#slots.length - 1;
    const hash = fnv1a32(keyName(labels));
    let slot = (hash ^ (hash >>> 15)) & mask;
    for (;;) {
      const key = this.#slots[slot] as number;
      if (key < 0 || areEqual(this.#labels[key] as Tags, labels)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    for (const [key, labels] of this.#labels.entries()) this.#slots[this.#slotOf(labels)] = key;
  }
}

function areEqual(a: Tags, b: Tags): boolean {
  const names = Object.keys(a);
  if (Object.keys(b).length !== names.length) return false;
  for (const name of names) if (a[name] !== b[name]) return false;
  return true;
}
