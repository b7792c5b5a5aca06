import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import mqtt from "mqtt";
import { afterEach, expect, test } from "vitest";
import { startGateway } from "./kit.ts";

const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

test("while NATS stands still, no PUBACK; when it goes on, all of them, on the same connection", async () => {
  const gateway = await startGateway(undo, { files: { "rules/none.yaml": "rules: []\n" } });
  const natsPid: number = JSON.parse(await readFile(join(gateway.dataDir, "nats.json"), "utf8")).pid;
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`, { reconnectPeriod: 0 });
  undo.push(() => client.endAsync(true));
  let closed = 0;
  client.on("close", () => closed++);
  await client.publishAsync("sensors/s/d/telemetry", '{"ts": 1, "v": 0}', { qos: 1 });
  let acknowledged = 0;
  process.kill(natsPid, "SIGSTOP");
  try {
    const sent = Array.from({ length: 20 }, async (_, i) => {
      await client.publishAsync("sensors/s/d/telemetry", `{"ts": ${2 + i}, "v": ${i}}`, { qos: 1 });
      acknowledged++;
    });
    // Long enough that an acknowledgement that does not wait for the log would have arrived.
    await delay(3_000);
    expect(acknowledged).toBe(0);
    process.kill(natsPid, "SIGCONT");
    await Promise.all(sent);
  } finally {
    process.kill(natsPid, "SIGCONT");
  }
  expect(acknowledged).toBe(20);
  expect(closed).toBe(0);
  await expect
    .poll(async () => (await gateway.metrics())?.get("weir_storage_points_total"), { timeout: 20_000 })
    .toBe(21);
});
