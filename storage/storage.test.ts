import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HISTORY_ALERTS, HISTORY_INCIDENT_EVENTS, HISTORY_SERIES } from "../contracts/history.ts";
import { acknowledgement, delivery, silence } from "../contracts/testing/samples.ts";
import { decodeDeadLetter } from "../domain/dead-letter-codec.ts";
import { encodeTick } from "../domain/frame-writer.ts";
import type { Reading } from "../domain/reading.ts";
import { encodeWindows } from "../domain/windows-codec.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import type { Log } from "../platform/log/port.ts";
import { requestRaw } from "../platform/log/testing/raw-bus.ts";
import type { Service } from "../platform/service.ts";
import { type StorageConfig, storageConfigSchema } from "./config.ts";
import { startStorage } from "./storage.ts";
import { alertChange } from "./testing/batches.ts";
import { eventually, frameOf, type TestDeps, temporaryFolder, testDeps } from "./testing/testing.ts";

const T0 = 1_763_769_600_000_000;
const nowUs = () => Date.now() * 1000;

function reading(atUs: number, value: Reading["value"] = 1): Reading {
  return { device: "d1", metric: "t", tags: { site: "north" }, atUs: T0 + atUs, value };
}

describe("storage with DuckDB", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let deps: TestDeps;
  let log: Log;
  let config: StorageConfig;
  let file: string;
  const services: Service[] = [];

  beforeEach(async () => {
    folder = await temporaryFolder();
    log = createMemoryLog({ nowUs });
    file = join(folder.path, "history.duckdb");
    config = storageConfigSchema.parse({ stores: [{ duckdb: { file } }], linger: "50ms" });
  });
  afterEach(async () => {
    for (const service of services.splice(0)) await service.stop();
    await folder.remove();
  });

  /** Each start has separate metrics. */
  async function start(changes: Partial<StorageConfig> = {}, given: TestDeps = testDeps({ log })): Promise<Service> {
    deps = given;
    const service = await startStorage({ ...config, ...changes }, given);
    services.push(service);
    return service;
  }

  async function rows(sql: string): Promise<readonly (readonly unknown[])[]> {
    const instance = await DuckDBInstance.create(file);
    const connection = await instance.connect();
    const found = (await connection.runAndReadAll(sql)).getRows();
    connection.closeSync();
    instance.closeSync();
    return found;
  }

  const stored = (count: number) =>
    eventually(`${count} points are stored`, async () => (await deps.figure("weir_storage_points_total")) >= count);

  it("stores the contents of each stream, and skips ticks", async () => {
    const service = await start();
    await log.append({ subject: "readings.0", payload: frameOf([reading(1), reading(2), reading(3, "warm")]) });
    await log.append({ subject: "readings.1", payload: encodeTick() });
    await log.append({ subject: "readings.1", payload: frameOf([reading(4, true), reading(5, "cold"), reading(1)]) });
    const window = {
      rule: "r",
      labels: { device: "d1" },
      startUs: T0,
      endUs: T0 + 9,
      revision: 0,
      aggregates: { avg: 2 },
    };
    for (const part of [0, 1]) {
      const results = [{ ...window, startUs: T0 + part, endUs: T0 + part + 9 }];
      const payload = encodeWindows({ partition: 0, firstInput: 1, lastInput: 2, part, parts: 2, results });
      await log.append({ subject: "windows.0", payload });
    }
    const event = { specversion: "1.0", type: "weir.alert.v1", data: alertChange({ id: "a" }) };
    await log.append({ subject: "alerts.warm.1", payload: new TextEncoder().encode(JSON.stringify(event)) });
    const acknowledged = { ...acknowledgement({ incident: "i1", note: "on my way" }), alert: "warm.1" };
    for (const [subject, value] of [
      ["notifications.silences.s-1", silence()],
      ["notifications.acknowledgements.warm.1", acknowledged],
      ["notifications.deliveries.ops.webhook.warm.1", { settled: 1, deliveries: [delivery({ incident: "i1" })] }],
      ["notifications.deliveries.ops.webhook.warm.1", { settled: 1, deliveries: [delivery({ incident: "i1" })] }],
    ] as const) {
      await log.append({ subject, payload: new TextEncoder().encode(JSON.stringify(value)) });
    }
    await stored(10);
    await eventually("who handled it is stored", async () => {
      const events = await log.bus.request(HISTORY_INCIDENT_EVENTS, { incidents: ["i1"] });
      return events.length === 2 && events.some(({ kind }) => kind === "acknowledgement");
    });
    expect(service.health()).toEqual({ ready: true, detail: expect.stringContaining("DuckDB") });
    await service.stop();
    expect(await rows("SELECT value, text FROM readings ORDER BY time")).toEqual([
      [1, null],
      [1, null],
      [null, "warm"],
      [1, null],
      [null, "cold"],
    ]);
    expect(await rows("SELECT count(*)::INT FROM windows")).toEqual([[2]]);
    expect(await rows("SELECT id FROM alerts")).toEqual([["a"]]);
    expect(await rows("SELECT stream, sequence::INT FROM positions ORDER BY 1")).toEqual([
      ["ALERTS", 1],
      ["NOTIFICATIONS", 4],
      ["READINGS", 3],
      ["WINDOWS", 2],
    ]);
    expect(await deps.figure("weir_storage_duplicates_total")).toBe(2);
  });

  it("continues where it stopped, without gaps or repeats", async () => {
    for (let round = 0; round < 3; round++) {
      const service = await start();
      for (let i = 0; i < 20; i++) {
        const at = round * 200 + i * 10;
        await log.append({ subject: "readings.0", payload: frameOf([reading(at), reading(at + 5), reading(at - 3)]) });
      }
      await service.stop();
    }
    const last = await start();
    await eventually("all is stored", async () => {
      const answer = await log.bus.request(HISTORY_SERIES, {
        device: "d1",
        metric: "t",
        fromUs: T0 - 10,
        toUs: T0 + 1000,
        pointsMax: 1,
      });
      return answer.kind === "found" && answer.buckets.count[0] === 180;
    });
    await last.stop();
    const [found] = await rows(
      "SELECT count(*)::INT, count(DISTINCT time)::INT, (SELECT max(sequence)::INT FROM positions) FROM readings",
    );
    expect(found).toEqual([180, 180, 60]);
    expect(await deps.figure("weir_storage_duplicates_total")).toBe(0);
  });

  it("stores only windows and alerts with `raw: false`", async () => {
    await start({ raw: false });
    await log.append({ subject: "readings.0", payload: frameOf([reading(1)]) });
    const event = { specversion: "1.0", type: "weir.alert.v1", data: alertChange({ id: "a" }) };
    await log.append({ subject: "alerts.warm.1", payload: new TextEncoder().encode(JSON.stringify(event)) });
    await stored(1);
    await services[0]?.stop();
    expect(await rows("SELECT count(*)::INT FROM readings")).toEqual([[0]]);
  });

  it("keeps a message that it cannot read as a dead letter, and continues", async () => {
    await start();
    await log.append({ subject: "readings.0", payload: new Uint8Array([255, 1, 2]) });
    await log.append({ subject: "windows.0", payload: new Uint8Array([255, 255, 255]) });
    await log.append({ subject: "alerts.a.b", payload: new TextEncoder().encode('{"type":"other"}') });
    await log.append({ subject: "readings.0", payload: frameOf([reading(1)]) });
    await stored(1);
    const letter = await log.lastFor("DEADLETTERS", "deadletters.unreadable-entry");
    expect(decodeDeadLetter(letter?.payload ?? new Uint8Array()).reason).toBe("unreadable-entry");
    await eventually("all three are dead letters", async () => (await log.bounds("DEADLETTERS")).messages === 3);
  });

  it("names the file that is in use, and the process that uses it", async () => {
    await start();
    await expect(start()).rejects.toThrow(`the database file ${file} is open in this process`);
  });

  it("stores a new log from its start when the old one is gone", async () => {
    const first = await start();
    for (let i = 1; i <= 5; i++) await log.append({ subject: "readings.0", payload: frameOf([reading(i)]) });
    await stored(5);
    await first.stop();
    for (const count of [3, 9]) {
      const other = testDeps({ log: createMemoryLog({ nowUs: () => nowUs() + count }) });
      for (let i = 1; i <= count; i++) {
        await other.log.append({ subject: "readings.0", payload: frameOf([reading(count * 100 + i)]) });
      }
      const service = await start({}, other);
      await eventually("all is stored", async () => (await other.figure("weir_storage_points_total")) === count);
      expect(other.lines.some(({ msg }) => msg.startsWith("the log is not the same"))).toBe(true);
      await service.stop();
    }
    expect(await rows("SELECT count(*)::INT FROM readings")).toEqual([[17]]);
  });

  it("counts messages that the log deleted before they were stored", async () => {
    const short = createMemoryLog({ nowUs, messagesMax: 10 });
    await short.append({ subject: "readings.0", payload: frameOf([reading(1)]) });
    const first = await start({}, testDeps({ log: short }));
    await stored(1);
    await first.stop();
    for (let i = 2; i <= 40; i++) await short.append({ subject: "readings.0", payload: frameOf([reading(i)]) });
    const { firstSequence } = await short.bounds("READINGS");
    await start({}, testDeps({ log: short }));
    await stored(41 - firstSequence);
    expect(await deps.figure("weir_storage_missed_messages_total")).toBe(firstSequence - 2);
  });

  it("answers queries on the bus, and refuses bad ones with the reason", async () => {
    await start();
    await log.append({ subject: "readings.0", payload: frameOf([reading(1, 10), reading(2, 20), reading(9, 3)]) });
    await stored(3);
    const question = { device: "d1", metric: "t", fromUs: T0, toUs: T0 + 10, pointsMax: 2 };
    expect(await log.bus.request(HISTORY_SERIES, question)).toEqual({
      kind: "found",
      tags: { site: "north" },
      buckets: { atUs: [T0, T0 + 5], min: [10, 3], max: [20, 3], avg: [15, 3], count: [2, 1] },
    });
    const alerts = await log.bus.request(HISTORY_ALERTS, { fromUs: T0, toUs: T0 + 1, limit: 5 });
    expect(alerts).toEqual({ changes: [], next: null });
    for (const bad of [null, {}, { ...question, pointsMax: 0 }, { ...question, toUs: T0 }, { ...question, more: 1 }]) {
      await expect(requestRaw(log.bus, HISTORY_SERIES.subject, bad)).rejects.toThrow(/not understood/);
    }
  });

  it("continues writing during a slow query", async () => {
    await start({ linger: 20_000 });
    const many = (from: number) => Array.from({ length: 500 }, (_, i) => reading(from + i, i));
    for (let i = 0; i < 400; i++) await log.append({ subject: "readings.0", payload: frameOf(many(i * 500)) });
    await stored(200_000);
    const questions = Array.from({ length: 30 }, () =>
      log.bus.request(
        HISTORY_SERIES,
        { device: "d1", metric: "t", fromUs: T0, toUs: T0 + 200_000, pointsMax: 5000 },
        { timeoutMs: 30_000 },
      ),
    );
    await log.append({ subject: "readings.0", payload: frameOf([reading(300_000)]) });
    await stored(200_001);
    const answers = await Promise.all(questions);
    expect(answers.map((answer) => answer.kind === "found" && answer.buckets.count.length)).toEqual(
      Array(30).fill(5000),
    );
  });

  it("deletes results older than the retention", async () => {
    const now = nowUs();
    const old = { ...reading(0), atUs: now - 120_000_000 };
    await log.append({ subject: "readings.0", payload: frameOf([old, { ...old, atUs: now }]) });
    const first = await start();
    await stored(2);
    await first.stop();
    const second = await start({ retention: 60_000_000 });
    await eventually("old results are deleted", () => deps.lines.some(({ msg }) => msg === "old results deleted"));
    await second.stop();
    expect(await rows("SELECT count(*)::INT FROM readings")).toEqual([[1]]);
  });

  it("keeps few series in memory and still recognizes duplicates", async () => {
    await start({ series_max: 50, batch_rows_max: 100 });
    const sensors = Array.from({ length: 400 }, (_, i) => ({ ...reading(1), device: `many-${i}` }));
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 400; i += 20) {
        await log.append({ subject: "readings.0", payload: frameOf(sensors.slice(i, i + 20)) });
      }
    }
    await eventually("all came in", async () => (await deps.figure("weir_storage_duplicates_total")) === 400);
    expect(await deps.figure("weir_storage_points_total")).toBe(400);
    await services[0]?.stop();
    expect(await rows("SELECT count(*)::INT, count(DISTINCT device)::INT FROM series")).toEqual([[400, 400]]);
  });
});
