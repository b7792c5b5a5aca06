import type { ReadingValue, Tags } from "../../domain/reading.ts";
import { Arrivals, type ArrivalsOptions } from "./arrivals.ts";
import type { RecordedEntry } from "./backtest.ts";

/** The values of a device at one time. */
export interface RecordedRow {
  readonly device: string;
  readonly atUs: number;
  readonly values: Readonly<Record<string, ReadingValue>>;
}

/** Makes entries from rows that have only observation times and are mostly in order. */
export async function* entriesOfRows(
  rows: AsyncIterable<readonly RecordedRow[]> | Iterable<readonly RecordedRow[]>,
  options: ArrivalsOptions & { readonly tagsOf: (device: string) => Tags },
): AsyncGenerator<readonly RecordedEntry[]> {
  const arrivals = new Arrivals(options);
  const tags = new Map<string, Tags>();
  for await (const some of rows) {
    for (const { device, atUs, values } of some) {
      if (arrivals.mustAdvance(atUs)) yield* arrivals.advance(atUs);
      let ofDevice = tags.get(device);
      if (ofDevice === undefined) {
        ofDevice = options.tagsOf(device);
        tags.set(device, ofDevice);
      }
      for (const metric in values) arrivals.add(device, metric, ofDevice, atUs, values[metric] as ReadingValue);
    }
  }
  yield* arrivals.finish();
}
