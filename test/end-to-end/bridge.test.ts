import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, expect, test } from "vitest";
import { makeAuthority } from "../servers/certificates.ts";
import { startMosquitto } from "../servers/mosquitto.ts";
import { duckdbRows, startGateway, tempFolder } from "./kit.ts";

const WAIT = { timeout: 40_000, interval: 100 };
const PER_ROUND = 3_000;
const START_MS = Date.UTC(2026, 0, 1);
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Resolves when the outside broker has acknowledged all of them. */
async function publishRound(client: mqtt.MqttClient, round: number): Promise<void> {
  const sent = Array.from({ length: PER_ROUND }, (_, i) => {
    const n = round * PER_ROUND + i;
    const payload = JSON.stringify({ ts: START_MS + n, n });
    return client.publishAsync(`sensors/s/d${n % 10}/telemetry`, payload, { qos: 1 });
  });
  await Promise.all(sent);
}

/** The first appearance of each: QoS 1 may repeat a message after a crash. */
function once(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

/** With 3.1.1 also TLS, with certificates on both sides. */
async function startOutside(folder: string, version: "5" | "3.1.1") {
  if (version === "5") {
    const server = await startMosquitto();
    return { server, bridge: { url: server.url, version } };
  }
  const authority = await makeAuthority(folder, "outside");
  const [broker, client] = [await authority.issue("broker"), await authority.issue("weir")];
  const server = await startMosquitto({ tls: { ...broker, clientCaFile: authority.certFile } });
  const tls = { ca_file: authority.certFile, cert_file: client.certFile, key_file: client.keyFile };
  return { server, bridge: { url: server.tlsUrl, version, tls } };
}

test.each(["5", "3.1.1"] as const)(
  "in both directions, each message arrives once, although the gateway is killed and the outside broker restarts: MQTT %s",
  async (version) => {
    const folder = await tempFolder();
    undo.push(folder.remove);
    const { server: outside, bridge } = await startOutside(folder.path, version);
    undo.push(outside.stop);
    const incoming = [{ remote: "sensors/#" }, { remote: "north/cmd/#", local: "cmd/#", to: "clients" }];
    const bridges = [{ name: "outside", ...bridge, in: incoming, out: [{ local: "state/#" }] }];
    const files = { "rules/none.yaml": "rules: []\n", "weir.yaml": JSON.stringify({ bridges }) };
    // It runs in its folder, where it finds the file.
    const gateway = await startGateway(undo, { files });
    const client = await mqtt.connectAsync(outside.url, { reconnectPeriod: 200 });
    undo.push(() => client.endAsync(true));
    const went: string[] = [];
    const reader = { clientId: "reader", clean: false, reconnectPeriod: 200 } as const;
    const persistent = await mqtt.connectAsync(outside.url, reader);
    undo.push(() => persistent.endAsync(true));
    persistent.on("message", (_, payload) => went.push(`${payload}`));
    await persistent.subscribeAsync("state/#", { qos: 1 });
    const device = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`, { reconnectPeriod: 200 });
    undo.push(() => device.endAsync(true));
    const texts: string[] = [];
    function say(count: number): Promise<unknown> {
      const next = Array.from({ length: count }, (_, i) => `${texts.length + i}`);
      texts.push(...next);
      return Promise.all(next.map((text) => device.publishAsync("state/x", text, { qos: 1 })));
    }
    const stored = async () => (await gateway.metrics())?.get("weir_storage_points_total") ?? 0;

    // A device here gets its commands from there.
    const commands: string[] = [];
    device.on("message", (topic, payload) => commands.push(`${topic} ${payload}`));
    await device.subscribeAsync("cmd/#", { qos: 1 });
    await expect.poll(async () => (await gateway.metrics())?.get("weir_bridge_connected"), WAIT).toBe(1);
    await client.publishAsync("north/cmd/press", "stop", { qos: 1 });
    await expect.poll(() => commands, WAIT).toEqual(["cmd/press stop"]);

    await Promise.all([publishRound(client, 0), say(PER_ROUND)]);
    await expect.poll(stored, WAIT).toBe(PER_ROUND);
    const second = [publishRound(client, 1), say(PER_ROUND)];
    await gateway.kill();
    await second[0];
    await publishRound(client, 2);
    await gateway.start();
    await Promise.all([publishRound(client, 3), second[1]]);

    const sent = 4 * PER_ROUND;
    const answered = async () => {
      const { text } = await gateway.get("/api/v1/devices");
      const devices: { readonly metrics: { readonly n?: { readonly value: number } } }[] = JSON.parse(text).devices;
      return Math.max(...devices.map(({ metrics }) => metrics.n?.value ?? 0));
    };
    await expect.poll(answered, WAIT).toBe(sent - 1);
    // Also when the outside broker is away for a moment.
    await outside.pause();
    const notice = async () => (await gateway.get("/readyz")).text;
    await expect.poll(notice, WAIT).toContain("bridge outside: not connected to mqtt");
    // Devices of this gateway are not turned away for that.
    expect((await gateway.get("/readyz")).ok).toBe(true);
    await say(PER_ROUND);
    await outside.resume();
    await expect.poll(notice, WAIT).not.toContain("bridge outside");
    await publishRound(client, 4);
    await expect.poll(answered, WAIT).toBe(sent + PER_ROUND - 1);
    await expect.poll(() => once(went).length, WAIT).toBe(texts.length);
    expect(once(went)).toEqual(texts);
    await expect.poll(async () => (await gateway.metrics())?.get("weir_storage_lag_messages"), WAIT).toBe(0);
    expect(await gateway.stop(30_000)).toBe("code 0");
    const file = join(gateway.dataDir, "history.duckdb");
    const rows = await duckdbRows(
      file,
      "SELECT count(*) AS all_rows, count(DISTINCT value) AS different, max(value) AS newest FROM readings",
    );
    const all = String(sent + PER_ROUND);
    expect(rows).toEqual([{ all_rows: all, different: all, newest: sent + PER_ROUND - 1 }]);
  },
  150_000,
);
