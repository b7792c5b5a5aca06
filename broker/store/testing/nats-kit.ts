import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { pino } from "pino";
import { connectJetStreamLog } from "../../../platform/log/jetstream.ts";
import type { Log } from "../../../platform/log/port.ts";
import { launchNatsServer } from "../../../platform/nats-server/launch.ts";

const silent = pino({ level: "silent" });
const each = { maxAgeMs: 3_600_000, maxBytes: 64 * 1_048_576 };
const retention = { readings: each, windows: each, alerts: each, deadLetters: each };

/** A NATS server of its own, in a temporary folder. */
export async function startNats() {
  const dataDir = await mkdtemp(join(tmpdir(), "weir-store-"));
  const server = await launchNatsServer({ dataDir, logger: silent });
  return {
    server,
    openLog(): Promise<Log> {
      const { url: servers, token } = server;
      return connectJetStreamLog({ servers, token, name: "store", partitions: 1, retention, logger: silent });
    },
    async wipe(): Promise<void> {
      const nc = await connect({ servers: server.url, token: server.token });
      const jsm = await jetstreamManager(nc);
      for await (const { config } of jsm.streams.list()) {
        if (config.name.startsWith("MQTT_")) await jsm.streams.delete(config.name);
      }
      await nc.close();
    },
    async stop(): Promise<void> {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
