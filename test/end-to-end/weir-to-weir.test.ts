import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, expect, test } from "vitest";
import { freePort } from "../servers/free-port.ts";
import type { GatewayProcess } from "../servers/gateway-process.ts";
import { duckdbRows, startGateway } from "./kit.ts";

const WAIT = { timeout: 60_000, interval: 100 };
const PER_ROUND = 500;
const START_MS = Date.UTC(2026, 0, 1);
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

interface Pair {
  readonly site: GatewayProcess;
  readonly central: GatewayProcess;
  readonly atSite: mqtt.MqttClient;
  readonly atCentral: mqtt.MqttClient;
}

type Bridges = (url: string) => readonly Readonly<Record<string, unknown>>[];

/** Two gateways, each with bridges to the other, and a device at each. */
async function startPair(bridges: { readonly site: Bridges; readonly central: Bridges }): Promise<Pair> {
  const ports = { site: await freePort(), central: await freePort() };
  const start = (own: number, list: readonly unknown[]) =>
    startGateway(undo, {
      files: { "rules/none.yaml": "rules: []\n", "weir.yaml": JSON.stringify({ bridges: list }) },
      flags: ["--mqtt-port", `${own}`],
    });
  // Without a session at the other side, what is published there does not wait.
  const connected = (gateway: GatewayProcess) =>
    expect.poll(async () => (await gateway.get("/readyz")).text, WAIT).not.toContain("bridge ");
  const url = (port: number) => `mqtt://127.0.0.1:${port}`;
  const site = await start(ports.site, bridges.site(url(ports.central)));
  const central = await start(ports.central, bridges.central(url(ports.site)));
  await Promise.all([connected(site), connected(central)]);
  const connect = async (port: number) => {
    const client = await mqtt.connectAsync(url(port), { reconnectPeriod: 200 });
    undo.push(() => client.endAsync(true));
    return client;
  };
  return { site, central, atSite: await connect(ports.site), atCentral: await connect(ports.central) };
}

/** Resolves when all are acknowledged, also if the gateway is killed meanwhile: the device sends again. */
async function publishRound(client: mqtt.MqttClient, place: string, round: number): Promise<void> {
  const sent = Array.from({ length: PER_ROUND }, (_, i) => {
    const n = round * PER_ROUND + i;
    const payload = JSON.stringify({ ts: START_MS + n, n });
    return client.publishAsync(`sensors/${place}/d${n % 5}/telemetry`, payload, { qos: 1 });
  });
  await Promise.all(sent);
}

async function caughtUp(gateway: GatewayProcess): Promise<boolean> {
  const metrics = await gateway.metrics();
  return metrics?.get("weir_storage_lag_messages") === 0 && metrics.get("weir_bridge_waiting_entries") === 0;
}

/** By site: how many readings the store has, and how many different ones. */
async function stored(gateway: GatewayProcess): Promise<Record<string, unknown>[]> {
  expect(await gateway.stop(30_000)).toBe("code 0");
  return await duckdbRows(
    join(gateway.dataDir, "history.duckdb"),
    "SELECT tags::JSON->>'site' AS site, count(*) AS n, count(DISTINCT value) AS different FROM readings GROUP BY ALL ORDER BY site",
  );
}

async function newest(gateway: GatewayProcess, site: string): Promise<number> {
  const { text } = await gateway.get("/api/v1/devices");
  interface Device {
    readonly tags: Record<string, string>;
    readonly metrics: { readonly n?: { readonly value: number } };
  }
  const devices: readonly Device[] = JSON.parse(text).devices ?? [];
  return Math.max(-1, ...devices.filter(({ tags }) => tags.site === site).map(({ metrics }) => metrics.n?.value ?? -1));
}

test("each message is in both stores once, although each side is killed under load", async () => {
  const { site, central, atSite, atCentral } = await startPair({
    site: (url) => [
      { name: "out", url, out: [{ local: "sensors/north/#" }] },
      { name: "in", url, in: [{ remote: "sensors/south/#" }] },
    ],
    central: (url) => [{ name: "back", url, out: [{ local: "sensors/west/#" }] }],
  });
  const both = (round: number) => [
    publishRound(atSite, "north", round),
    publishRound(atCentral, "south", round),
    publishRound(atCentral, "west", round),
  ];
  await Promise.all(both(0));
  const first = both(1);
  await site.kill();
  // The central one goes on meanwhile.
  await first[1];
  await first[2];
  await site.start();
  await Promise.all(first);
  await expect.poll(() => newest(site, "south"), WAIT).toBe(2 * PER_ROUND - 1);
  const second = [publishRound(atSite, "north", 2), publishRound(atCentral, "west", 2)];
  await central.kill();
  await second[0];
  await central.start();
  await Promise.all(second);
  await Promise.all(both(3));
  const last = 4 * PER_ROUND - 1;
  for (const gateway of [site, central]) {
    for (const place of ["north", "south", "west"]) {
      await expect.poll(() => newest(gateway, place), WAIT).toBe(last);
    }
  }
  await expect.poll(async () => (await caughtUp(site)) && (await caughtUp(central)), WAIT).toBe(true);
  const whole = { n: `${4 * PER_ROUND}`, different: `${4 * PER_ROUND}` };
  // The middle round of "south" was not sent.
  const south = { n: `${3 * PER_ROUND}`, different: `${3 * PER_ROUND}` };
  const expected = [
    { site: "north", ...whole },
    { site: "south", ...south },
    { site: "west", ...whole },
  ];
  expect(await stored(site)).toEqual(expected);
  expect(await stored(central)).toEqual(expected);
}, 180_000);

test("two gateways that send each other everything keep each message once, and it ends where it began", async () => {
  const all = (url: string) => [{ name: "all", url, out: [{ local: "sensors/#" }] }];
  const { site, central, atSite, atCentral } = await startPair({ site: all, central: all });
  await Promise.all([publishRound(atSite, "north", 0), publishRound(atCentral, "south", 0)]);
  for (const gateway of [site, central]) {
    for (const place of ["north", "south"]) await expect.poll(() => newest(gateway, place), WAIT).toBe(PER_ROUND - 1);
    const dropped = async () => (await gateway.metrics())?.get("weir_bridge_dropped_total");
    // Its own messages come back once, and go no further.
    await expect.poll(dropped, WAIT).toBe(PER_ROUND);
    expect((await gateway.metrics())?.get("weir_ingest_messages_total")).toBe(2 * PER_ROUND);
  }
  await expect.poll(async () => (await caughtUp(site)) && (await caughtUp(central)), WAIT).toBe(true);
  const once = { n: `${PER_ROUND}`, different: `${PER_ROUND}` };
  for (const gateway of [site, central]) {
    expect(await stored(gateway)).toEqual([
      { site: "north", ...once },
      { site: "south", ...once },
    ]);
  }
}, 120_000);
