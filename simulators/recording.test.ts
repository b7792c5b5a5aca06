import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { WORST_MS_MAX, WORST_TEXTS } from "../test/worst-texts.ts";
import { replayConfig } from "./config.ts";
import { readRecording } from "./recording.ts";

const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

test("cells of 250,000 characters parse in linear time", async () => {
  const folder = await mkdtemp(join(tmpdir(), "weir-recording-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "recording.csv");
  const cells = WORST_TEXTS.map(([, text]) => `"${text.replaceAll('"', '""')}"`);
  const rows = cells.flatMap((cell) => [`1700000000,d,${cell}`, `${cell},d,1`]);
  await writeFile(path, ["ts,device,m", ...rows, "1700000000,d,+2.5e1"].join("\n"));
  const { columns } = replayConfig.parse({ url: "mqtt://x", paths: [path], columns: { device: { column: "device" } } });
  const counts = { rowsUnreadable: 0, rowsEmpty: 0 };
  const startedMs = performance.now();
  const values = [];
  for await (const batch of readRecording(path, columns, counts)) values.push(...batch.map((row) => row.values.m));
  expect(performance.now() - startedMs).toBeLessThan(WORST_MS_MAX * cells.length);
  expect(values).toHaveLength(WORST_TEXTS.length + 1);
  expect(values.at(-1)).toBe(25);
  expect(counts.rowsUnreadable).toBe(WORST_TEXTS.length);
});

test("columns of tags tell apart what has one device and one time; an empty cell is no tag", async () => {
  const folder = await mkdtemp(join(tmpdir(), "weir-recording-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "meter.csv");
  await writeFile(path, ["ts,phase,site,power", "1700000000000,L1,north,5", "1700000000000,L2,,7", ""].join("\n"));
  const { columns } = replayConfig.parse({ paths: [path], columns: { tags: ["phase", "site"] } });
  const rows = [];
  for await (const batch of readRecording(path, columns, { rowsUnreadable: 0, rowsEmpty: 0 })) rows.push(...batch);
  const common = { device: "meter", atUs: 1_700_000_000_000_000 };
  expect(rows).toEqual([
    { ...common, tags: { phase: "L1", site: "north" }, values: { power: 5 } },
    { ...common, tags: { phase: "L2" }, values: { power: 7 } },
  ]);
});

test.each([
  ["iso", "2024-01-02T03:04:05.123456Z", 1_704_164_645_123_456],
  ["iso", "2024-01-02 03:04:05.1234567", 1_704_164_645_123_456],
  ["iso", "2024-01-02T03:04:05.000001+01:00", 1_704_161_045_000_001],
  ["iso", "2024-01-02T03:04:05Z", 1_704_164_645_000_000],
  ["s", "1704164645.123456", 1_704_164_645_123_456],
  ["ms", "1704164645123.456", 1_704_164_645_123_456],
  ["us", "1704164645123456", 1_704_164_645_123_456],
  ["ns", "1704164645123456999", 1_704_164_645_123_456],
])("times are exact to the microsecond: %s %s", async (unit, text, atUs) => {
  const folder = await mkdtemp(join(tmpdir(), "weir-recording-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "d.csv");
  await writeFile(path, `ts,m\n"${text}",5\n`);
  const time = { column: "ts", ...(unit === "iso" ? {} : { unit }) };
  const { columns } = replayConfig.parse({ paths: [path], columns: { time } });
  const rows = [];
  for await (const batch of readRecording(path, columns, { rowsUnreadable: 0, rowsEmpty: 0 })) rows.push(...batch);
  expect(rows.map((row) => row.atUs)).toEqual([atUs]);
});

test("a number that no double can hold makes its row unreadable, as live", async () => {
  const folder = await mkdtemp(join(tmpdir(), "weir-recording-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "d.csv");
  await writeFile(path, "ts,m\n1700000000000,1e999\n1700000001000,-1e999\n1700000002000,1e308\n");
  const { columns } = replayConfig.parse({ paths: [path], columns: {} });
  const counts = { rowsUnreadable: 0, rowsEmpty: 0 };
  const values = [];
  for await (const batch of readRecording(path, columns, counts)) values.push(...batch.map((row) => row.values.m));
  expect(values).toEqual([1e308]);
  expect(counts.rowsUnreadable).toBe(2);
});
