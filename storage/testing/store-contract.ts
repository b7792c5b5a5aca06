import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NextPage, ReadingsPage } from "../../contracts/history.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { FrameReader } from "../../domain/frame-reader.ts";
import type { Reading, Series } from "../../domain/reading.ts";
import { kindOf } from "../../domain/reading.ts";
import { SeriesTable } from "../../domain/series-table.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import type { Batch, Position, ReadingColumns, Store } from "../common/store.ts";
import { describeWindowsContract } from "./windows-contract.ts";

/** What a store holds, read by other means than the store's own questions. */
export interface StoreOracle {
  readings(device: string): Promise<readonly Reading[]>;
  /** Those that are valid; aggregates without value are left out. */
  windows(rule: string): Promise<readonly WindowResult[]>;
}

export interface StoreUnderTest {
  readonly store: Store;
  /** The same place, opened anew after `store.close()`. */
  reopen(): Promise<Store>;
  readonly oracle: StoreOracle;
  stop(): Promise<void>;
}

const T0 = 1_763_769_600_000_000;

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

/** What every store does; `open` gives an empty one. */
export function describeStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`the store contract, by ${name}`, () => {
    let tested: StoreUnderTest;
    let store: Store;
    let sequence = 0;
    const table = new SeriesTable();

    beforeAll(async () => {
      tested = await open();
      store = tested.store;
    }, 90_000);
    afterAll(async () => {
      await store?.close();
      await tested?.stop();
    });

    const writeWindows = (windows: readonly WindowResult[], to: number) => {
      sequence = Math.max(sequence, to);
      return store.write({ stream: "WINDOWS", position: at(to), windows });
    };
    const write = (readings: readonly Reading[]) => store.write(readingsBatch(++sequence, readings, table));

    it("starts without positions", async () => {
      expect((await store.position("READINGS")).sequence).toBe(0);
      expect((await store.position("ALERTS")).sequence).toBe(0);
    });

    it("stores numbers, booleans and texts as they are", async () => {
      const readings: Reading[] = [
        { device: "d1", metric: "t", tags: { site: "north" }, atUs: T0 + 1, value: 21.5 },
        { device: "d1", metric: "t", tags: { site: "north" }, atUs: T0 + 2, value: -0.1 },
        { device: "d1", metric: "n", tags: {}, atUs: T0 + 2, value: 1e21 },
        { device: "d1", metric: "n", tags: {}, atUs: T0 + 3, value: 5e-324 },
        { device: "d1", metric: "on", tags: {}, atUs: T0 + 3, value: true },
        { device: "d1", metric: "on", tags: {}, atUs: T0 + 4, value: false },
        { device: "d1", metric: "mode", tags: {}, atUs: T0 + 5, value: 'he said "a\\b", \n twice' },
        { device: "d1", metric: "mode", tags: {}, atUs: T0 + 6, value: "" },
      ];
      const report = await write(readings);
      expect(report).toEqual({ points: 8, duplicates: 0, deadLetters: 0, dropped: 0 });
      expect(sorted(await tested.oracle.readings("d1"))).toEqual(sorted(readings));
    });

    it("stores a reading once, however often and wherever it comes", async () => {
      const one = (atUs: number) => ({ device: "dup", metric: "t", tags: {}, atUs: T0 + atUs, value: atUs }) as Reading;
      await write([one(10), one(20), one(20), one(5), one(5)]);
      await write([one(10), one(30), one(5), one(7)]);
      await write([one(30), one(20), one(7), one(1), one(40)]);
      const kept = sorted(await tested.oracle.readings("dup"));
      expect(kept.map(({ atUs }) => atUs - T0)).toEqual([1, 5, 7, 10, 20, 30, 40]);
      expect(kept.map(({ value }) => value)).toEqual([1, 5, 7, 10, 20, 30, 40]);
    });

    it("keeps several kinds of one metric apart", async () => {
      const mixed: Reading[] = [
        { device: "mixed", metric: "v", tags: {}, atUs: T0 + 1, value: 1 },
        { device: "mixed", metric: "v", tags: {}, atUs: T0 + 2, value: true },
        { device: "mixed", metric: "v", tags: {}, atUs: T0 + 3, value: "one" },
        { device: "mixed", metric: "v", tags: { site: "south" }, atUs: T0 + 4, value: 2 },
      ];
      await write(mixed);
      expect(sorted(await tested.oracle.readings("mixed"))).toEqual(mixed);
    });

    it("answers with the equal buckets of a brute-force count", async () => {
      const readings = Array.from({ length: 500 }, (_, i) => ({
        device: "hist",
        metric: "t",
        tags: {},
        atUs: T0 + i * 1000 + (i % 7),
        value: Math.sin(i) * 50,
      }));
      await write(readings);
      for (const [fromUs, toUs, pointsMax] of [
        [T0, T0 + 500_000, 10],
        [T0 + 3, T0 + 123_457, 7],
        [T0 - 1_000_000, T0 + 1_000_000, 5000],
      ] as const) {
        const answer = await store.series({ device: "hist", metric: "t", fromUs, toUs, pointsMax });
        const expected = bruteForce(readings, { fromUs, toUs, pointsMax });
        expect(answer.atUs).toEqual(expected.map(({ atUs }) => atUs));
        expect(answer.count).toEqual(expected.map(({ values }) => values.length));
        expect(answer.min).toEqual(expected.map(({ values }) => Math.min(...values)));
        expect(answer.max).toEqual(expected.map(({ values }) => Math.max(...values)));
        for (const [i, { values }] of expected.entries()) {
          expect(answer.avg[i]).toBeCloseTo(values.reduce((a, b) => a + b, 0) / values.length, 9);
        }
      }
    });

    it("answers booleans as 0 and 1, texts and unknown sensors with nothing", async () => {
      const question = { fromUs: T0, toUs: T0 + 10, pointsMax: 1 };
      expect(await store.series({ device: "d1", metric: "on", ...question })).toEqual({
        atUs: [T0],
        min: [0],
        max: [1],
        avg: [0.5],
        count: [2],
      });
      const none = { atUs: [], min: [], max: [], avg: [], count: [] };
      expect(await store.series({ device: "d1", metric: "mode", ...question })).toEqual(none);
      expect(await store.series({ device: "o'no\\", metric: "'; drop", ...question })).toEqual(none);
    });

    describeWindowsContract({
      write: (windows) => writeWindows(windows, ++sequence),
      rewrite: writeWindows,
      windows: (rule) => tested.oracle.windows(rule),
      sequence: () => sequence,
      async reopen() {
        await store.close();
        store = await tested.reopen();
      },
    });

    it("stores alert changes once by id, and gives them newest first", async () => {
      const first = alertChange({ id: "a1" });
      const second = alertChange({ id: "a2", from: "firing", state: "resolved", atUs: T0 + 10, value: 7 });
      const evidence = { ...first.evidence, aggregate: "last", value: "open" };
      const sameInstant = alertChange({ id: "a3", incident: "i2", value: "open", evidence });
      await store.write({ stream: "ALERTS", position: at(++sequence), alerts: [first, second] });
      await store.write({ stream: "ALERTS", position: at(++sequence), alerts: [first, sameInstant, first] });
      const all = await store.alerts({ fromUs: T0, toUs: T0 + 100, limit: 10 });
      expect(all).toHaveLength(3);
      expect(all[0]).toEqual(second);
      expect(all.slice(1)).toEqual(expect.arrayContaining([first, sameInstant]));
      expect(await store.alerts({ fromUs: T0, toUs: T0 + 100, limit: 1 })).toEqual([second]);
      expect(await store.alerts({ fromUs: T0, toUs: T0 + 10, limit: 10 })).toHaveLength(2);
      expect(await store.alerts({ fromUs: T0 + 11, toUs: T0 + 100, limit: 10 })).toEqual([]);
    });

    it("keeps strange names apart and whole", async () => {
      const names = [
        "a b",
        "a,b",
        "a=b",
        'a"b',
        "a'b",
        "a\\b",
        "a\\,b",
        "a\\ b",
        "\\",
        "日本 ü",
        "#x",
        "_x",
        "-",
        "a\nb",
        "a\u0000b",
        "\\ ",
        "a\\=",
      ];
      const readings = names.map((text, i) => ({
        device: `strange ${text}`,
        metric: text,
        tags: { [`k${text}`]: text },
        atUs: T0,
        value: i,
      }));
      await write(readings);
      for (const [i, { device, metric }] of readings.entries()) {
        const answer = await store.series({ device, metric, fromUs: T0, toUs: T0 + 1, pointsMax: 1 });
        expect(answer.avg, device).toEqual([i]);
      }
    });

    it("remembers positions and readings when opened anew", async () => {
      const before = await Promise.all((["READINGS", "WINDOWS", "ALERTS"] as const).map((s) => store.position(s)));
      await write([{ device: "d1", metric: "t", tags: { site: "north" }, atUs: T0 + 100, value: 1 }]);
      await store.close();
      store = await tested.reopen();
      expect(await store.position("READINGS")).toEqual(at(sequence));
      expect(await store.position("ALERTS")).toEqual(before[2]);
      await write([
        { device: "d1", metric: "t", tags: { site: "north" }, atUs: T0 + 100, value: 1 },
        { device: "d1", metric: "t", tags: { site: "north" }, atUs: T0 + 101, value: 2 },
        { device: "d1", metric: "t", tags: { site: "north" }, atUs: T0 + 1, value: 21.5 },
      ]);
      const kept = (await tested.oracle.readings("d1")).filter(({ metric }) => metric === "t");
      expect(kept.map(({ atUs }) => atUs - T0).sort((a, b) => a - b)).toEqual([1, 2, 100, 101]);
    });

    it("gives all readings back by time, wherever they are cut into pages", async () => {
      const base = T0 + 3_600_000_000;
      const readings = Array.from({ length: 300 }, (_, i): Reading => {
        // Many at one instant, and more of them than a page takes.
        const atUs = base + (i < 120 ? 5 : i * 1000);
        const value = [i / 3, i % 2 === 0, `text "${i}", \\ ü`][i % 3] ?? 0;
        return {
          device: `back-${i}`,
          metric: `m ${i % 5}`,
          tags: i % 2 === 0 ? { site: "a b", value: "x" } : {},
          atUs,
          value,
        };
      });
      await write([...readings].reverse());
      expect(await store.extent()).toEqual({ fromUs: T0, toUs: base + 299_001 });
      const byDevice = (all: readonly Reading[]) => [...all].sort((a, b) => a.device.localeCompare(b.device));
      for (const limits of [
        { limit: 50_000, bytesMax: 1_000_000 },
        { limit: 50, bytesMax: 1_000_000 },
        { limit: 50_000, bytesMax: 500 },
        { limit: 1, bytesMax: 1 },
      ]) {
        const all = await readBack(store, { fromUs: base, toUs: base + 299_001, ...limits });
        expect(all.every(({ atUs }, i) => i === 0 || atUs >= (all[i - 1]?.atUs ?? 0))).toBe(true);
        expect(byDevice(all)).toEqual(byDevice(readings));
      }
      const part = await readBack(store, { fromUs: base + 6, toUs: base + 299_000, limit: 7, bytesMax: 1_000_000 });
      expect(byDevice(part)).toEqual(byDevice(readings.slice(120, 299)));
      expect(await readBack(store, { fromUs: base - 9, toUs: base, limit: 7, bytesMax: 1_000 })).toEqual([]);
    });

    it("can be closed twice", async () => {
      await store.close();
      await store.close();
      await expect(write([{ device: "x", metric: "x", tags: {}, atUs: T0, value: 1 }])).rejects.toThrow(/closed|open/);
    });
  });
}

