import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { connectJetStreamLog } from "../../../platform/log/jetstream.ts";
import type { Log } from "../../../platform/log/port.ts";
import { launchNatsServer } from "../../../platform/nats-server/launch.ts";
import { freePort } from "../../servers/free-port.ts";
import { SOURCES } from "../common/topics.ts";
import { Child } from "./child.ts";
import type { Cluster, Victim } from "./cluster.ts";

export interface WeirCluster extends Cluster {
  /** Opens the log, to read what was stored. Its caller closes it. */
  openLog(): Promise<Log>;
}

export const PARTITIONS = 2;
const KEEP = { max_age: "10d", max_size: "8GiB" };

/** Real edges on a real NATS server, in a folder of their own. */
export async function startWeirCluster(options: {
  readonly edges: number;
  /** The built tree with `gateway/main.js`. */
  readonly distDir: string;
}): Promise<WeirCluster> {
  const folder = await mkdtemp(join(tmpdir(), "weir-broker-kills-"));
  const logger = pino({ level: "silent" });
  const natsDir = join(folder, "nats");
  const nats = await launchNatsServer({ dataDir: natsDir, logger });
  const configFile = join(folder, "weir.yaml");
  // No bound may drop anything: what is lost is a fault.
  const limits = {
    queued_per_session_max: 5_000_000,
    queued_size_max: "4GiB",
    session_expiry: "10d",
    inflight_per_client_max: 1_000,
  };
  const log = { readings: KEEP, dead_letters: KEEP };
  await writeFile(configFile, JSON.stringify({ partitions: PARTITIONS, sources: SOURCES, log, broker: { limits } }));
  await mkdir(join(folder, "rules"));
  const env = { WEIR_NATS_URL: nats.url, WEIR_NATS_TOKEN: nats.token, WEIR_RULES_DIR: join(folder, "rules") };
  const program = join(options.distDir, "gateway", "main.js");
  const edges: Child[] = [];
  for (let i = 1; i <= options.edges; i++) {
    const port = await freePort();
    const dataDir = join(folder, `edge-${i}`);
    await mkdir(dataDir);
    const args = ["run", "edge", "--mqtt-port", String(port), "--data-dir", dataDir, "--config", configFile];
    edges.push(
      new Child({ name: `edge ${i}`, port, command: [process.execPath, program, ...args], cwd: dataDir, env }),
    );
  }
  for (const edge of edges) edge.start();
  return {
    edges,
    log: new SupervisedNats(natsDir),
    failures: () => edges.flatMap(({ failures }) => failures),
    said: () => edges.map((edge) => `${edge.name}:\n${edge.said.slice(-4_000)}`).join("\n"),
    openLog: () =>
      connectJetStreamLog({
        servers: nats.url,
        token: nats.token,
        name: "broker-kills",
        partitions: PARTITIONS,
        retention: { readings: kept(), windows: kept(), alerts: kept(), deadLetters: kept() },
        logger,
      }),
    async stop() {
      await Promise.all(edges.map((edge) => edge.kill()));
      await nats.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function kept(): { readonly maxAgeMs: number; readonly maxBytes: number } {
  return { maxAgeMs: 864_000_000, maxBytes: 8 * 2 ** 30 };
}

/** The supervisor of the product starts it again, on the same port and data. */
class SupervisedNats implements Victim {
  readonly name = "nats";
  readonly port = 0;
  readonly isAlive = true;
  readonly #dataDir: string;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  start(): void {}

  async kill(): Promise<void> {
    await this.#signal("SIGKILL");
  }

  async terminate(): Promise<undefined> {
    await this.#signal("SIGTERM");
  }

  async #signal(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    try {
      const { pid }: { pid: number } = JSON.parse(await readFile(join(this.#dataDir, "nats.json"), "utf8"));
      process.kill(pid, signal);
    } catch {
      // It is being started right now.
    }
  }
}
