import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameWriter } from "../../domain/frame-writer.ts";
import type { Tags } from "../../domain/reading.ts";
import { type WindowResult, windowKey } from "../../domain/window-result.ts";
import { encodeWindows } from "../../domain/windows-codec.ts";
import { formatCursor, parseCursor, positionOf } from "../common/cursor.ts";
import { compileFilter } from "../common/filter.ts";
import { makeReadingsView } from "../testing/readings-view.ts";
import { ChangeOrder } from "./change-order.ts";
import { Progress } from "./progress.ts";
import { collect, type StateView } from "./view.ts";
import { WindowsView } from "./windows-view.ts";

const everything = compileFilter({});

/** All items of a view, in the smallest possible pieces. */
function drain(view: StateView, after = 0): { items: unknown[]; pieces: number } {
  const matches = view.matcher(everything);
  const items: unknown[] = [];
  let pieces = 0;
  for (let position = after, more = true; more; pieces++) {
    const batch = collect(view, matches, { after: position, bytesMax: 0 });
    items.push(...(JSON.parse(`[${batch.items}]`) as unknown[]));
    ({ position, more } = batch);
  }
  return { items, pieces };
}

describe("ChangeOrder", () => {
  it("lists slots by their last change, oldest first", () => {
    const step = fc.record({ slot: fc.nat(600), remove: fc.boolean(), ask: fc.nat(40) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const order = new ChangeOrder();
        const oracle = new Map<number, number>();
        for (const [i, { slot, remove, ask }] of steps.entries()) {
          oracle.delete(slot);
          if (remove) order.remove(slot);
          else {
            order.touch(slot, i + 1);
            oracle.set(slot, i + 1);
          }
          expect(order.size).toBe(oracle.size);
          const found: number[] = [];
          for (let each = order.firstAfter(ask); each >= 0; each = order.next(each)) found.push(each);
          expect(found).toEqual([...oracle].filter(([, at]) => at > ask).map(([each]) => each));
        }
      }),
    );
  });
});

describe("cursors", () => {
  it("survive formatting and parsing", () => {
    const scope = { channel: "windows", logId: () => "a1b2" } as const;
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 37 - 1 }), fc.nat(65_535), (sequence, row) => {
        const position = positionOf(sequence, row);
        expect(parseCursor(scope, formatCursor(scope, position))).toBe(position);
      }),
    );
    const bad = ["", "windows:", "windows:a1b2.1", "alerts:a1b2.1.0", "windows:a1b2.1.99999", "windows:a1b2.-1.0"];
    for (const cursor of [...bad, "windows:a1b2.1e3.0", "windows:1.0", "windows:other.1.0"]) {
      expect(parseCursor(scope, cursor), cursor).toBeUndefined();
    }
  });
});

