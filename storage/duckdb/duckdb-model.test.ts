import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Reading } from "../../domain/reading.ts";
import { SeriesTable } from "../../domain/series-table.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { at, readingsBatch } from "../testing/batches.ts";
import { storeDeps, temporaryFolder, testDeps } from "../testing/testing.ts";
import { duckdbSchema } from "./config.ts";
import { openDuckdbStore } from "./duckdb-store.ts";

const T0 = 1_763_769_600_000_000;

const reading = fc.record({
  device: fc.constantFrom("a", "b", "c"),
  metric: fc.constantFrom("t", "u"),
  tags: fc.constantFrom<Record<string, string>>(
    {},
    { site: "north" },
    { site: "south", room: "1" },
    { room: "1", site: "south" },
    { user: "anna" },
    { user: "bert" },
  ),
  atUs: fc.integer({ min: T0, max: T0 + 25 }),
  value: fc.oneof(fc.integer(), fc.boolean(), fc.constantFrom("x", "y", "")),
});
const window = fc.record({
  rule: fc.constantFrom("r", "s"),
  labels: fc.constantFrom<Record<string, string>>({ device: "a" }, { device: "b" }),
  startUs: fc.integer({ min: T0, max: T0 + 3 }),
  endUs: fc.integer({ min: T0 + 10, max: T0 + 13 }),
  text: fc.boolean(),
  revision: fc.integer({ min: 0, max: 3 }),
});
const step = fc.oneof(
  { weight: 5, arbitrary: fc.array(reading, { maxLength: 30 }).map((items) => ({ kind: "readings", items }) as const) },
  { weight: 3, arbitrary: fc.array(window, { maxLength: 12 }).map((items) => ({ kind: "windows", items }) as const) },
  { weight: 1, arbitrary: fc.constantFrom({ kind: "reopen" } as const, { kind: "new names" } as const) },
);

type StoredResult = Omit<WindowResult, "aggregates"> & { readonly text: boolean };

/** A window's values depend on its revision, so that a wrong row shows. */
function withValues({ text, ...window }: StoredResult): WindowResult {
  const value = window.revision + 0.5;
  return { ...window, aggregates: { avg: value, last: text ? `is ${value}` : value } };
}

it("equals a map of first readings and highest revisions, after any sequence of steps", async () => {
  const deps = testDeps();
  const given = storeDeps(deps);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const folder = await temporaryFolder();
      const config = duckdbSchema.parse({ file: join(folder.path, "h.duckdb") });
      const open = () => openDuckdbStore({ ...given, config });
      const readings = new Map<string, string>();
      const windows = new Map<string, StoredResult>();
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
            for (const result of taken.items) {
              const key = `${result.rule} ${result.labels.device} ${result.startUs}`;
              if ((windows.get(key)?.revision ?? 0) <= result.revision) windows.set(key, result);
            }
          }
        }
        await store.close();
        const found = await content(config.file);
        expect(found.readings).toEqual([...readings].map(([key, value]) => `${key} ${value}`).sort());
        expect(found.windows).toEqual([...windows].flatMap(([key, result]) => describeRows(key, result)).sort());
      } finally {
        await store.close();
        await folder.remove();
      }
    }),
    { numRuns: Number(process.env.WEIR_PROPERTY_RUNS ?? 25) },
  );
}, 300_000);

function describeRows(key: string, { endUs, revision, text }: StoredResult): string[] {
  const value = revision + 0.5;
  return [`${key} avg ${endUs} ${revision} ${value} null`].concat(
    `${key} last ${endUs} ${revision} ${text ? `null is ${value}` : `${value} null`}`,
  );
}

function remember(readings: Map<string, string>, { device, metric, tags, atUs, value }: Reading): void {
  const sortedTags = JSON.stringify(Object.fromEntries(Object.entries(tags).sort()));
  const key = `${device} ${metric} ${sortedTags} ${atUs}`;
  if (!readings.has(key)) readings.set(key, `${typeof value} ${Number(value) || value}`);
}

