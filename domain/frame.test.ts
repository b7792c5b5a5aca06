import { fileURLToPath } from "node:url";
import fc from "fast-check";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import { BadFrameError, FrameReader, SeriesTable, storedBefore } from "./frame-reader.ts";
import { encodeGone, encodeRuleSet, encodeTick, FrameSeries, FrameWriter } from "./frame-writer.ts";
import { kindOf, type ReadingValue, type Series } from "./reading.ts";

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => fileURLToPath(new URL(`proto/${target}`, import.meta.url));
const LogEntry = root.loadSync("weir/v1/log.proto").lookupType("weir.v1.LogEntry");

interface Sample {
  readonly device: string;
  readonly metric: string;
  readonly tags: Record<string, string>;
  readonly atUs: number;
  readonly value: ReadingValue;
  readonly clockAhead: boolean;
  readonly aheadUs: number;
}

const text = fc.string({ unit: "grapheme", maxLength: 12 });
const sample: fc.Arbitrary<Sample> = fc.record({
  device: fc.constantFrom("a", "b", "dévice-3", "x".repeat(40)),
  metric: fc.constantFrom("temperature", "on", "mode"),
  tags: fc.dictionary(fc.constantFrom("site", "room", "line"), text, { maxKeys: 3, noNullPrototype: true }),
  atUs: fc.integer({ min: -(2 ** 51), max: 2 ** 51 }),
  value: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), text),
  clockAhead: fc.boolean(),
  aheadUs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2 ** 50 })),
});

function write(samples: readonly Sample[], receivedAtUs: number, writer = new FrameWriter()): Uint8Array {
  for (const { device, metric, tags, atUs, value, clockAhead, aheadUs } of samples) {
    writer.add({ device, metric, tags, kind: kindOf(value) }, atUs, value, clockAhead);
    if (aheadUs > 0) writer.noteAhead(aheadUs);
  }
  expect(writer.count).toBe(samples.length);
  const bound = writer.bytes;
  const bytes = writer.finish(receivedAtUs);
  expect(bytes.length).toBeLessThanOrEqual(bound);
  return bytes;
}

function read(bytes: Uint8Array, reader = new FrameReader(new SeriesTable())): Sample[] {
  const entry = reader.read(bytes);
  if (entry.kind !== "readings") throw new Error(entry.kind);
  const stored = storedBefore(entry);
  return Array.from({ length: entry.count }, (_, i) => {
    const series = reader.table.series(entry.seriesId[i] as number);
    const number = entry.values[i] as number;
    const value =
      series.kind === "number" ? number : series.kind === "boolean" ? number === 1 : (entry.texts[number] as string);
    const { device, metric, tags } = series;
    const atUs = entry.atUs[i] as number;
    const clockAhead = entry.clockAhead.includes(i);
    return { device, metric, tags, atUs, value, clockAhead, aheadUs: atUs - (stored.get(i) ?? atUs) };
  });
}

test("reads what was written, even with a reused writer and reader", () => {
  const writer = new FrameWriter();
  const reader = new FrameReader(new SeriesTable());
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 60 }), (samples) => {
      expect(read(write(samples, 1, writer), reader)).toEqual(samples);
    }),
  );
});

test("a Protobuf library reads the same from the schema", () => {
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 40 }), (samples) => {
      const decoded = LogEntry.toObject(LogEntry.decode(write(samples, 1_763_769_600_000_123)), {
        longs: Number,
        defaults: true,
        arrays: true,
      });
      const { readings } = decoded;
      expect(readings.receivedAtUs).toBe(1_763_769_600_000_123);
      const ahead: number[] = readings.observedAhead;
      const pairs = new Map(ahead.flatMap((row, i) => (i % 2 === 0 ? [[row, ahead[i + 1] ?? 0] as const] : [])));
      let atUs = 0;
      const cursors = { 1: 0, 2: 0, 3: 0 };
      const columns = { 1: readings.numbers, 2: readings.booleans, 3: readings.strings };
      const seen = readings.seriesIndex.map((index: number, i: number) => {
        const series = readings.series[index];
        atUs += readings.atUsDelta[i];
        const kind = series.kind as 1 | 2 | 3;
        return {
          device: series.device,
          metric: series.metric,
          tags: Object.fromEntries(series.tags.map((tag: { name: string; value: string }) => [tag.name, tag.value])),
          atUs,
          value: columns[kind][cursors[kind]++],
          clockAhead: readings.clockAhead.includes(i),
          aheadUs: pairs.get(i) ?? 0,
        };
      });
      expect(seen).toEqual(samples);
    }),
  );
});

test("reads a frame from a Protobuf library, with fields in any order of tags", () => {
  const series = [
    { device: "d", metric: "m", kind: 1, tags: [{ name: "site", value: "s" }] },
    { device: "d", metric: "m", kind: 1, tags: [{ name: "site", value: "s" }] },
  ];
  const bytes = LogEntry.encode(
    LogEntry.create({ readings: { series, seriesIndex: [0, 1], atUsDelta: [10, -3], numbers: [1.5, 2.5] } }),
  ).finish();
  expect(read(bytes).map(({ atUs, value }) => [atUs, value])).toEqual([
    [10, 1.5],
    [7, 2.5],
  ]);
});

