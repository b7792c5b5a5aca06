import type { SeriesTable } from "../../domain/frame-reader.ts";
import type { ReadingValue, Tags } from "../../domain/reading.ts";
import type { RecordedEntry } from "./backtest.ts";
import { ColumnBatch } from "./column-batch.ts";

/** What a device measured at one time. */
export interface RecordedRow {
  readonly device: string;
  readonly atUs: number;
  readonly values: Readonly<Record<string, ReadingValue>>;
}

/** Ticks this far apart leave no time unwatched. */
const TICK_US = 30_000_000;
/** More ticks in one pause would be centuries. */
const TICKS_MAX = 100_000_000;
const ENTRY_READINGS_MAX = 4_096;

/**
 * Entries from rows that have only observation times, in order of time (mostly): each reading is taken as having arrived when
 * it was observed, or at the newest time before it in the recording where that is later. `watched`: ticks are put in where the
 * readings leave more than 30 s, so that absences are noticed as by a gateway that was always up.
 */
export async function* entriesOfRows(
  rows: AsyncIterable<readonly RecordedRow[]> | Iterable<readonly RecordedRow[]>,
  options: { readonly table: SeriesTable; readonly tagsOf: (device: string) => Tags; readonly watched: boolean },
): AsyncGenerator<readonly RecordedEntry[]> {
  const { table, tagsOf, watched } = options;
  const batch = new ColumnBatch(table);
  const tags = new Map<string, Tags>();
  let nowUs = Number.NEGATIVE_INFINITY;
  let sequence = 0;

  const entryNow = (): readonly RecordedEntry[] => {
    const position = { partition: 0, sequence: ++sequence, storedAtUs: nowUs };
    return [{ entry: batch.finish(nowUs), position }];
  };

  for await (const some of rows) {
    for (const { device, atUs, values } of some) {
      if (atUs > nowUs) {
        if (batch.count > 0) yield entryNow();
        if (watched) yield* ticks(nowUs, atUs, () => ++sequence);
        nowUs = atUs;
      } else if (batch.count >= ENTRY_READINGS_MAX) yield entryNow();
      let ofDevice = tags.get(device);
      if (ofDevice === undefined) {
        ofDevice = tagsOf(device);
        tags.set(device, ofDevice);
      }
      for (const metric in values) batch.add(device, metric, ofDevice, atUs, values[metric] as ReadingValue);
    }
  }
  if (batch.count > 0) yield entryNow();
}

function* ticks(fromUs: number, toUs: number, nextSequence: () => number): Iterable<readonly RecordedEntry[]> {
  if (!Number.isFinite(fromUs) || (toUs - fromUs) / TICK_US > TICKS_MAX) return;
  let some: RecordedEntry[] = [];
  for (let atUs = fromUs + TICK_US; atUs < toUs; atUs += TICK_US) {
    some.push({ entry: { kind: "tick" }, position: { partition: 0, sequence: nextSequence(), storedAtUs: atUs } });
    if (some.length < ENTRY_READINGS_MAX) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}