describe("WindowsView", () => {
  const result = fc.record({
    rule: fc.constantFrom("a", "b"),
    labels: fc.constantFrom({ device: "1" }, { device: "2", site: "x" }),
    start: fc.nat(12),
    revision: fc.nat(3),
  });

  it("holds the newest revision of the last windows of each rule and group", () => {
    const frames = fc.array(fc.array(result, { minLength: 1, maxLength: 4 }), { maxLength: 30 });
    fc.assert(
      fc.property(frames, (all) => {
        const perSeries = 3;
        const view = makeWindowsView({ windowsPerSeries: perSeries });
        const oracle = new Map<string, Map<number, WindowResult>>();
        for (const [i, frame] of all.entries()) {
          const results = frame.map(({ rule, labels, start, revision }) => ({
            rule,
            labels,
            startUs: start * 10,
            endUs: start * 10 + 10,
            revision,
            aggregates: { avg: i },
          }));
          applyFrame(view, { sequence: i + 1, lastInput: i + 1 }, results);
          for (const each of results) {
            const series = oracle.get(windowKey(each)) ?? new Map<number, WindowResult>();
            oracle.set(windowKey(each), series);
            if ((series.get(each.startUs)?.revision ?? -1) <= each.revision) series.set(each.startUs, each);
            const starts = [...series.keys()].sort((a, b) => a - b);
            for (const start of starts.slice(0, -perSeries)) series.delete(start);
          }
        }
        const expected = [...oracle.values()].flatMap((series) => [...series.values()]);
        const { items } = drain(view);
        expect(sorted(items)).toEqual(sorted(expected));
      }),
    );
  });

  it("skips frames and parts that are already applied, for each partition", () => {
    let repeats = 0;
    const view = makeWindowsView({ onRepeat: () => repeats++ });
    const at = (startUs: number) => [
      { rule: "a", labels: { device: "1" }, startUs, endUs: startUs + 1, revision: 0, aggregates: { avg: 1 } },
    ];
    applyFrame(view, { sequence: 1, lastInput: 5, part: 0, parts: 2 }, at(1));
    applyFrame(view, { sequence: 2, lastInput: 5, part: 1, parts: 2 }, at(2));
    applyFrame(view, { sequence: 3, lastInput: 5, part: 0, parts: 2 }, at(3));
    applyFrame(view, { sequence: 4, lastInput: 5, part: 1, parts: 2 }, at(4));
    applyFrame(view, { sequence: 5, lastInput: 4 }, at(5));
    applyFrame(view, { sequence: 6, lastInput: 4, partition: 1 }, at(6));
    expect(repeats).toBe(3);
    expect(drain(view).items).toMatchObject([{ startUs: 1 }, { startUs: 2 }, { startUs: 6 }]);
  });

  it("holds a bounded number in total, and knows that it dropped some", () => {
    const view = makeWindowsView({ windowsMax: 10 });
    for (let i = 1; i <= 25; i++) {
      const labels = { device: `d${i}` };
      applyFrame(view, { sequence: i, lastInput: i }, [
        { rule: "a", labels, startUs: i, endUs: i + 1, revision: 0, aggregates: { avg: 1 } },
      ]);
    }
    expect(drain(view).items.map((item) => (item as WindowResult).startUs)).toEqual([
      16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    ]);
    expect(view.floor).toBe(positionOf(15, 0));
  });

  it("can be read in pieces, from anywhere, without losing a row", () => {
    const view = makeWindowsView({});
    const rows = Array.from({ length: 5 }, (_, i) => i);
    for (let frame = 1; frame <= 4; frame++) {
      applyFrame(
        view,
        { sequence: frame, lastInput: frame },
        rows.map((row) => ({
          rule: "a",
          labels: { device: String(row) },
          startUs: frame,
          endUs: frame + 1,
          revision: 0,
          aggregates: { avg: row },
        })),
      );
    }
    const all = drain(view);
    expect(all.items).toHaveLength(20);
    expect(all.pieces).toBe(20);
    for (let seen = 0; seen <= 20; seen++) {
      const position = seen === 0 ? 0 : positionOf(Math.ceil(seen / 5), (seen - 1) % 5);
      expect(drain(view, position).items).toEqual(all.items.slice(seen));
    }
  });
});

