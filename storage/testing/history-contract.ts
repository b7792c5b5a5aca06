import { expect, it } from "vitest";
import type { AlertCursor, AlertsPage, AlertsQuery, NextPage, ReadingsPage } from "../../contracts/history.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { FrameReader } from "../../domain/frame-reader.ts";
import type { Reading } from "../../domain/reading.ts";
import { SeriesTable } from "../../domain/series-table.ts";
import type { StoreHistory } from "../common/store.ts";
import { alertChange, T0 } from "./batches.ts";
import type { Given } from "./given.ts";
import { bucketsOf } from "./series-contract.ts";

/** How every store with a history answers; part of the store contract, on the same store. */
export function describeHistoryContract(given: Given & { history(): StoreHistory }): void {
  it("returns the buckets that a brute-force count finds", async () => {
    const readings = Array.from({ length: 500 }, (_, i) => ({
      device: "hist",
      metric: "t",
      tags: {},
      atUs: T0 + i * 1000 + (i % 7),
      value: Math.sin(i) * 50,
    }));
    await given.write(readings);
    for (const [fromUs, toUs, pointsMax] of [
      [T0, T0 + 500_000, 10],
      [T0 + 3, T0 + 123_457, 7],
      [T0 - 1_000_000, T0 + 1_000_000, 5000],
    ] as const) {
      const answer = bucketsOf(await given.history().series({ device: "hist", metric: "t", fromUs, toUs, pointsMax }));
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

  it("returns booleans as 0 and 1, and nothing for texts and unknown sensors", async () => {
    const question = { fromUs: T0, toUs: T0 + 10, pointsMax: 1 };
    const series = async (device: string, metric: string) =>
      bucketsOf(await given.history().series({ device, metric, ...question }));
    expect(await series("d1", "on")).toEqual({ atUs: [T0], min: [0], max: [1], avg: [0.5], count: [2] });
    const none = { atUs: [], min: [], max: [], avg: [], count: [] };
    expect(await series("d1", "mode")).toEqual(none);
    expect(await series("o'no\\", "'; drop")).toEqual(none);
  });

  it("keeps strange names distinct and complete", async () => {
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
    await given.write(readings);
    for (const [i, { device, metric }] of readings.entries()) {
      const answer = await given.history().series({ device, metric, fromUs: T0, toUs: T0 + 1, pointsMax: 1 });
      expect(bucketsOf(answer).avg, device).toEqual([i]);
    }
  });

  it("returns all readings by time, whatever the page size", async () => {
    const base = T0 + 3_600_000_000;
    const readings = Array.from({ length: 300 }, (_, i): Reading => {
      // Many at one instant, more than fit on a page.
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
    await given.write([...readings].reverse());
    expect(await given.history().extent()).toEqual({ fromUs: T0, toUs: base + 299_001 });
    const byDevice = (all: readonly Reading[]) => [...all].sort((a, b) => a.device.localeCompare(b.device));
    for (const limits of [
      { limit: 50_000, bytesMax: 1_000_000 },
      { limit: 50, bytesMax: 1_000_000 },
      { limit: 50_000, bytesMax: 500 },
      { limit: 1, bytesMax: 1 },
    ]) {
      const all = await readBack(given.history(), { fromUs: base, toUs: base + 299_001, ...limits });
      expect(all.every(({ atUs }, i) => i === 0 || atUs >= (all[i - 1]?.atUs ?? 0))).toBe(true);
      expect(byDevice(all)).toEqual(byDevice(readings));
    }
    const part = await readBack(given.history(), {
      fromUs: base + 6,
      toUs: base + 299_000,
      limit: 7,
      bytesMax: 1_000_000,
    });
    expect(byDevice(part)).toEqual(byDevice(readings.slice(120, 299)));
    expect(await readBack(given.history(), { fromUs: base - 9, toUs: base, limit: 7, bytesMax: 1_000 })).toEqual([]);
  });

  it("returns one reading for each instant of a series, although several kinds of value came", async () => {
    const base = T0 + 3_000_000_000;
    const reading = (value: Reading["value"]) => ({ device: "kinds", metric: "v", tags: {}, atUs: base, value });
    await given.write([reading("text"), reading(true)]);
    await given.write([reading(4)]);
    const page = { limit: 10, bytesMax: 1_000_000 };
    expect(await readBack(given.history(), { fromUs: base, toUs: base + 1, ...page })).toHaveLength(1);
    const states = await given
      .history()
      .states({ device: "kinds", metric: "v", fromUs: base, toUs: base + 1, limit: 9 });
    expect(states.kind === "found" && states.runs).toHaveLength(1);
  });

  it("returns alert changes newest first", async () => {
    const first = alertChange({ id: "a1" });
    const second = alertChange({ id: "a2", from: "firing", state: "resolved", atUs: T0 + 10, value: 7 });
    const evidence = { ...first.evidence, aggregate: "last", value: "open" };
    const sameInstant = alertChange({ id: "a3", incident: "i2", value: "open", evidence });
    await given.writeAlerts([first, second]);
    await given.writeAlerts([first, sameInstant, first]);
    const ask = (query: AlertsQuery) => given.history().alerts(query);
    expect(await ask({ fromUs: T0, toUs: T0 + 100, limit: 10 })).toEqual({
      changes: [second, sameInstant, first],
      next: null,
    });
    const page = await ask({ fromUs: T0, toUs: T0 + 100, limit: 1 });
    expect(page).toEqual({ changes: [second], next: { atUs: second.atUs, id: "a2" } });
    expect((await ask({ fromUs: T0, toUs: T0 + 10, limit: 10 })).changes).toHaveLength(2);
    expect(await ask({ fromUs: T0 + 11, toUs: T0 + 100, limit: 10 })).toEqual({ changes: [], next: null });
    expect((await ask({ fromUs: T0, toUs: T0 + 100, limit: 2 })).next).toEqual({ atUs: T0, id: "a3" });
  });

  it("returns every alert change once across pages, even when many change at one instant", async () => {
    const base = T0 + 7_200_000_000;
    const changes = [
      ...Array.from({ length: 60 }, (_, i) => alertChange({ id: `now-${i}`, incident: `p${i % 7}`, atUs: base + 5 })),
      ...Array.from({ length: 20 }, (_, i) => alertChange({ id: `later-${i}`, incident: "p1", atUs: base + 6 + i })),
      ...Array.from({ length: 20 }, (_, i) =>
        alertChange({ id: `before-${i}`, incident: "p2", atUs: base + (i >> 2) }),
      ),
    ].map((change, i) => ({ ...change, key: { device: `d${i}` } }));
    await given.writeAlerts(changes);
    const order = (some: readonly AlertChange[]) =>
      [...some].sort((a, b) => b.atUs - a.atUs || (a.id < b.id ? 1 : -1)).map(({ id }) => id);
    for (const limit of [1, 7, 60, 100, 1_000]) {
      const pages = await pagesOf((after) =>
        given.history().alerts({ fromUs: base, toUs: base + 100, limit, ...after }),
      );
      expect(pages.flat().map(({ id }) => id)).toEqual(order(changes));
      expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true);
    }
    const part = await pagesOf((after) =>
      given.history().alerts({ fromUs: base + 3, toUs: base + 6, limit: 9, ...after }),
    );
    expect(part.flat().map(({ id }) => id)).toEqual(
      order(changes.filter(({ atUs }) => atUs >= base + 3 && atUs < base + 6)),
    );
    const incident = await given.history().incident({ incident: "p1" });
    expect(incident.changes.map(({ id }) => id)).toEqual(order(changes.filter((change) => change.incident === "p1")));
    const [, second] = incident.changes;
    const { atUs = 0, id = "" } = second ?? {};
    const rest = await given.history().incident({ incident: "p1", after: { atUs, id } });
    expect(rest.changes).toEqual(incident.changes.slice(2));
    expect(await given.history().incident({ incident: "o'no\\" })).toEqual({ changes: [], next: null });
  });

  it("returns large alert changes in pages that are not", async () => {
    const base = T0 + 9_000_000_000;
    const changes = Array.from({ length: 30 }, (_, i) =>
      alertChange({ id: `large-${10 + i}`, atUs: base + i, annotations: { summary: "long".repeat(75_000) } }),
    );
    await given.writeAlerts(changes);
    const pages = await pagesOf((after) =>
      given.history().alerts({ fromUs: base, toUs: base + 100, limit: 10_000, ...after }),
    );
    expect(pages.length).toBeGreaterThan(1);
    expect(pages.flat()).toEqual(changes.reverse());
  });
}

async function pagesOf(
  ask: (after: { after?: AlertCursor }) => Promise<AlertsPage>,
): Promise<(readonly AlertChange[])[]> {
  const pages: (readonly AlertChange[])[] = [];
  for (let after: AlertCursor | null | undefined; after !== null; ) {
    const { changes, next }: AlertsPage = await ask(after === undefined ? {} : { after });
    pages.push(changes);
    after = next;
  }
  return pages;
}

async function readBack(
  history: StoreHistory,
  query: { readonly fromUs: number; readonly toUs: number; readonly limit: number; readonly bytesMax: number },
): Promise<Reading[]> {
  const table = new SeriesTable();
  const frames = new FrameReader(table);
  const all: Reading[] = [];
  let from: NextPage | undefined = { fromUs: query.fromUs, skip: 0 };
  while (from !== undefined) {
    const { frame, count, next }: ReadingsPage = await history.readings({ ...query, ...from });
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
