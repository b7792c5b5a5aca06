import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { startGateway } from "./kit.ts";

const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

test("WebSockets that are reset before they log in: the gateway goes on and acknowledges", async () => {
  const files = { "rules/none.yaml": "rules: []\n" };
  const gateway = await startGateway(undo, { files, flags: ["--mqtt-ws-port", "0"] });
  const { mqttWsPort }: { readonly mqttWsPort: number } = JSON.parse(
    await readFile(join(gateway.dataDir, "run.json"), "utf8"),
  );
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`, { reconnectPeriod: 0 });
  undo.push(() => client.endAsync(true));
  let acknowledged = 0;
  for (let n = 0; n < 5; n++) {
    const socket = connect(mqttWsPort, "127.0.0.1");
    const webSocket = new WebSocket(`ws://127.0.0.1:${mqttWsPort}/mqtt`, "mqtt", { createConnection: () => socket });
    webSocket.on("error", () => {});
    await new Promise((resolve) => webSocket.once("open", resolve));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.resetAndDestroy();
    await closed;
    void client
      .publishAsync("sensors/s/d/telemetry", `{"ts": ${n + 1}, "v": ${n}}`, { qos: 1 })
      .then(() => acknowledged++);
    const state = () => ({ running: gateway.running, acknowledged });
    await expect.poll(state, { timeout: 20_000 }).toEqual({ running: true, acknowledged: n + 1 });
  }
  expect(client.connected).toBe(true);
});
