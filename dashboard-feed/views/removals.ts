import type { Series } from "../../domain/reading.ts";
import type { Position } from "../common/cursor.ts";

/** A client that has missed more gets a snapshot. */
const REMOVALS_MAX = 16_384;

export interface Removal {
  /** Its slot or, where the view has groups of slots, its group. */
  readonly slot: number;
  readonly position: Position;
  /** What names the item, as JSON. */
  readonly text: string;
  /** The series of the item. A filter that matches one of them has shown the item. Empty if clients keep it. */
  readonly series: readonly Series[];
}

/** The last items that left a view, oldest first. Their slots may have other items by now. */
export class Removals {
  readonly #kept: Removal[] = [];
  #count = 0;
  /** All removals after this position are kept. */
  #keptAfter: Position = 0;

  /** How many items have left the view so far. */
  get count(): number {
    return this.#count;
  }

  add(removal: Removal): void {
    const at = this.#count % REMOVALS_MAX;
    this.#keptAfter = this.#kept[at]?.position ?? 0;
    this.#kept[at] = removal;
    this.#count++;
  }

  /** The removals after the first `count`; undefined if some of them are no longer kept. */
  since(count: number): readonly Removal[] | undefined {
    if (this.#count - count > REMOVALS_MAX) return undefined;
    const found: Removal[] = [];
    for (let i = count; i < this.#count; i++) found.push(this.#kept[i % REMOVALS_MAX] as Removal);
    return found;
  }

  /** How many items had left the view at a position; undefined if a later removal is no longer kept. */
  countAt(position: Position): number | undefined {
    if (position < this.#keptAfter) return undefined;
    const first = Math.max(0, this.#count - REMOVALS_MAX);
    let count = this.#count;
    while (count > first && (this.#kept[(count - 1) % REMOVALS_MAX]?.position ?? 0) > position) count--;
    return count;
  }
}
