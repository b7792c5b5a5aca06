import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { decodeDeadLetter } from "../../domain/dead-letter-codec.ts";
import type { Reading } from "../../domain/reading.ts";
import { encodeWindows } from "../../domain/windows-codec.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Log } from "../../platform/log/port.ts";
import type { Service } from "../../platform/service.ts";
import { type Influxd, startInfluxd } from "../../test/servers/influxd.ts";
import { type StorageConfig, storageConfigSchema } from "../config.ts";
import { startStorage } from "../storage.ts";
import { eventually, frameOf, type TestDeps, testDeps } from "../testing/testing.ts";
import { fluxRows } from "../testing/testing-flux.ts";
import { type InfluxProxy, startProxy } from "../testing/testing-proxy.ts";

const T0 = 1_763_769_600_000_000;
let influxd: Influxd;
let proxy: InfluxProxy;
let log: Log;
let deps: TestDeps;
let service: Service | undefined;
let round = 0;

beforeAll(async () => {
  influxd = await startInfluxd();
  proxy = await startProxy(influxd.url);
}, 90_000);
afterAll(async () => {
  await proxy?.stop();
  await influxd?.stop();
});
beforeEach(() => {
  round++;
  proxy.misdeeds.length = 0;
  proxy.writesAtMs.length = 0;
  log = createMemoryLog({ nowUs: () => Date.now() * 1000 });
});
afterEach(async () => {
  await service?.stop();
  service = undefined;
});

async function start(url: string, changes: Partial<StorageConfig> = {}): Promise<void> {
  const { token, org, bucket } = influxd;
  const influx = { url, token, org, bucket, retry_after_max: "500ms" };
  deps = testDeps({ log });
  service = await startStorage(
    { ...storageConfigSchema.parse({ stores: [{ influxdb: influx }], linger: "20ms" }), ...changes },
    deps,
  );
}

const device = () => `d${round}`;

function reading(n: number, more: Partial<Reading> = {}): Reading {
  return { device: device(), metric: "t", tags: {}, atUs: T0 + n * 1000, value: n, ...more };
}

const append = (readings: readonly Reading[]) => log.append({ subject: "readings.0", payload: frameOf(readings) });

const stored = async (): Promise<number[]> =>
  (await fluxRows(influxd, `r._measurement == "readings" and r.device == "${device()}"`))
    .map((row) => Number(row._value))
    .sort((a, b) => a - b);

async function storedAll(count: number): Promise<void> {
  await eventually(
    `${count} points are stored`,
    async () => (await deps.figure("weir_storage_points_total")) === count,
  );
  expect(await stored()).toEqual(Array.from({ length: count }, (_, n) => n));
}

const said = (text: string) => deps.lines.filter(({ msg }) => msg.includes(text)).length;

