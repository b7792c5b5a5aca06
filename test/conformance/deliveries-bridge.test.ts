import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect, it } from "vitest";
import { freePort } from "../servers/free-port.ts";
import { withWeir } from "./deliveries-kit.ts";
import { Client } from "./wire/client.ts";

/** Mosquitto as a bridge: its will and its state are on a topic below $SYS. */

async function withBridge(
  options: { readonly weirPort: number; readonly protocol: string },
  act: (port: number) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weir-bridge-"));
  const port = await freePort();
  const lines = [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    ...(process.getuid?.() === 0 ? ["user root"] : []),
    "connection to-weir",
    `address 127.0.0.1:${options.weirPort}`,
    `bridge_protocol_version ${options.protocol}`,
    "restart_timeout 1",
    "topic sensors/# out 1",
    "topic orders/# in 1",
  ];
  await writeFile(join(folder, "mosquitto.conf"), `${lines.join("\n")}\n`);
  const env = { ...process.env, PATH: [process.env.PATH, "/usr/sbin"].join(delimiter) };
  const server: ChildProcess = spawn("mosquitto", ["-c", join(folder, "mosquitto.conf")], { stdio: "ignore", env });
  const ended = new Promise((resolve) => server.once("close", resolve));
  try {
    await act(port);
  } finally {
    server.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  }
}

it.each(["mqttv311", "mqttv50"])(
  "a bridge that announces its state below $SYS stays connected: %s",
  async (protocol) => {
    await withWeir({ version: 4 }, async (t, weir) => {
      await withBridge({ weirPort: weir.target.tcp.port, protocol }, async (port) => {
        // Until the bridge's broker listens and the bridge is up, nothing comes back from it.
        const back = await t.connect({ id: "back" });
        const target = { name: "mosquitto", tcp: { host: "127.0.0.1", port } };
        let local: Client | undefined;
        const connectLocal = async () => {
          const client = new Client({ target, transport: "tcp", version: 4, onViolation: () => {} });
          try {
            await client.connect({ id: "local" });
            await client.subscribe("orders/#");
            local = client;
          } catch {
            client.cut();
          }
        };
        const sensors = () => weir.broker.gate.texts.filter((text) => text.startsWith("sensors/"));
        const endMs = performance.now() + 20_000;
        while (performance.now() < endMs && (sensors().length === 0 || (local?.received.length ?? 0) === 0)) {
          if (local === undefined) await connectLocal();
          await local?.publish("sensors/a/b", "1", { qos: 1 });
          await back.publish("orders/a", "x", { qos: 1 });
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        expect(sensors()).toContain("sensors/a/b 1");
        expect((await local?.message())?.payload).toBe("x");
        // It would connect again and again if its announcement closed the connection.
        expect(weir.broker.log.filter((line) => /refus|drop/i.test(JSON.stringify(line))).length).toBeLessThan(4);
        (local as Client | undefined)?.cut();
      });
    });
  },
  60_000,
);
