import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DeadLetter } from "../domain/dead-letter.ts";
import { decodeDeadLetter } from "../domain/dead-letter-codec.ts";
import type { Reading } from "../domain/reading.ts";
import { encodeWindows } from "../domain/windows-codec.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import type { Log } from "../platform/log/port.ts";
import type { Service } from "../platform/service.ts";
import { type StorageConfig, storageConfigSchema } from "./config.ts";
import { startStorage } from "./storage.ts";
import { alertChange } from "./testing/batches.ts";
import { eventually, frameOf, type TestDeps, temporaryFolder, testDeps } from "./testing/testing.ts";

const T0 = 1_763_769_600_000_000;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let file: string;
let log: Log;
let deps: TestDeps;
let service: Service | undefined;

beforeEach(async () => {
  folder = await temporaryFolder();
  file = join(folder.path, "history.duckdb");
  log = createMemoryLog({ nowUs: () => Date.now() * 1000 });
});
afterEach(async () => {
  await service?.stop();
  service = undefined;
  await folder.remove();
});

async function start(duckdb: object = {}): Promise<void> {
  deps = testDeps({ log });
  const config: StorageConfig = storageConfigSchema.parse({
    stores: [{ duckdb: { file, ...duckdb } }],
    linger: "50ms",
  });
  service = await startStorage(config, deps);
}

async function stop(): Promise<void> {
  await service?.stop();
  service = undefined;
}

async function sql(text: string): Promise<readonly (readonly unknown[])[]> {
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  const rows = (await connection.runAndReadAll(text)).getRowsJS();
  connection.closeSync();
  instance.closeSync();
  return rows;
}

async function letters(count: number): Promise<readonly DeadLetter[]> {
  await eventually(`${count} dead letters`, async () => (await log.bounds("DEADLETTERS")).messages === count, 60_000);
  const found: DeadLetter[] = [];
  const reader = log.read({ stream: "DEADLETTERS", from: { kind: "first" } });
  for await (const messages of reader) {
    for (const { payload } of messages) found.push(decodeDeadLetter(payload));
    if (found.length >= count) break;
  }
  await reader.close();
  return found;
}

const stored = (count: number) =>
  eventually(
    `${count} points are stored`,
    async () => (await deps.figure("weir_storage_points_total")) === count,
    60_000,
  );

function reading(n: number, value: Reading["value"] = n): Reading {
  return { device: "d", metric: "m", tags: {}, atUs: T0 + n, value };
}

const append = (readings: readonly Reading[]) => log.append({ subject: "readings.0", payload: frameOf(readings) });
const payloadOf = ({ payload }: DeadLetter): unknown => JSON.parse(new TextDecoder().decode(payload));

describe("rows that no store can hold", () => {
  it("do not end the store: names of 250 KB are set aside, before and after a restart", async () => {
    const long = (i: number) => ({ ...reading(i), device: `${i}-${"x".repeat(250_000)}` });
    for (let i = 0; i < 400; i++) await append([long(i), reading(i)]);
    await start({ memory_max: "64MiB" });
    await stored(400);
    const [first] = await letters(400);
    expect(first).toMatchObject({ reason: "write-refused", topic: "readings.0" });
    expect(first?.detail).toMatch(/the names of its series have 2500\d\d bytes, at most 65536; of the payload/);
    expect(await deps.figure("weir_storage_dead_letters_total")).toBe(400);
    expect(service?.health().ready).toBe(true);
    await stop();
    expect(await sql("SELECT count(*)::INTEGER FROM series")).toEqual([[1]]);
    await append([reading(400), long(400)]);
    await start({ memory_max: "64MiB" });
    await stored(1);
    await letters(401);
  }, 120_000);

  it("are only those with a time out of range, not others of their message", async () => {
    await append([
      reading(1),
      { ...reading(2), atUs: 2 ** 52 },
      reading(3, "three"),
      { ...reading(4, "four"), atUs: 2 ** 52 + 7 },
    ]);
    await append([reading(5, "five")]);
    await start();
    await stored(3);
    expect((await letters(2)).map(payloadOf)).toEqual([
      { device: "d", metric: "m", tags: {}, atUs: 2 ** 52, value: 2 },
      { device: "d", metric: "m", tags: {}, atUs: 2 ** 52 + 7, value: "four" },
    ]);
    await stop();
    expect(await sql("SELECT value, text FROM readings ORDER BY time")).toEqual([
      [1, null],
      [null, "three"],
      [null, "five"],
    ]);
  });

  it("can be windows and alert changes, too", async () => {
    const window = {
      rule: "r",
      labels: { device: "d" },
      startUs: T0,
      endUs: T0 + 9,
      revision: 0,
      aggregates: { n: 1 },
    };
    const results = [window, { ...window, labels: { device: "y".repeat(70_000) } }];
    await log.append({
      subject: "windows.0",
      payload: encodeWindows({ partition: 0, firstInput: 1, lastInput: 2, part: 0, parts: 1, results }),
    });
    for (const data of [alertChange({ id: "a", atUs: 1e300 }), alertChange({ id: "b" })]) {
      const event = { specversion: "1.0", type: "weir.alert.v1", data };
      await log.append({ subject: "alerts.warm.1", payload: new TextEncoder().encode(JSON.stringify(event)) });
    }
    await start();
    await stored(2);
    expect((await letters(2)).map(({ topic }) => topic).sort()).toEqual(["alerts.warm.1", "windows.0"]);
  });
});

describe("rows that DuckDB refuses", () => {
  it("are found in their batch and set aside; all others are stored", async () => {
    await start();
    await append([reading(0, "poison")]);
    await stored(1);
    await stop();
    // Whatever makes DuckDB refuse a row, a constraint does the same.
    await sql("CREATE UNIQUE INDEX poison ON reading_rows(text)");
    const isPoison = (n: number) => [3, 250, 251, 999].includes(n);
    for (let from = 0; from < 1_000; from += 100) {
      await append(Array.from({ length: 100 }, (_, i) => reading(from + i + 1, isPoison(from + i) ? "poison" : i)));
    }
    await start();
    await stored(996);
    const found = await letters(4);
    expect(found.map(payloadOf)).toEqual(
      [3, 250, 251, 999].map((n) => ({ device: "d", metric: "m", tags: {}, atUs: T0 + n + 1, value: "poison" })),
    );
    expect(found[0]).toMatchObject({ reason: "write-refused", topic: "duckdb/history.duckdb" });
    expect(found[0]?.detail).toMatch(/^DuckDB refuses it: .*unique/i);
    expect(await deps.figure("weir_storage_dead_letters_total")).toBe(4);
    // The store was never away, and goes on.
    expect(deps.lines.filter(({ msg }) => msg.includes("unavailable"))).toEqual([]);
    await append([reading(2_000), reading(500)]);
    await stored(997);
    expect(await deps.figure("weir_storage_duplicates_total")).toBe(1);
    await stop();
    expect(await sql("SELECT count(*)::INTEGER, count(DISTINCT time)::INTEGER FROM readings")).toEqual([[998, 998]]);
    expect(await sql("SELECT sequence::INTEGER FROM positions WHERE stream = 'READINGS'")).toEqual([[12]]);
  }, 60_000);
});