test("series keep their numbers over many frames", () => {
  const reader = new FrameReader(new SeriesTable());
  const fleet: Series[] = Array.from({ length: 5000 }, (_, i) => ({
    device: `device-${i}`,
    metric: "m",
    tags: {},
    kind: "number",
  }));
  const writer = new FrameWriter();
  for (let round = 0; round < 3; round++) {
    for (const series of fleet) writer.add(series, round, round);
    reader.read(writer.finish(0));
  }
  expect(reader.table.size).toBe(fleet.length);
  expect(reader.table.series(4321)).toEqual(fleet[4321]);
});

test("a series kept by the caller keeps no index of an earlier frame, or of another writer", () => {
  const reader = new FrameReader(new SeriesTable());
  const [one, two] = [new FrameWriter(), new FrameWriter()];
  const [a, b] = ["a", "b"].map((device) => new FrameSeries({ device, metric: "m", tags: {}, kind: "number" }));
  if (a === undefined || b === undefined) throw new Error("no series");
  function devices(writer: FrameWriter): string[] {
    const entry = reader.read(writer.finish(0));
    if (entry.kind !== "readings") throw new Error(entry.kind);
    return Array.from({ length: entry.count }, (_, i) => reader.table.series(entry.seriesId[i] ?? -1).device);
  }
  one.addTo(a, 1, 1);
  one.addTo(b, 1, 1);
  two.addTo(b, 1, 1);
  one.addTo(b, 2, 1);
  one.addTo(a, 2, 1);
  expect(devices(one)).toEqual(["a", "b", "b", "a"]);
  expect(devices(two)).toEqual(["b"]);
  one.addTo(b, 3, 1);
  one.addTo(b, 4, 1);
  expect(devices(one)).toEqual(["b", "b"]);
});

test("an undone addition of any kind leaves no trace", () => {
  const samples = fc.array(sample, { maxLength: 30 });
  const writer = new FrameWriter();
  fc.assert(
    fc.property(samples, samples, samples, (before, undone, after) => {
      const series = new Map<string, Series>();
      function addAll(to: FrameWriter, all: readonly Sample[]): void {
        for (const { device, metric, tags, atUs, value, clockAhead } of all) {
          const kind = kindOf(value);
          const key = JSON.stringify([device, metric, kind, Object.entries(tags).sort()]);
          const known = series.get(key) ?? { device, metric, tags, kind };
          series.set(key, known);
          to.add(known, atUs, value, clockAhead);
        }
      }
      addAll(writer, before);
      const { bytes } = writer;
      writer.mark();
      addAll(writer, undone);
      writer.undo();
      expect([writer.count, writer.bytes]).toEqual([before.length, bytes]);
      addAll(writer, after);
      const found = read(writer.finish(5));
      const expected = new FrameWriter();
      addAll(expected, [...before, ...after]);
      expect(found).toEqual(read(expected.finish(5)));
      // A mark ends with its frame.
      addAll(writer, undone);
      writer.undo();
      expect(writer.count).toBe(0);
    }),
  );
});

test("undoing removes no series from another writer's frame", () => {
  const [one, two] = [new FrameWriter(), new FrameWriter()];
  const series = new FrameSeries({ device: "d", metric: "m", tags: {}, kind: "number" });
  one.mark();
  one.addTo(series, 1, 1);
  two.addTo(series, 1, 1);
  const bytes = two.bytes;
  one.undo();
  two.addTo(series, 2, 2);
  expect(two.bytes - bytes).toBeLessThan(20);
});

test("the bound of a frame of texts is close", () => {
  const writer = new FrameWriter();
  const series = new FrameSeries({ device: "d", metric: "m", tags: {}, kind: "string" });
  for (let i = 0; i < 100; i++) writer.addTo(series, i, "x".repeat(1_000));
  const bound = writer.bytes;
  expect(bound - writer.finish(0).length).toBeLessThan(1_000);
});

test("ticks and rule sets", () => {
  const reader = new FrameReader(new SeriesTable());
  expect(reader.read(encodeTick())).toEqual({ kind: "tick" });
  const ruleSet = { version: "abc", rulesJson: '[{"id":"é"}]' };
  expect(reader.read(encodeRuleSet(ruleSet))).toEqual({ kind: "rule_set", ...ruleSet });
});

test("damaged bytes are refused, never misread as more readings", () => {
  const whole = write(
    [1, 2, 3].map((value) => ({
      device: "d",
      metric: "m",
      tags: {},
      atUs: value,
      value,
      clockAhead: false,
      aheadUs: 0,
    })),
    5,
  );
  const reader = new FrameReader(new SeriesTable());
  expect(() => reader.read(new Uint8Array())).toThrow(BadFrameError);
  for (let length = 1; length < whole.length; length++) {
    expect(() => reader.read(whole.slice(0, length)), `cut at ${length}`).toThrow(BadFrameError);
  }
});

test("a value of a different kind than its series is refused", () => {
  const writer = new FrameWriter();
  const series: Series = { device: "d", metric: "m", tags: {}, kind: "number" };
  expect(() => writer.add(series, 1, "12")).toThrow("m is a number, got string");
  expect(writer.count).toBe(0);
});

test("devices that are gone", () => {
  const devices = [
    { device: "edge-1", tags: { site: "north", group: "plant" } },
    { device: "é", tags: {} },
  ];
  expect(new FrameReader(new SeriesTable()).read(encodeGone(devices))).toEqual({ kind: "gone", devices });
});
