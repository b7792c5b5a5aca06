import { at } from "../../domain/at.ts";
import type { SeriesTable } from "../../domain/series-table.ts";
import type { Batch, ReadingColumns } from "./store.ts";

/** The largest encoded series: a key of InfluxDB holds no more, and names of this size help nobody. */
export const SERIES_BYTES_MAX = 65_536;

/** A series that no store gets: the lane sets its readings aside. */
export function isTooLarge(table: SeriesTable, id: number): boolean {
  return table.encoded(id).length > SERIES_BYTES_MAX;
}

export function rowsOf(batch: Batch): number {
  switch (batch.stream) {
    case "READINGS":
      return batch.readings.count;
    case "WINDOWS":
      return batch.windows.length;
    case "ALERTS":
      return batch.alerts.length;
    case "NOTIFICATIONS":
      return batch.events.length;
  }
}

/** The rows `[from, to)`, without copies. */
export function partOf(batch: Batch, from: number, to: number): Batch {
  switch (batch.stream) {
    case "READINGS": {
      const { seriesId, atUs, values, ...others } = batch.readings;
      const readings = {
        ...others,
        count: to - from,
        seriesId: seriesId.subarray(from, to),
        atUs: atUs.subarray(from, to),
        values: values.subarray(from, to),
      };
      return { ...batch, readings };
    }
    case "WINDOWS":
      return { ...batch, windows: batch.windows.slice(from, to) };
    case "ALERTS":
      return { ...batch, alerts: batch.alerts.slice(from, to) };
    case "NOTIFICATIONS":
      return { ...batch, events: batch.events.slice(from, to) };
  }
}

/** A row as JSON, for a dead letter. */
export function rowText(batch: Batch, row: number): string {
  switch (batch.stream) {
    case "READINGS":
      return readingText(batch.readings, row);
    case "WINDOWS":
      return JSON.stringify(batch.windows[row]);
    case "ALERTS":
      return JSON.stringify(batch.alerts[row]);
    case "NOTIFICATIONS":
      return JSON.stringify(batch.events[row]);
  }
}

export function readingText(
  { table, seriesId, atUs, values, texts }: Omit<ReadingColumns, "count">,
  row: number,
): string {
  const { kind, ...series } = table.series(at(seriesId, row));
  const number = at(values, row);
  const value = kind === "string" ? texts[number] : kind === "boolean" ? number === 1 : number;
  return JSON.stringify({ ...series, atUs: at(atUs, row), value });
}
