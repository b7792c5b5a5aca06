import { grown } from "../../domain/grown.ts";
import type { Accumulators } from "../aggregates/accumulators.ts";
import type { SnapshotReader, SnapshotWriter } from "../state/snapshot-io.ts";

const SUFFIX_BLOCK = 0;
const PREFIX_BLOCK = 1;
/** The last pane in the prefix. */
const PREFIX_PANE = 2;
const STRIDE = 3;

interface PaneRing {
  readonly accumulators: Accumulators;
  /** The pane's record; undefined if it has no readings. */
  recordWith(key: number, pane: number): number | undefined;
  /** The first of the key's records that this cache uses. */
  firstRecord(key: number): number;
}

/**
 * Merges the panes of overlapping windows at a cost that does not depend on their overlap: three merges per window.
 * Blocks of panes are as long as a window, so a window is a suffix of one block and a prefix of the next. The
 * suffixes are merged once per block, and the prefix grows by one pane per window (van Herk, "A fast algorithm for
 * local minimum and maximum filters", 1992).
 */
export class OverlapCache {
  readonly #ring: PaneRing;
  readonly #panes: number;
  #keys: Float64Array = new Float64Array(0);

  /** `panes`: the number of panes in a window. */
  constructor(ring: PaneRing, panes: number) {
    this.#ring = ring;
    this.#panes = panes;
  }

  /** The number of records per key: the suffixes of a block, the prefix of the next, and a merged window. */
  static recordsFor(panes: number): number {
    return panes + 2;
  }

  addKey(key: number): void {
    this.#keys = grown(this.#keys, (key + 1) * STRIDE);
    this.#keys.fill(Number.NaN, key * STRIDE, (key + 1) * STRIDE);
  }

  /** The merged record of the window that ends with this pane. Must be called in the order of windows. */
  close(key: number, lastPane: number): number {
    const panes = this.#panes;
    const firstPane = lastPane - panes + 1;
    const block = Math.floor(lastPane / panes);
    const prefix = this.#extendPrefix(key, block, lastPane);
    if (firstPane === block * panes) return prefix;
    const o = key * STRIDE;
    if (this.#keys[o + SUFFIX_BLOCK] !== block - 1) this.#buildSuffixes(key, block - 1);
    const { accumulators } = this.#ring;
    const merged = this.#merged(key);
    accumulators.clear(merged, 0);
    accumulators.merge(merged, this.#suffix(key, firstPane - (block - 1) * panes));
    accumulators.merge(merged, prefix);
    return merged;
  }

  /** Merges pane by pane, for a window out of order. */
  window(key: number, lastPane: number): number {
    const merged = this.#merged(key);
    this.#ring.accumulators.clear(merged, 0);
    for (let pane = lastPane - this.#panes + 1; pane <= lastPane; pane++) this.#mergePane(key, merged, pane);
    return merged;
  }

  /** Call after a closed pane got a late reading. */
  changed(key: number, pane: number): void {
    const keys = this.#keys;
    const o = key * STRIDE;
    const block = Math.floor(pane / this.#panes);
    if (block === keys[o + SUFFIX_BLOCK]) keys[o + SUFFIX_BLOCK] = Number.NaN;
    if (block === keys[o + PREFIX_BLOCK]) keys[o + PREFIX_BLOCK] = Number.NaN;
  }

  snapshot(to: SnapshotWriter, keyCount: number): void {
    to.doubles(this.#keys.subarray(0, keyCount * STRIDE));
  }

  restore(from: SnapshotReader): void {
    this.#keys = from.doubles();
  }

  #extendPrefix(key: number, block: number, lastPane: number): number {
    const keys = this.#keys;
    const o = key * STRIDE;
    const prefix = this.#ring.firstRecord(key) + this.#panes;
    if (keys[o + PREFIX_BLOCK] !== block) {
      this.#ring.accumulators.clear(prefix, 0);
      keys[o + PREFIX_BLOCK] = block;
      keys[o + PREFIX_PANE] = block * this.#panes - 1;
    }
    for (let pane = (keys[o + PREFIX_PANE] as number) + 1; pane <= lastPane; pane++) this.#mergePane(key, prefix, pane);
    keys[o + PREFIX_PANE] = lastPane;
    return prefix;
  }

  #buildSuffixes(key: number, block: number): void {
    const { accumulators } = this.#ring;
    for (let i = this.#panes - 1; i >= 0; i--) {
      const suffix = this.#suffix(key, i);
      accumulators.clear(suffix, 0);
      this.#mergePane(key, suffix, block * this.#panes + i);
      if (i + 1 < this.#panes) accumulators.merge(suffix, this.#suffix(key, i + 1));
    }
    this.#keys[key * STRIDE + SUFFIX_BLOCK] = block;
  }

  #mergePane(key: number, into: number, pane: number): void {
    const record = this.#ring.recordWith(key, pane);
    if (record !== undefined) this.#ring.accumulators.merge(into, record);
  }

  #suffix(key: number, place: number): number {
    return this.#ring.firstRecord(key) + place;
  }

  #merged(key: number): number {
    return this.#ring.firstRecord(key) + this.#panes + 1;
  }
}