describe("ReadingsView", () => {
  it("holds the newest value of each series, in any order of arrival", () => {
    const one = fc.record({
      device: fc.nat(2),
      site: fc.nat(2),
      metric: fc.nat(2),
      at: fc.nat(50),
      kind: fc.nat(2),
      value: fc.nat(99),
    });
    fc.assert(
      fc.property(fc.array(fc.array(one, { maxLength: 6 }), { maxLength: 20 }), (frames) => {
        const view = makeReadingsView();
        const newest = new Map<string, { atUs: number; value: unknown }>();
        const counts = new Map<string, number>();
        for (const [i, frame] of frames.entries()) {
          const writer = new FrameWriter();
          for (const { device, site, metric, at, kind, value } of frame) {
            const kinds = ["number", "boolean", "string"] as const;
            const tags: Tags = site === 0 ? {} : { site: `s${site}` };
            const series = { device: `d${device}`, metric: `m${metric}`, tags, kind: kinds[kind] ?? "number" };
            const owner = JSON.stringify([series.device, tags]);
            const actual = [value, value % 2 === 0, `text ${value}`][kind] ?? 0;
            writer.add(series, at, actual);
            counts.set(owner, (counts.get(owner) ?? 0) + 1);
            const key = `${owner} ${series.metric} ${kind}`;
            const before = newest.get(key);
            if (before === undefined || before.atUs < at) newest.set(key, { atUs: at, value: actual });
          }
          view.apply({ subject: "readings.0", sequence: i + 1, storedAtUs: 0, payload: writer.finish(7) });
        }
        const items = drain(view).items as { atUs: number; value: unknown }[];
        const plain = items.map(({ atUs, value }) => ({ atUs, value }));
        expect(sorted(plain)).toEqual(sorted([...newest.values()]));
        const devices = drain(view.devices).items as { device: string; tags: Tags; readings: number }[];
        expect(devices).toHaveLength(counts.size);
        expect(
          new Map(devices.map(({ device, tags, readings }) => [JSON.stringify([device, tags]), readings])),
        ).toEqual(counts);
      }),
    );
  });

  it("counts the late readings and the duplicates of each device of a name", () => {
    const view = makeReadingsView();
    const writer = new FrameWriter();
    for (const user of ["anna", "bert"]) {
      writer.add({ device: "phone", metric: "batt", tags: { user }, kind: "number" }, 1, 1);
    }
    view.apply({ subject: "readings.0", sequence: 1, storedAtUs: 0, payload: writer.finish(7) });
    view.devices.note({ "phone{user=bert}": { lateApplied: 1, lateDropped: 2, duplicates: 3 } });
    expect(drain(view.devices).items).toMatchObject([
      { device: "phone", tags: { user: "anna" }, readings: 1 },
      { device: "phone", tags: { user: "bert" }, readings: 1, lateApplied: 1, lateDropped: 2, duplicates: 3 },
    ]);
    expect(drain(view.devices).items[0]).not.toHaveProperty("duplicates");
  });

  it("says how many metrics of a device it leaves out", () => {
    const view = makeReadingsView();
    const writer = new FrameWriter();
    for (let i = 0; i < 260; i++) writer.add({ device: "d", metric: `m${i}`, tags: {}, kind: "number" }, 1, i);
    view.apply({ subject: "readings.0", sequence: 1, storedAtUs: 0, payload: writer.finish(7) });
    const [item] = drain(view.devices).items as { metrics: object; metricsOmitted: number }[];
    expect(Object.keys(item?.metrics ?? {})).toHaveLength(250);
    expect(item?.metricsOmitted).toBe(10);
  });

  it("leaves out and counts what does not fit", () => {
    const overflows: string[] = [];
    const view = makeReadingsView({ seriesMax: 4, devicesMax: 2, onOverflow: (what) => overflows.push(what) });
    const writer = new FrameWriter();
    const add = (device: string, metric: string) => writer.add({ device, metric, tags: {}, kind: "number" }, 1, 1);
    for (const metric of ["1", "2"]) for (const device of ["a", "b", "c"]) add(device, metric);
    add("a", "3");
    view.apply({ subject: "readings.0", sequence: 1, storedAtUs: 0, payload: writer.finish(7) });
    expect(drain(view).items).toHaveLength(4);
    expect(overflows).toEqual(["devices", "devices", "series"]);
  });
});

function makeWindowsView(options: Partial<ConstructorParameters<typeof WindowsView>[0]>): WindowsView {
  return new WindowsView({
    progress: new Progress(),
    windowsPerSeries: 100,
    windowsMax: 1_000,
    onRepeat: () => {},
    ...options,
  });
}

function applyFrame(
  view: WindowsView,
  frame: { sequence: number; lastInput: number; partition?: number; part?: number; parts?: number },
  results: readonly WindowResult[],
): void {
  const { sequence, ...head } = frame;
  const payload = encodeWindows({ partition: 0, part: 0, parts: 1, firstInput: 1, ...head, results });
  view.apply({ subject: "windows.0", sequence, storedAtUs: 0, payload });
}

function sorted(items: readonly unknown[]): string[] {
  return items.map((item) => JSON.stringify(item)).sort();
}
