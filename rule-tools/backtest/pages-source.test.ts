import { expect, test } from "vitest";
import type { ReadingsQuery } from "../../contracts/history.ts";
import { SeriesTable } from "../../domain/frame-reader.ts";
import { FrameWriter } from "../../domain/frame-writer.ts";
import { kindOf, type Reading } from "../../domain/reading.ts";
import { seeded } from "../../processors/testing/runner-kit.ts";
import { entriesOfPages, type StoredReadings } from "./pages-source.ts";

const HOUR_US = 3_600_000_000;

/** Ordered by time; a plain array takes the place of a store. */
function storeOf(readings: readonly Reading[]) {
  const questions: ReadingsQuery[] = [];
  const store: StoredReadings = {
    async extent() {
      const [first, last] = [readings[0], readings.at(-1)];
      return first && last ? { fromUs: first.atUs, toUs: last.atUs + 1 } : undefined;
    },
    async readings(query) {
      questions.push(query);
      const { fromUs, toUs, skip, limit } = query;
      const found = readings.filter(({ atUs }) => atUs >= fromUs && atUs < toUs).slice(skip);
      const [some, beyond] = [found.slice(0, limit), found[limit]];
      const frame = new FrameWriter();
      for (const { value, atUs, ...series } of some) frame.add({ ...series, kind: kindOf(value) }, atUs, value);
      const atInstant = some.filter(({ atUs }) => atUs === beyond?.atUs).length;
      const before = beyond?.atUs === fromUs ? skip : 0;
      return {
        frame: some.length === 0 ? undefined : frame.finish(0),
        count: some.length,
        next: beyond && { fromUs: beyond.atUs, skip: before + atInstant },
      };
    },
  };
  return { store, questions };
}

async function read(
  readings: readonly Reading[],
  { limit = 100, arrival = "observed" as "observed" | "at-once", fromUs = undefined as number | undefined } = {},
) {
  const table = new SeriesTable();
  const { store, questions } = storeOf(readings);
  const page = { limit, bytesMax: 1_000_000 };
  const stretch = { fromUs, toUs: undefined };
  const all: Reading[] = [];
  const stored: number[] = [];
  let elsewhere = 0;
  for await (const entries of entriesOfPages(store, { table, arrival, watched: false, stretch, page })) {
    for (const { entry, position } of entries) {
      stored.push(position.storedAtUs);
      if (entry.kind !== "readings") continue;
      for (let i = 0; i < entry.count; i++) {
        const { kind, ...series } = table.series(entry.seriesId[i] ?? -1);
        const raw = entry.values[i] ?? Number.NaN;
        const value = kind === "string" ? (entry.texts[raw] ?? "") : kind === "boolean" ? raw === 1 : raw;
        all.push({ ...series, atUs: entry.atUs[i] ?? Number.NaN, value });
        if (position.storedAtUs !== entry.atUs[i]) elsewhere++;
      }
    }
  }
  return { all, questions, stored, elsewhere };
}

/** Dense, sparse and dense again, with an empty year and a thousand readings at one instant. */
function uneven(): Reading[] {
  const random = seeded(5);
  const readings: Reading[] = [];
  let atUs = Date.UTC(2026, 0, 1) * 1000;
  const add = (value: Reading["value"], device = "d") => readings.push({ device, metric: "m", tags: {}, atUs, value });
  for (let i = 0; i < 3_000; i++, atUs += 1_000_000) add(random());
  atUs += 365 * 24 * HOUR_US;
  for (let i = 0; i < 200; i++, atUs += 7 * HOUR_US) add(i % 2 === 0 ? `text ${i}` : i % 3 === 0);
  for (let i = 0; i < 1_000; i++) add(i, `at once ${i}`);
  for (let i = 0; i < 3_000; i++) {
    atUs += 10;
    add(i);
  }
  return readings;
}

test("each reading is returned once and in order, however uneven they are, in a bounded number of queries", async () => {
  const readings = uneven();
  const { all, questions, elsewhere } = await read(readings);
  expect(all).toEqual(readings);
  // Each reading is assumed to arrive when it is observed.
  expect(elsewhere).toBe(0);
  // 72 full pages would hold all readings.
  expect(questions.length).toBeLessThan(300);
  expect((await read(readings, { limit: 7 })).all).toEqual(readings);
});

test("starts at an instant, and reads an empty store", async () => {
  const readings = uneven();
  const fromUs = readings[1_500]?.atUs ?? 0;
  expect((await read(readings, { fromUs })).all).toEqual(readings.slice(1_500));
  expect((await read([])).all).toEqual([]);
});

test("no processing time passes if all readings arrive at once", async () => {
  const readings = uneven();
  const { all, stored } = await read(readings, { arrival: "at-once" });
  expect(all).toEqual(readings);
  expect(new Set(stored)).toEqual(new Set([readings[0]?.atUs]));
});
