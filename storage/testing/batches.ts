import type { AlertChange } from "../../domain/alert.ts";
import { kindOf, type Reading, type Series } from "../../domain/reading.ts";
import { SeriesTable } from "../../domain/series-table.ts";
import type { Batch, Position, ReadingColumns } from "../common/store.ts";

export const T0 = 1_763_769_600_000_000;

/** The readings in columns, as a lane passes them. */
function columnsOf(readings: readonly Reading[], table = new SeriesTable()): ReadingColumns {
  const texts: string[] = [];
  const columns = {
    count: readings.length,
    table,
    seriesId: new Uint32Array(readings.length),
    atUs: new Float64Array(readings.length),
    values: new Float64Array(readings.length),
    texts,
  };
  for (const [i, { device, metric, tags, atUs, value }] of readings.entries()) {
    const series: Series = { device, metric, tags, kind: kindOf(value) };
    columns.seriesId[i] = table.idOf(series);
    columns.atUs[i] = atUs;
    columns.values[i] = typeof value === "string" ? texts.push(value) - 1 : Number(value);
  }
  return columns;
}

/** The position of a message. */
export function at(sequence: number): Position {
  return { sequence, storedAtUs: T0 + sequence };
}

export function readingsBatch(sequence: number, readings: readonly Reading[], table?: SeriesTable): Batch {
  return { stream: "READINGS", position: at(sequence), readings: columnsOf(readings, table) };
}

export function alertChange(partial: Partial<AlertChange> & { readonly id: string }): AlertChange {
  return {
    incident: "i1",
    rule: "warm",
    severity: "critical",
    from: "pending",
    state: "firing",
    key: { device: "cold-1" },
    labels: { device: "cold-1", team: "facilities" },
    annotations: { summary: "cold-1 at 9.5 degC" },
    atUs: T0,
    processedAtUs: T0 + 5,
    activeAtUs: T0 - 60_000_000,
    value: 9.5,
    notify: ["ops"],
    evidence: {
      window: { startUs: T0 - 60_000_000, endUs: T0 },
      aggregate: "avg",
      value: 9.5,
      condition: "> 8",
      watermarkUs: T0,
      input: { partition: 3, sequence: 42 },
    },
    ...partial,
  };
}
