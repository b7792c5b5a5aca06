import mqtt from "mqtt";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { AlertChange } from "../../domain/alert.ts";
import { fluxRows } from "../../storage/testing/testing-flux.ts";
import type { GatewayProcess } from "../servers/gateway-process.ts";
import { type Influxd, startInfluxd } from "../servers/influxd.ts";
import { startGateway, watchAlerts } from "./kit.ts";

const WAIT = { timeout: 40_000, interval: 200 };
const RULES = `
rules:
  - id: hot
    where: { metric: temperature }
    window: { tumbling: 1m }
    aggregate: max
    when: "> 50"
`;
const MINUTES = 100;
const START_MS = Date.UTC(2026, 0, 1);
const undo: (() => Promise<unknown>)[] = [];
let influxd: Influxd;

beforeAll(async () => {
  influxd = await startInfluxd();
});

afterAll(() => influxd?.stop());

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function influxEnvironment(): Record<string, string> {
  return {
    WEIR_INFLUX_URL: influxd.url,
    WEIR_INFLUX_TOKEN: influxd.token,
    WEIR_INFLUX_ORG: influxd.org,
    WEIR_INFLUX_BUCKET: influxd.bucket,
  };
}

/** Publishes a reading of two metrics each minute, hot in the last quarter; resolves when all are acknowledged. */
async function publish(gateway: GatewayProcess, site: string, device: string): Promise<void> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`);
  try {
    const sent = Array.from({ length: MINUTES }, (_, minute) => {
      const temperature = minute < MINUTES * 0.75 ? 20 : 60;
      const payload = JSON.stringify({ ts: START_MS + minute * 60_000, temperature, humidity: minute });
      return client.publishAsync(`sensors/${site}/${device}/telemetry`, payload, { qos: 1 });
    });
    await Promise.all(sent);
  } finally {
    await client.endAsync(true);
  }
}

/** What InfluxDB holds of a site: for each device and metric the number of points and their sum. */
async function stored(site: string): Promise<Record<string, { count: number; sum: number }>> {
  const rows = await fluxRows(influxd, `r._measurement == "readings" and r._field == "value" and r.site == "${site}"`);
  const series: Record<string, { count: number; sum: number }> = {};
  for (const { device, metric, _value } of rows) {
    const name = `${device} ${metric}`;
    const { count, sum } = series[name] ?? { count: 0, sum: 0 };
    series[name] = { count: count + 1, sum: sum + Number(_value) };
  }
  return series;
}

function expected(devices: readonly string[]): Record<string, { count: number; sum: number }> {
  const temperature = { count: MINUTES, sum: MINUTES * 0.75 * 20 + MINUTES * 0.25 * 60 };
  const humidity = { count: MINUTES, sum: (MINUTES * (MINUTES - 1)) / 2 };
  return Object.fromEntries(
    devices.flatMap((device) => [
      [`${device} temperature`, temperature],
      [`${device} humidity`, humidity],
    ]),
  );
}

function firing(changes: readonly AlertChange[], device: string): number {
  return changes.filter((change) => change.state === "firing" && change.key.device === device).length;
}

function linesWith(log: string, text: string): number {
  return log.split("\n").filter((line) => line.includes(text)).length;
}

test("InfluxDB goes away: acknowledgements and alerts go on, and nothing is missing when it is back", async () => {
  const site = "middle";
  const gateway = await startGateway(undo, { files: { "rules/hot.yaml": RULES }, env: influxEnvironment() });
  const { changes } = await watchAlerts(undo, gateway.info.httpPort);
  await publish(gateway, site, "before");
  await expect.poll(() => firing(changes, "before"), WAIT).toBe(1);
  await expect.poll(() => stored(site), WAIT).toEqual(expected(["before"]));

  await influxd.pause();
  await publish(gateway, site, "meanwhile");
  await expect.poll(() => firing(changes, "meanwhile"), WAIT).toBe(1);
  // The outage was noticed, and all clients are still served.
  await expect
    .poll(async () => linesWith(await gateway.logText(), "the store is unavailable"), WAIT)
    .toBeGreaterThan(0);
  await publish(gateway, site, "later");
  await expect.poll(() => firing(changes, "later"), WAIT).toBe(1);

  await influxd.resume();
  await publish(gateway, site, "after");
  await expect.poll(() => firing(changes, "after"), WAIT).toBe(1);
  const devices = ["before", "meanwhile", "later", "after"];
  await expect.poll(() => stored(site), WAIT).toEqual(expected(devices));
  const alerts = async () => {
    const filter = `r._measurement == "alerts" and r._field == "value" and r.state == "firing"`;
    return (await fluxRows(influxd, filter)).map(({ device }) => device).sort();
  };
  await expect.poll(alerts, WAIT).toEqual([...devices].sort());
  await expect.poll(async () => linesWith(await gateway.logText(), "the store is available again"), WAIT).toBe(1);
  expect(linesWith(await gateway.logText(), "the store is unavailable")).toBeLessThanOrEqual(2);
  expect((await gateway.metrics())?.get("weir_storage_dropped_total") ?? 0).toBe(0);
  expect(await gateway.stop(30_000)).toBe("code 0");
});

test("a start while InfluxDB is unreachable: it comes up, says so once, and stores everything later", async () => {
  const site = "early";
  await influxd.pause();
  const gateway = await startGateway(undo, {
    files: { "rules/hot.yaml": RULES },
    env: influxEnvironment(),
    unready: true,
  });
  const { changes } = await watchAlerts(undo, gateway.info.httpPort);
  await publish(gateway, site, "first");
  await expect.poll(() => firing(changes, "first"), WAIT).toBe(1);
  await expect.poll(async () => linesWith(await gateway.logText(), "the store is unavailable"), WAIT).toBe(1);
  expect(await gateway.logText()).toContain(`the store is unavailable: InfluxDB at ${influxd.url} does not answer`);
  await expect.poll(async () => (await gateway.get("/readyz")).ok, WAIT).toBe(false);
  expect((await gateway.get("/readyz")).text).toContain("storage");

  await influxd.resume();
  await expect.poll(() => stored(site), WAIT).toEqual(expected(["first"]));
  await gateway.ready(20_000);
});
