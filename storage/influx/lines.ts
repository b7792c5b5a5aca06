import type { SeriesTable } from "../../domain/series-table.ts";
import type { Batch, ReadingColumns } from "../common/store.ts";
import { alertLine, incidentEventLine, readingPrefix, readingValue, windowLine } from "./line-protocol.ts";

/** InfluxDB refuses requests of more than 50 MB. */
const BODY_CHARACTERS_MAX = 8 * 1_048_576;

/** The lines of one batch. They are built again to send a part of the batch separately. */
export interface Lines {
  readonly count: number;
  readonly precision: "us" | "ns";
  /**
   * The lines of the rows `[from, to)`, each with a newline. Empty if none of the rows has a line; undefined if they are
   * too long for one request. One row never is.
   */
  body(from: number, to: number): string | undefined;
  /** How many rows have no line, because their values are not finite numbers. */
  readonly inexpressible: number;
}

/** Writes lines, and caches the beginning of each series' lines. */
export class LineWriter {
  #table: SeriesTable | undefined;
  #prefixes: string[] = [];

  linesOf(batch: Batch): Lines {
    switch (batch.stream) {
      case "READINGS":
        return this.#readingLines(batch.readings);
      case "WINDOWS":
        return listLines("us", batch.windows.map(windowLine));
      case "ALERTS":
        return listLines("ns", batch.alerts.map(alertLine));
      case "NOTIFICATIONS":
        return listLines("ns", batch.events.map(incidentEventLine));
    }
  }

  #readingLines(readings: ReadingColumns): Lines {
    const { count, table, seriesId, atUs, values, texts } = readings;
    const prefixes = this.#prefixesOf(table);
    let inexpressible = 0;
    for (let i = 0; i < count; i++) {
      // Every column can express finite numbers; only number series hold others.
      if (!Number.isFinite(values[i])) inexpressible++;
    }
    function body(from: number, to: number): string | undefined {
      let text = "";
      for (let i = from; i < to; i++) {
        const id = seriesId[i] as number;
        let prefix = prefixes[id];
        if (prefix === undefined) {
          prefix = readingPrefix(table.series(id));
          prefixes[id] = prefix;
        }
        const value = readingValue(table.series(id).kind, values[i] as number, texts);
        if (value !== undefined) text += `${prefix}${value} ${atUs[i]}\n`;
        if (text.length > BODY_CHARACTERS_MAX && to - from > 1) return undefined;
      }
      return text;
    }
    return { count, precision: "us", inexpressible, body };
  }

  #prefixesOf(table: SeriesTable): string[] {
    if (table !== this.#table) {
      this.#table = table;
      this.#prefixes = [];
    }
    return this.#prefixes;
  }
}

function listLines(precision: "us" | "ns", lines: readonly string[]): Lines {
  return {
    count: lines.length,
    precision,
    inexpressible: 0,
    body(from, to) {
      let text = "";
      for (const line of lines.slice(from, to)) {
        text += `${line}\n`;
        if (text.length > BODY_CHARACTERS_MAX && to - from > 1) return undefined;
      }
      return text;
    },
  };
}