async function readBack(
  store: Store,
  query: { readonly fromUs: number; readonly toUs: number; readonly limit: number; readonly bytesMax: number },
): Promise<Reading[]> {
  const table = new SeriesTable();
  const frames = new FrameReader(table);
  const all: Reading[] = [];
  let from: NextPage | undefined = { fromUs: query.fromUs, skip: 0 };
  while (from !== undefined) {
    const { frame, count, next }: ReadingsPage = await store.readings({ ...query, ...from });
    expect(count).toBeLessThanOrEqual(query.limit);
    const entry = frame && frames.read(frame);
    if (entry?.kind === "readings") {
      expect(entry.count).toBe(count);
      for (let i = 0; i < count; i++) {
        const { kind, ...series } = table.series(entry.seriesId[i] ?? -1);
        const raw = entry.values[i] ?? Number.NaN;
        const value = kind === "string" ? (entry.texts[raw] ?? "") : kind === "boolean" ? raw === 1 : raw;
        all.push({ ...series, atUs: entry.atUs[i] ?? Number.NaN, value });
      }
    }
    from = next;
  }
  return all;
}

function sorted(readings: readonly Reading[]): Reading[] {
  return [...readings].sort((a, b) => a.metric.localeCompare(b.metric) || a.atUs - b.atUs);
}

function bruteForce(
  readings: readonly { readonly atUs: number; readonly value: number }[],
  query: { readonly fromUs: number; readonly toUs: number; readonly pointsMax: number },
): { atUs: number; values: number[] }[] {
  const width = Math.ceil((query.toUs - query.fromUs) / query.pointsMax);
  const buckets: { atUs: number; values: number[] }[] = [];
  for (let atUs = query.fromUs; atUs < query.toUs; atUs += width) {
    const end = Math.min(atUs + width, query.toUs);
    const values = readings.filter((r) => r.atUs >= atUs && r.atUs < end).map((r) => r.value);
    if (values.length > 0) buckets.push({ atUs, values });
  }
  return buckets;
}
