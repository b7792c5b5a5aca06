import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { endProcess, type Peer, peerOf } from "./peer.ts";

const START_MS_MAX = 30_000;

/** The durable edge (broker and ingest) in its own process, on a running NATS. Only works in the built tree. */
export async function startEdge(folder: string, nats: { readonly url: string; readonly token: string }): Promise<Peer> {
  const main = fileURLToPath(new URL("../../gateway/main.js", import.meta.url));
  const dataDir = join(folder, "edge");
  const args = [main, "run", "edge", "--mqtt-port", "0", "--data-dir", dataDir, "--log-level", "warn"];
  const env = { ...process.env, WEIR_NATS_URL: nats.url, WEIR_NATS_TOKEN: nats.token };
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"], env });
  const untilMs = performance.now() + START_MS_MAX;
  for (;;) {
    const run: { mqttPort: number } | undefined = await readFile(join(dataDir, "run.json"), "utf8").then(
      JSON.parse,
      () => undefined,
    );
    if (run) return peerOf("weir edge", run.mqttPort, child);
    if (child.exitCode !== null || performance.now() > untilMs) {
      await endProcess(child);
      throw new Error("the edge did not start");
    }
    await delay(50);
  }
}