describe("storage while InfluxDB is unavailable", () => {
  it("has every point after InfluxDB is killed during a write and restarted", async () => {
    await start(influxd.url, { batch_rows_max: 50 });
    let next = 0;
    const more = async (frames: number) => {
      for (let i = 0; i < frames; i++) {
        await append(Array.from({ length: 20 }, () => reading(next++)));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await more(50);
    await eventually("some are stored", async () => (await deps.figure("weir_storage_points_total")) > 100);
    await Promise.all([more(50), influxd.pause()]);
    await more(50);
    await eventually("the outage is noticed", () => service?.health().ready === false);
    expect(service?.health().detail).toContain(influxd.url);
    await influxd.resume();
    await more(50);
    await storedAll(4000);
    expect(said("the store is unavailable")).toBe(1);
    expect(said("the store is available again")).toBe(1);
    expect(service?.health().ready).toBe(true);
  }, 60_000);

  it("starts and stops while InfluxDB is down", async () => {
    await influxd.pause();
    await start(influxd.url);
    await append([reading(0)]);
    await eventually("the outage is noticed", () => service?.health().ready === false);
    const startMs = performance.now();
    await service?.stop();
    expect(performance.now() - startMs).toBeLessThan(10_000);
    await influxd.resume();
    await start(influxd.url);
    await storedAll(1);
  }, 60_000);

  it.each([
    ["a cut connection", { status: 0 }],
    ["401", { status: 401 }],
    ["403", { status: 403 }],
    ["404", { status: 404 }],
    ["408", { status: 408 }],
    ["429", { status: 429 }],
    ["500", { status: 500 }],
    ["503 with a web page", { status: 503, body: "<html>", headers: { "content-type": "text/html" } }],
    ["a cut connection after it stored the points", { status: 0, writes: true }],
    ["an error although it stored the points", { status: 500, writes: true }],
  ])("retries after %s", async (_, misdeed) => {
    proxy.misdeeds.push(misdeed, misdeed, misdeed);
    await start(proxy.url);
    await append([reading(0), reading(1)]);
    await append([reading(2)]);
    await storedAll(3);
    expect(await deps.figure("weir_storage_retries_total")).toBe(3);
    expect(said("the store is unavailable")).toBe(1);
    expect(await deps.figure("weir_storage_dead_letters_total")).toBe(0);
  });

  it("waits as long as InfluxDB asks, in seconds", async () => {
    await start(proxy.url);
    // The first write is the empty batch of the start.
    await expect.poll(() => proxy.writesAtMs.length).toBe(1);
    proxy.misdeeds.push({ status: 429, headers: { "retry-after": "1" } });
    await append([reading(0)]);
    await storedAll(1);
    const [, first = 0, second = 0] = proxy.writesAtMs;
    expect(second - first).toBeGreaterThan(990);
  });

  it("explains what to check when the token is wrong", async () => {
    proxy.misdeeds.push({ status: 401 });
    await start(proxy.url);
    await append([reading(0)]);
    await storedAll(1);
    expect(said("check the token")).toBe(1);
  });

  it("keeps a line that InfluxDB cannot read as a dead letter, and stores the lines around it", async () => {
    await start(influxd.url);
    const good = Array.from({ length: 200 }, (_, n) => reading(n));
    // Line protocol escapes spaces, so the key is too long for InfluxDB alone.
    const bad = reading(0, { tags: { long: " ".repeat(60_000) } });
    await append([...good.slice(0, 77), bad, ...good.slice(77)]);
    await storedAll(200);
    const letter = await log.lastFor("DEADLETTERS", "deadletters.write-refused");
    const { detail, payload, reason } = decodeDeadLetter(letter?.payload ?? new Uint8Array());
    expect(reason).toBe("write-refused");
    expect(detail).toMatch(/max key length exceeded|unable to parse/);
    expect(new TextDecoder().decode(payload)).toMatch(/^readings,device=d\d+,long=\\ /);
    expect(await deps.figure("weir_storage_dead_letters_total")).toBe(1);
  });

  it("stores readings whose names make a batch longer than a request may be", async () => {
    await start(influxd.url);
    const tags = { long: "x".repeat(50_000) };
    // 25 MB of lines.
    for (let n = 0; n < 500; n++) await append([reading(n, { tags })]);
    await storedAll(500);
    expect(await deps.figure("weir_storage_dead_letters_total")).toBe(0);
  });

  it("keeps points that contradict a field's type as dead letters, and stores the rest", async () => {
    const { url, token, org, bucket } = influxd;
    const answer = await fetch(`${url}/api/v2/write?${new URLSearchParams({ org, bucket, precision: "us" })}`, {
      method: "POST",
      headers: { authorization: `Token ${token}` },
      body: `windows,rule=other p99="a text" ${T0}`,
    });
    expect(answer.status).toBe(204);
    await start(influxd.url);
    const window = { rule: device(), labels: { device: "d" }, endUs: T0 + 100_000_000, revision: 0 };
    const results = Array.from({ length: 20 }, (_, n) => ({
      ...window,
      startUs: T0 + n,
      aggregates: { [n % 7 === 3 ? "p99" : "p95"]: n },
    }));
    const payload = encodeWindows({ partition: 0, firstInput: 1, lastInput: 1, part: 0, parts: 1, results });
    await log.append({ subject: "windows.0", payload });
    await eventually(
      "all are stored or kept as dead letters",
      async () => (await deps.figure("weir_storage_points_total")) === 17,
    );
    expect((await log.bounds("DEADLETTERS")).messages).toBe(3);
    const rows = await fluxRows(
      influxd,
      `r._measurement == "windows" and r.rule == "${device()}" and r._field == "p95"`,
    );
    expect(rows).toHaveLength(17);
  });

  it("counts points that the bucket's own retention drops", async () => {
    await start(influxd.url, { retention: 30 * 86_400_000_000 });
    await eventually("the bucket has the retention", () => said("old results deleted") > 0);
    const nowUs = Date.now() * 1000;
    await append([
      reading(0, { atUs: nowUs }),
      reading(1, { atUs: nowUs - 40 * 86_400_000_000 }),
      reading(2, { atUs: nowUs + 1 }),
    ]);
    await eventually("two are stored", async () => (await deps.figure("weir_storage_points_total")) >= 2);
    expect(await stored()).toEqual([0, 2]);
    expect(await deps.figure("weir_storage_dropped_total")).toBe(1);
    expect((await log.bounds("DEADLETTERS")).messages).toBe(0);
  });
});
