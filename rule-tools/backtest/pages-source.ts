import type { ReadingsExtent, ReadingsPage, ReadingsQuery } from "../../contracts/history.ts";
import { FrameReader } from "../../domain/frame-reader.ts";
import { Arrivals, type ArrivalsOptions } from "./arrivals.ts";
import type { RecordedEntry } from "./backtest.ts";

/** A store of raw readings. */
export interface StoredReadings {
  extent(): Promise<ReadingsExtent | undefined>;
  readings(query: ReadingsQuery): Promise<ReadingsPage>;
}

const SPAN_US_AT_FIRST = 3_600_000_000;
/** The maximum factor by which the span of one query differs from the last. */
const SPAN_CHANGE_MAX = 16;
/** The part of a page that a query aims to fill. */
const FILL = 0.7;

/** Entries from a store, page by page, in order of time. Holds at most two pages in memory. */
export async function* entriesOfPages(
  store: StoredReadings,
  options: ArrivalsOptions & {
    readonly stretch: { readonly fromUs: number | undefined; readonly toUs: number | undefined };
    readonly page: Pick<ReadingsQuery, "limit" | "bytesMax">;
  },
): AsyncGenerator<readonly RecordedEntry[]> {
  const { table, stretch } = options;
  const frames = new FrameReader(table);
  const arrivals = new Arrivals(options);
  for await (const page of pages(store, stretch, options.page)) {
    const entry = frames.read(page);
    if (entry.kind !== "readings") continue;
    const { count, seriesId, atUs, values, texts } = entry;
    for (let i = 0; i < count; i++) {
      const at = atUs[i] as number;
      if (arrivals.mustAdvance(at)) yield* arrivals.advance(at);
      const id = seriesId[i] as number;
      const value = values[i] as number;
      arrivals.addTo(id, at, table.kind(id) === "string" ? (texts[value] as string) : value);
    }
  }
  yield* arrivals.finish();
}

/**
 * Queries consecutive short spans of about one page each, because a store scans the whole span of a query. Queries
 * the next page while the current one is processed.
 */
async function* pages(
  store: StoredReadings,
  stretch: { readonly fromUs: number | undefined; readonly toUs: number | undefined },
  size: Pick<ReadingsQuery, "limit" | "bytesMax">,
): AsyncGenerator<Uint8Array> {
  const extent = await store.extent();
  if (extent === undefined) return;
  const endUs = Math.min(extent.toUs, stretch.toUs ?? extent.toUs);
  let from = { fromUs: Math.max(extent.fromUs, stretch.fromUs ?? extent.fromUs), skip: 0 };
  let spanUs = SPAN_US_AT_FIRST;
  const query = (): { readonly toUs: number; readonly page: Promise<ReadingsPage> } | undefined => {
    if (from.fromUs >= endUs) return undefined;
    const toUs = Math.min(endUs, from.fromUs + spanUs);
    const page = store.readings({ ...from, toUs, ...size });
    // Awaiting the page reports a failure. Until then, it must not count as an unhandled rejection.
    page.catch(() => {});
    return { toUs, page };
  };
  for (let asked = query(); asked !== undefined; ) {
    const { frame, count, next } = await asked.page;
    const reachedUs = next?.fromUs ?? asked.toUs;
    const readUs = Math.max(1, reachedUs - from.fromUs);
    const wantedUs = count === 0 ? Number.POSITIVE_INFINITY : (readUs * FILL * size.limit) / count;
    const most = spanUs * SPAN_CHANGE_MAX;
    spanUs = Math.max(1, Math.round(Math.min(most, Math.max(spanUs / SPAN_CHANGE_MAX, wantedUs))));
    from = next ?? { fromUs: asked.toUs, skip: 0 };
    asked = query();
    if (frame !== undefined) yield frame;
  }
}
