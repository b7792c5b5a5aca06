import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { freePort } from "../../servers/free-port.ts";
import { Child } from "./child.ts";
import type { Cluster } from "./cluster.ts";

/**
 * A broker that keeps sessions in memory: it passes without kills, and every kill must show in the differences. Checks
 * that the run can fail.
 */
export async function startMosquittoCluster(): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), "weir-broker-kills-"));
  const port = await freePort();
  const config = join(folder, "mosquitto.conf");
  const lines = [`listener ${port} 127.0.0.1`, "allow_anonymous true", "max_queued_messages 0", "log_type error"];
  if (process.getuid?.() === 0) lines.push("user root");
  await writeFile(config, `${lines.join("\n")}\n`);
  const broker = new Child({
    name: "mosquitto",
    port,
    command: ["mosquitto", "-c", config],
    cwd: folder,
    env: { PATH: [process.env.PATH, "/usr/sbin"].join(delimiter) },
    endsBySignal: true,
  });
  broker.start();
  return {
    edges: [broker],
    log: undefined,
    failures: () => broker.failures,
    said: () => broker.said,
    async stop() {
      await broker.kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
