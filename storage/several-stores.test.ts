import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterEach, beforeEach, expect, it } from "vitest";
import { HISTORY_SERIES } from "../contracts/history.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import type { Log } from "../platform/log/port.ts";
import type { Service } from "../platform/service.ts";
import { storageConfigSchema } from "./config.ts";
import { startStorage } from "./storage.ts";
import { eventually, frameOf, type TestDeps, temporaryFolder, testDeps } from "./testing/testing.ts";

const T0 = 1_763_769_600_000_000;
/** Nothing listens there. */
const AWAY = { influxdb: { url: "http://127.0.0.1:9", token: "t", org: "o", bucket: "b", retry_after_max: "100ms" } };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let log: Log;
let deps: TestDeps;
let service: Service | undefined;
const duckdb = (name: string) => ({ duckdb: { file: join(folder.path, name) } });

beforeEach(async () => {
  folder = await temporaryFolder();
  log = createMemoryLog({ nowUs: () => Date.now() * 1000 });
});
afterEach(async () => {
  await stop();
  await folder.remove();
});

async function start(stores: readonly object[]): Promise<void> {
  deps = testDeps({ log });
  service = await startStorage(storageConfigSchema.parse({ stores, linger: "10ms" }), deps);
}

async function stop(): Promise<void> {
  await service?.stop();
  service = undefined;
}

async function append(from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    const reading = { device: "d", metric: "m", tags: {}, atUs: T0 + n, value: n };
    await log.append({ subject: "readings.0", payload: frameOf([reading]) });
  }
}

const stored = (count: number) =>
  eventually(
    `${count} points are stored`,
    async () => (await deps.figure("weir_storage_points_total")) === count,
    60_000,
  );

async function count(name: string): Promise<unknown> {
  const instance = await DuckDBInstance.create(join(folder.path, name));
  const connection = await instance.connect();
  const sql = "SELECT count(*)::INTEGER, count(DISTINCT time)::INTEGER FROM readings";
  const [row] = (await connection.runAndReadAll(sql)).getRows();
  connection.closeSync();
  instance.closeSync();
  return row;
}

it("each store gets everything from its own position, also one that is added later", async () => {
  await append(0, 10);
  await start([duckdb("a.duckdb")]);
  await stored(10);
  await stop();
  await append(10, 15);
  await start([duckdb("a.duckdb"), duckdb("b.duckdb")]);
  // Five that the first one lacks, and all fifteen for the second.
  await stored(20);
  expect(service?.health()).toEqual({ ready: true, detail: expect.stringMatching(/a\.duckdb; .*b\.duckdb/) });
  const points = await deps.metrics.registry.getMetricsAsJSON();
  const labels = points.find(({ name }) => name === "weir_storage_points_total")?.values ?? [];
  expect(labels.map(({ labels: { store }, value }) => [store, value])).toEqual([
    ["duckdb", 5],
    ["duckdb-2", 15],
  ]);
  await stop();
  expect([await count("a.duckdb"), await count("b.duckdb")]).toEqual([
    [15, 15],
    [15, 15],
  ]);
});

it("a store that is away holds no other up, and the health names it", async () => {
  await start([duckdb("a.duckdb"), AWAY]);
  await append(0, 20);
  await stored(20);
  await eventually("the health says so", () => service?.health().ready === false);
  expect(service?.health().detail).toContain("http://127.0.0.1:9");
  expect(service?.health().detail).not.toContain("a.duckdb");
  const query = { device: "d", metric: "m", fromUs: T0, toUs: T0 + 100, pointsMax: 1 };
  expect(await log.bus.request(HISTORY_SERIES, query)).toMatchObject({ kind: "found", buckets: { count: [20] } });
});

it("closes the first store when the second cannot be used", async () => {
  await expect(start([duckdb("a.duckdb"), duckdb("a.duckdb")])).rejects.toThrow(/is open in this process/);
  await start([duckdb("a.duckdb")]);
  await append(0, 1);
  await stored(1);
});
