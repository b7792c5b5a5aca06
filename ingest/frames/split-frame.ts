import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import { FrameWriter } from "../../domain/frame-writer.ts";
import type { ReadingValue, ValueKind } from "../../domain/reading.ts";

/** A frame as two, each with half of its readings, in order. Undefined if it has a single reading. */
export function splitFrame(payload: Uint8Array): readonly [Uint8Array, Uint8Array] | undefined {
  const reader = new FrameReader(new SeriesTable());
  const entry = reader.read(payload);
  if (entry.kind !== "readings" || entry.count < 2) return undefined;
  const { receivedAtUs, seriesId, atUs, values, texts } = entry;
  const clockAhead = new Set(entry.clockAhead);
  const half = (from: number, to: number) => {
    const writer = new FrameWriter();
    for (let i = from; i < to; i++) {
      const series = reader.table.series(seriesId[i] ?? 0);
      const value = valueAt(series.kind, values[i] ?? 0, texts);
      writer.add(series, atUs[i] ?? 0, value, clockAhead.has(i));
    }
    return writer.finish(receivedAtUs);
  };
  const middle = Math.ceil(entry.count / 2);
  return [half(0, middle), half(middle, entry.count)];
}

function valueAt(kind: ValueKind, value: number, texts: readonly string[]): ReadingValue {
  if (kind === "number") return value;
  return kind === "boolean" ? value === 1 : (texts[value] ?? "");
}
