import { type Accumulators, DIRTY, REVISION } from "../aggregates/accumulators.ts";
import type { SnapshotReader } from "../state/snapshot-io.ts";
import { ARRIVED, NEWEST, OWN } from "./key-clocks.ts";
import { SIZES_RETAINED } from "./windows.ts";

const STRIDE = OWN + 4;

/** A pane with readings, or one that was emitted without. */
export interface OldPane {
  readonly startUs: number;
  readonly record: number;
  readonly revision: number;
  readonly isDirty: boolean;
  /** Undefined: no readings. */
  readonly lastUs: number | undefined;
}

export interface OldFilledKey {
  readonly newestUs: number;
  readonly arrivedUs: number;
  readonly correctByUs: number;
  /** Earliest first. */
  readonly panes: readonly OldPane[];
  /** The newest reading before the panes; its time is that of its window. */
  readonly left: { readonly atUs: number; readonly value: number | string } | undefined;
}

interface OldLeft {
  readonly startUs: number;
  readonly last: number | string;
}

/**
 * Reads the state of filled windows as it was when they were kept like other tumbling windows: a ring of records for
 * each key. The records keep their numbers in `accumulators`.
 */
export function readOldFilled(
  from: SnapshotReader,
  accumulators: Accumulators,
  { sizeUs, latenessUs }: { readonly sizeUs: number; readonly latenessUs: number },
): OldFilledKey[] {
  const clocks = from.doubles();
  accumulators.restore(from);
  const ring = Math.ceil((latenessUs + (SIZES_RETAINED + 1) * sizeUs) / sizeUs);
  return Array.from({ length: clocks.length / STRIDE }, (_, key) => {
    const o = key * STRIDE;
    const left = from.value<OldLeft | null>();
    return {
      newestUs: clocks[o + NEWEST] as number,
      arrivedUs: clocks[o + ARRIVED] as number,
      correctByUs: clocks[o + OWN] as number,
      panes: panesOf(accumulators, key * ring, ring),
      left: left === null ? undefined : { atUs: left.startUs, value: left.last },
    };
  });
}

function panesOf(accumulators: Accumulators, first: number, ring: number): OldPane[] {
  const panes: OldPane[] = [];
  for (let record = first; record < first + ring; record++) {
    const startUs = accumulators.startUs(record);
    if (Number.isNaN(startUs)) continue;
    const cell = record * accumulators.stride;
    panes.push({
      startUs,
      record,
      revision: accumulators.cells[cell + REVISION] as number,
      isDirty: accumulators.cells[cell + DIRTY] === 1,
      lastUs: accumulators.lastPoint(record)?.atUs,
    });
  }
  return panes.sort((a, b) => a.startUs - b.startUs);
}
