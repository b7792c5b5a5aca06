import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../platform/clock.ts";
import { replayConfig } from "./config.ts";
import { type ReplayService, startReplay } from "./replay.ts";
import { startTestBroker, type TestBroker } from "./testing/test-broker.ts";

const logger = pino({ level: "silent" });
const columns = { device: { column: "device" } };
let folder: string;
let broker: TestBroker;
let replay: ReplayService | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-replay-"));
  broker = await startTestBroker();
});

afterEach(async () => {
  await replay?.stop();
  replay = undefined;
  await broker.stop();
  await rm(folder, { recursive: true, force: true });
});

async function start(options: Record<string, unknown>): Promise<ReplayService> {
  const config = replayConfig.parse({ url: broker.url, paths: [folder], drain: "2s", ...options });
  replay = await startReplay(config, { logger, clock: systemClock });
  return replay;
}

it("refuses columns of tags, which its topics cannot carry", async () => {
  await writeDevices(1, 1);
  await expect(start({ columns: { ...columns, tags: ["phase"] } })).rejects.toThrow("columns.tags is for back-tests");
});

/** Each device's messages in order of arrival. */
function byDevice(): Map<string, number[]> {
  const devices = new Map<string, number[]>();
  for (const { topic, text } of broker.received) {
    const device = topic.split("/")[2] ?? "";
    const list = devices.get(device) ?? [];
    list.push(JSON.parse(text).ts);
    devices.set(device, list);
  }
  return devices;
}

/** Without duplicates, the times must be complete and in order. */
function expectCompleteInOrder(times: readonly number[] | undefined, expected: readonly number[]): void {
  const seen = new Set<number>();
  const firsts = (times ?? []).filter((ts) => !seen.has(ts) && seen.add(ts));
  expect(firsts).toEqual(expected);
}

async function writeDevices(devices: number, rows: number): Promise<number[]> {
  const times = Array.from({ length: rows }, (_, i) => 1_700_000_000_000 + i * 1000);
  for (let d = 0; d < devices; d++) {
    const lines = times.map((ts, i) => `${ts},d${d},${d * 1000 + i / 8}`);
    await writeFile(join(folder, `d${d}.csv.gz`), gzipSync(`ts,device,value\n${lines.join("\n")}\n`));
  }
  return times;
}

