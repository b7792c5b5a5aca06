import type { Reading, ReadingValue } from "../../domain/reading.ts";
import { aggregate } from "../simulation/oracle/aggregate.ts";
import { courseOf } from "../simulation/oracle/course.ts";
import type { OracleRule, Span, Taken } from "../simulation/oracle/model.ts";
import { durationUs } from "../simulation/oracle/texts.ts";

/** A window as docs/windows.md defines it, once every reading has arrived. */
export interface PlainWindow extends Span {
  readonly readings: readonly Taken[];
  readonly before: Taken | undefined;
  readonly aggregates: Readonly<Record<string, ReadingValue>>;
}

/** All windows of a key, each computed from all of its readings. */
export function plainWindows(rule: OracleRule, arrived: readonly Reading[]): PlainWindow[] {
  const readings = arrived
    .map(({ atUs, value }, arrival): Taken => ({ atUs, value, arrival, refusedUpToUs: Number.NEGATIVE_INFINITY }))
    .sort((a, b) => a.atUs - b.atUs || a.arrival - b.arrival);
  return spansOf(rule, readings).map((span) => {
    const inside = readings.filter(({ atUs }) => atUs >= span.startUs && atUs < span.endUs);
    const before = readings.filter(({ atUs }) => atUs < span.startUs).at(-1);
    return {
      ...span,
      readings: inside,
      before,
      aggregates: aggregate(rule.aggregate, inside, span, before, courseOf(rule)),
    };
  });
}

function spansOf({ window = {}, fill }: OracleRule, readings: readonly Taken[]): Span[] {
  const { tumbling, hopping, every, sliding, session, count, step = count } = window;
  if (sliding !== undefined)
    return readings.map(({ atUs }) => ({ startUs: atUs + 1 - durationUs(sliding), endUs: atUs + 1 }));
  if (session !== undefined) return sessionsOf(durationUs(session), readings);
  if (count !== undefined) return runsOf(count, step ?? count, readings);
  const sizeUs = durationUs(tumbling ?? hopping ?? "");
  const everyUs = every === undefined ? sizeUs : durationUs(every);
  const starts = new Set<number>();
  for (const { atUs } of readings) {
    const newest = Math.floor(atUs / everyUs) * everyUs;
    for (let startUs = newest; startUs > atUs - sizeUs; startUs -= everyUs) starts.add(startUs);
  }
  const sorted = [...starts].sort((a, b) => a - b);
  const [first = 0, last = 0] = [sorted[0], sorted.at(-1)];
  if (fill !== "last") return sorted.map((startUs) => ({ startUs, endUs: startUs + sizeUs }));
  return Array.from({ length: Math.round((last - first) / sizeUs) + 1 }, (_, i) => {
    return { startUs: first + i * sizeUs, endUs: first + (i + 1) * sizeUs };
  });
}

function sessionsOf(gapUs: number, readings: readonly Taken[]): Span[] {
  const sessions: { startUs: number; endUs: number }[] = [];
  for (const { atUs } of readings) {
    const last = sessions.at(-1);
    if (last !== undefined && atUs < last.endUs) last.endUs = atUs + gapUs;
    else sessions.push({ startUs: atUs, endUs: atUs + gapUs });
  }
  return sessions;
}

/** Each reading has an instant of its own. */
function runsOf(count: number, step: number, readings: readonly Taken[]): Span[] {
  const spans: Span[] = [];
  // The first window ends as soon as there are enough readings, and each other `step` readings later.
  for (let end = count; end <= readings.length; end += step) {
    spans.push({ startUs: readings[end - count]?.atUs ?? 0, endUs: (readings[end - 1]?.atUs ?? 0) + 1 });
  }
  return spans;
}