async function content(file: string): Promise<{ readings: string[]; windows: string[] }> {
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  const readings = await connection.runAndReadAll(
    "SELECT device, metric, epoch_us(time), kind, tags, value, text FROM readings",
  );
  const windows = await connection.runAndReadAll(
    `SELECT rule, labels->>'device', epoch_us(start_time), aggregate, epoch_us(end_time), revision, value, text
    FROM windows`,
  );
  connection.closeSync();
  instance.closeSync();
  return {
    readings: readings
      .getRows()
      .map(([device, metric, atUs, kind, tags, value, text]) => {
        const shown = kind === "string" ? text : kind === "boolean" ? Number(value) || false : Number(value);
        return `${device} ${metric} ${tags} ${atUs} ${kind} ${kind === "boolean" && shown === 1 ? 1 : shown}`;
      })
      .sort(),
    windows: windows
      .getRows()
      .map((row) => row.map(String).join(" "))
      .sort(),
  };
}

/** Sessions as a processor emits them: the last result of each start is the valid one. */
it("holds the last result of each start, however often the log is written again from an earlier position", async () => {
  const deps = testDeps();
  const given = storeDeps(deps);
  const result = fc.record({
    rule: fc.constantFrom("r", "s"),
    site: fc.constantFrom("a", "b"),
    startUs: fc.integer({ min: T0, max: T0 + 5 }),
    lengthUs: fc.constantFrom(0, 0, 10, 20, 30),
  });
  const log = fc.array(fc.array(result, { maxLength: 8 }), { minLength: 1, maxLength: 10 });
  const restarts = fc.array(fc.record({ after: fc.nat(10), to: fc.nat(10), reopen: fc.boolean() }), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(log, restarts, async (batches, again) => {
      const folder = await temporaryFolder();
      const config = duckdbSchema.parse({ file: join(folder.path, "h.duckdb") });
      const open = () => openDuckdbStore({ ...given, config });
      const revisions = new Map<string, number>();
      const kept = new Map<string, string[]>();
      const written = batches.map((results) =>
        results.map(({ rule, site, startUs, lengthUs }): WindowResult => {
          const key = `${rule} ${site} ${startUs}`;
          const revision = revisions.get(key) ?? 0;
          revisions.set(key, revision + 1);
          const endUs = startUs + lengthUs;
          const of = (aggregate: string) => `${key} ${aggregate} ${endUs} ${revision} ${revision}`;
          kept.set(key, lengthUs === 0 ? [] : [of("avg"), of("max")]);
          const aggregates: Record<string, number> = lengthUs === 0 ? {} : { avg: revision, max: revision };
          return { rule, labels: { site }, startUs, endUs, revision, aggregates };
        }),
      );
      let store = await open();
      try {
        const play = async (from: number, to: number) => {
          for (let i = from; i < Math.min(to, written.length); i++) {
            await store.write({ stream: "WINDOWS", position: at(i + 1), windows: written[i] ?? [] });
          }
        };
        let done = 0;
        for (const { after, to, reopen } of again) {
          await play(done, after);
          done = Math.min(to, Math.max(done, Math.min(after, written.length)));
          if (!reopen) continue;
          await store.close();
          store = await open();
        }
        await play(done, written.length);
        await store.close();
        const rows = await query(
          config.file,
          `SELECT rule, labels->>'site', epoch_us(start_time), aggregate, epoch_us(end_time), revision, value FROM windows`,
        );
        expect(rows).toEqual([...kept.values()].flat().sort());
      } finally {
        await store.close();
        await folder.remove();
      }
    }),
    { numRuns: Number(process.env.WEIR_PROPERTY_RUNS ?? 25) },
  );
}, 300_000);

async function query(file: string, sql: string): Promise<string[]> {
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  const rows = (await connection.runAndReadAll(sql)).getRows().map((row) => row.map(String).join(" "));
  connection.closeSync();
  instance.closeSync();
  return rows.sort();
}
