import type { ReadingValue, Tags } from "../../domain/reading.ts";
import { Arrivals, type ArrivalsOptions } from "./arrivals.ts";
import type { RecordedEntry } from "./backtest.ts";

/** The values of a device at one time. */
export interface RecordedRow {
  readonly device: string;
  /** Rows with equal tags share the object. */
  readonly tags: Tags;
  readonly atUs: number;
  readonly values: Readonly<Record<string, ReadingValue>>;
}

/** Makes entries from rows that have only observation times and are mostly in order. `tags` are added to those of each. */
export async function* entriesOfRows(
  rows: AsyncIterable<readonly RecordedRow[]> | Iterable<readonly RecordedRow[]>,
  options: ArrivalsOptions & { readonly tags: Tags },
): AsyncGenerator<readonly RecordedEntry[]> {
  const arrivals = new Arrivals(options);
  const tagsOf = new Map<Tags, Tags>();
  for await (const some of rows) {
    for (const { device, tags, atUs, values } of some) {
      if (arrivals.mustAdvance(atUs)) yield* arrivals.advance(atUs);
      let all = tagsOf.get(tags);
      if (all === undefined) {
        all = { ...options.tags, ...tags };
        tagsOf.set(tags, all);
      }
      for (const metric in values) arrivals.add(device, metric, all, atUs, values[metric] as ReadingValue);
    }
  }
  yield* arrivals.finish();
}
