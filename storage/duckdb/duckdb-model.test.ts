import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Reading } from "../../domain/reading.ts";
import { SeriesTable } from "../../domain/series-table.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { storageConfigSchema } from "../config.ts";
import { createStorageEvents } from "../events.ts";
import { at, readingsBatch } from "../store-contract.ts";
import { temporaryFolder, testDeps } from "../testing.ts";
import { openDuckdbStore } from "./duckdb-store.ts";

const T0 = 1_763_769_600_000_000;

const reading = fc.record({
  device: fc.constantFrom("a", "b", "c"),
  metric: fc.constantFrom("t", "u"),
  tags: fc.constantFrom<Record<string, string>>({}, { site: "north" }, { site: "south", room: "1" }),
  atUs: fc.integer({ min: T0, max: T0 + 25 }),
  value: fc.oneof(fc.integer(), fc.boolean(), fc.constantFrom("x", "y", "")),
});
const window = fc.record({
  rule: fc.constantFrom("r", "s"),
  labels: fc.constantFrom<Record<string, string>>({ device: "a" }, { device: "b" }),
  startUs: fc.integer({ min: T0, max: T0 + 3 }),
  endUs: fc.integer({ min: T0 + 10, max: T0 + 13 }),
  revision: fc.integer({ min: 0, max: 3 }),
});
const step = fc.oneof(
  { weight: 5, arbitrary: fc.array(reading, { maxLength: 30 }).map((items) => ({ kind: "readings", items }) as const) },
  { weight: 3, arbitrary: fc.array(window, { maxLength: 12 }).map((items) => ({ kind: "windows", items }) as const) },
  { weight: 1, arbitrary: fc.constantFrom({ kind: "reopen" } as const, { kind: "new names" } as const) },
);

/** A window's value says which revision of it this is, so that a wrong row shows. */
function withValues(window: Omit<WindowResult, "aggregates">): WindowResult {
  return { ...window, aggregates: { avg: window.revision + 0.5, max: window.revision + 0.25 } };
}

it("holds what a map of first readings and highest revisions holds, after any steps", async () => {
  const deps = testDeps();
  const events = createStorageEvents(deps.logger, deps.metrics);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const folder = await temporaryFolder();
      const { duckdb, seriesMax } = storageConfigSchema.parse({ duckdb: { file: join(folder.path, "h.duckdb") } });
      const open = () => openDuckdbStore({ config: duckdb, seriesMax, events });
      const readings = new Map<string, string>();
      const windows = new Map<string, number>();
      let store = await open();
      let table = new SeriesTable();
      try {
        for (const [i, taken] of steps.entries()) {
          if (taken.kind === "reopen") {
            await store.close();
            store = await open();
          } else if (taken.kind === "new names") table = new SeriesTable();
          else if (taken.kind === "readings") {
            const report = await store.write(readingsBatch(i + 1, taken.items, table));
            const before = readings.size;
            for (const item of taken.items) remember(readings, item);
            expect(report.points).toBe(readings.size - before);
            expect(report.points + report.duplicates).toBe(taken.items.length);
          } else {
            await store.write({ stream: "WINDOWS", position: at(i + 1), windows: taken.items.map(withValues) });
            for (const { rule, labels, startUs, endUs, revision } of taken.items) {
              for (const aggregate of ["avg", "max"]) {
                const key = `${rule} ${labels.device} ${startUs} ${endUs} ${aggregate}`;
                windows.set(key, Math.max(windows.get(key) ?? 0, revision));
              }
            }
          }
        }
        await store.close();
        const found = await content(duckdb.file);
        expect(found.readings).toEqual([...readings].map(([key, value]) => `${key} ${value}`).sort());
        expect(found.windows).toEqual([...windows].map(([key, revision]) => `${key} ${revision}`).sort());
      } finally {
        await store.close();
        await folder.remove();
      }
    }),
    { numRuns: Number(process.env.WEIR_PROPERTY_RUNS ?? 25) },
  );
}, 300_000);

function remember(readings: Map<string, string>, { device, metric, tags, atUs, value }: Reading): void {
  const key = `${device} ${metric} ${atUs}`;
  const sortedTags = Object.fromEntries(Object.entries(tags).sort());
  if (!readings.has(key)) readings.set(key, `${typeof value} ${JSON.stringify(sortedTags)} ${Number(value) || value}`);
}

async function content(file: string): Promise<{ readings: string[]; windows: string[] }> {
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  const readings = await connection.runAndReadAll(
    "SELECT device, metric, epoch_us(time), kind, tags, value, text FROM readings",
  );
  const windows = await connection.runAndReadAll(
    `SELECT rule, labels->>'device', epoch_us(start_time), epoch_us(end_time), aggregate, revision, value FROM windows`,
  );
  connection.closeSync();
  instance.closeSync();
  return {
    readings: readings
      .getRows()
      .map(([device, metric, atUs, kind, tags, value, text]) => {
        const shown = kind === "string" ? text : kind === "boolean" ? Number(value) || false : Number(value);
        return `${device} ${metric} ${atUs} ${kind} ${tags} ${kind === "boolean" && shown === 1 ? 1 : shown}`;
      })
      .sort(),
    windows: windows
      .getRows()
      .map(([rule, device, startUs, endUs, aggregate, revision, value]) => {
        expect(value).toBe(Number(revision) + (aggregate === "avg" ? 0.5 : 0.25));
        return `${rule} ${device} ${startUs} ${endUs} ${aggregate} ${revision}`;
      })
      .sort(),
  };
}