describe("startReplay", () => {
  it("sends each row once, as numbers and text, without missing cells", async () => {
    const lines = [
      '"No","year","month","day","hour","PM2.5","SO2","wd","station"',
      '1,2013,3,1,0,6,4.50,"NNW","Tian/tan"',
      '2,2013,3,1,1,NA, ,"NW","Tian/tan"',
      '3,2013,3,1,2,NA,NA,NA,"Tian/tan"',
      '4,2013,3,x,3,1,1,"N","Tian/tan"',
    ];
    await writeFile(join(folder, "a.csv"), `\uFEFF${lines.join("\r\n")}\r\n`);
    const { done } = await start({
      speed: "max",
      site: "beijing",
      columns: {
        time: { year: "year", month: "month", day: "day", hour: "hour" },
        device: { column: "station" },
        ignore: ["No"],
      },
    });
    const report = await done;
    expect(broker.received.map(({ topic, qos, text }) => [topic, qos, text])).toEqual([
      ["sensors/beijing/Tian_tan/telemetry", 1, '{"ts":1362096000000,"PM2.5":6,"SO2":4.5,"wd":"NNW"}'],
      ["sensors/beijing/Tian_tan/telemetry", 1, '{"ts":1362099600000,"wd":"NW"}'],
    ]);
    expect(report).toMatchObject({ complete: true, rows: 2, readings: 4, acknowledged: 2, rowsEmpty: 1 });
    expect(report).toMatchObject({ rowsUnreadable: 1, resent: 0, files: 1, devices: 1, loops: 1 });
  });

  it("advances all devices together, each on one connection", async () => {
    const times = await writeDevices(5, 200);
    await (await start({ speed: "max", columns, connections: 3, inflight_max: 4 })).done;
    for (const list of byDevice().values()) expect(list).toEqual(times);
    const clients = new Set(broker.received.map(({ topic, clientId }) => `${topic} ${clientId}`));
    expect(clients.size).toBe(5);
    // The connections' windows bound how far one device can be ahead of another.
    let newest = 0;
    for (const { text } of broker.received) {
      const { ts } = JSON.parse(text);
      newest = Math.max(newest, ts);
      expect(newest - ts).toBeLessThanOrEqual(4 * 3 * 1000);
    }
  });

  it("loses nothing and keeps order when the broker is killed and restarted repeatedly", async () => {
    const times = await writeDevices(4, 1500);
    const service = await start({ speed: "max", columns, connections: 2, inflight_max: 50 });
    for (const at of [500, 2000, 2100, 4500]) {
      await expect.poll(() => broker.received.length, { timeout: 10_000, interval: 1 }).toBeGreaterThan(at);
      await broker.kill();
      if (at === 2000) broker.refuseWith = 3;
      await broker.restart();
      if (at === 2000) {
        await expect.poll(() => service.report().refused, { timeout: 10_000 }).toBeGreaterThan(1);
        expect(service.health().ready).toBe(false);
        broker.refuseWith = 0;
      }
    }
    const report = await service.done;
    expect(report).toMatchObject({ complete: true, rows: 6000, acknowledged: 6000 });
    expect(report.resent).toBeGreaterThan(0);
    expect(byDevice().size).toBe(4);
    for (const list of byDevice().values()) expectCompleteInOrder(list, times);
  });

  it("waits for a broker that is not running yet", async () => {
    await writeDevices(1, 10);
    await broker.kill();
    const service = await start({ speed: "max", columns });
    await expect.poll(() => service.report().disconnected, { timeout: 5000 }).toBeGreaterThan(0);
    await broker.restart();
    expect(await service.done).toMatchObject({ complete: true, acknowledged: 10, resent: 0 });
  });

  it("plays at the configured speed", async () => {
    await writeDevices(2, 11);
    const report = await (await start({ speed: 50, columns })).done;
    expect(report.complete).toBe(true);
    expect(report.elapsedMs).toBeGreaterThanOrEqual(200);
  });

  it("moves event times forward at each loop", async () => {
    const times = await writeDevices(1, 10);
    const service = await start({ speed: "max", loop: true, columns });
    await expect.poll(() => service.report().loops, { timeout: 5000 }).toBeGreaterThan(3);
    await service.stop();
    const list = byDevice().get("d0") ?? [];
    expect(list.length).toBeGreaterThan(30);
    expect(list).toEqual(list.map((_, i) => (times[0] ?? 0) + i * 1000));
    expect((await service.done).complete).toBe(false);
  });

  it("continues after an earlier replay, at the same hour of the day", async () => {
    const times = await writeDevices(1, 10);
    const day = 86_400_000;
    const notBeforeUs = ((times[9] ?? 0) + 3 * day) * 1000;
    const report = await (
      await start({ speed: "max", columns, not_before: new Date(notBeforeUs / 1000).toISOString() })
    ).done;
    expect(byDevice().get("d0")).toEqual(times.map((ts) => ts + 4 * day));
    expect(report.firstAtUs).toBeGreaterThanOrEqual(notBeforeUs);
  });

  it("ends before a loop would reach into the future", async () => {
    const times = await writeDevices(1, 10);
    const nowUs = ((times[9] ?? 0) + 25_000) * 1000;
    const config = replayConfig.parse({ url: broker.url, paths: [folder], columns, speed: "max", loop: true });
    replay = await startReplay(config, { logger, clock: { nowUs: () => nowUs } });
    expect(await replay.done).toMatchObject({ complete: true, loops: 3, rows: 30 });
  });

  it("stops at once while it waits, and can be stopped twice", async () => {
    await writeDevices(1, 10);
    const service = await start({ speed: 0.001, columns });
    await expect.poll(() => service.report().acknowledged, { timeout: 5000 }).toBe(1);
    await service.stop();
    await service.stop();
    expect(await service.done).toMatchObject({ complete: false, rows: 1, loops: 0 });
  });

  it("stops even if the broker never returns", async () => {
    await writeDevices(1, 10);
    await broker.kill();
    const service = await start({ speed: "max", columns, drain: "50ms" });
    await service.stop();
    expect(await service.done).toMatchObject({ complete: false, acknowledged: 0 });
  });

  it("reports what is wrong with a recording", async () => {
    await expect(start({ paths: [join(folder, "nothing.csv")] })).rejects.toThrow("no such file or folder");
    await expect(start({})).rejects.toThrow("no .csv or .csv.gz file");
    await writeFile(join(folder, "a.csv"), "time,value\n1,2\n");
    await expect((await start({})).done).rejects.toThrow('a.csv has no column "ts"; it has time, value');
    await writeFile(join(folder, "b.csv.gz"), "not gzip");
    await expect((await start({ paths: [join(folder, "b.csv.gz")] })).done).rejects.toThrow("cannot read");
    await writeFile(join(folder, "c.csv"), 'ts,value\n1,"2\n');
    await expect((await start({ paths: [join(folder, "c.csv")] })).done).rejects.toThrow("cannot read");
  });

  it("reads times in many formats", async () => {
    const forms =
      "2014-02-14 21:27:00,1\n2014-02-14T21:27:01Z,2\n2014-02-14T22:27:02+01:00,3\n1392413223,4\nnoon,5\n,6\n";
    await writeFile(join(folder, "m1.csv"), `when,v\n${forms}`);
    const report = await (await start({ speed: "max", columns: { time: { column: "when", unit: "s" } } })).done;
    expect(byDevice().get("m1")).toEqual([0, 1, 2, 3].map((s) => Date.UTC(2014, 1, 14, 21, 27, s)));
    expect(report.rowsUnreadable).toBe(2);
  });
});
