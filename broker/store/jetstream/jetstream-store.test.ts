import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { pino } from "pino";
import { afterAll, beforeAll, vi } from "vitest";
import { connectJetStreamLog } from "../../../platform/log/jetstream.ts";
import { createMemoryLog } from "../../../platform/log/memory.ts";
import { type LaunchedNatsServer, launchNatsServer } from "../../../platform/nats-server/launch.ts";
import { logHarness } from "../testing/log-harness.ts";
import { describeStoreContract } from "../testing/store-contract.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 20_000 });
const silent = pino({ level: "silent" });
const each = { maxAgeMs: 3_600_000, maxBytes: 64 * 1_048_576 };
const retention = { readings: each, windows: each, alerts: each, deadLetters: each };
let dataDir: string;
let server: LaunchedNatsServer;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weir-store-"));
  server = await launchNatsServer({ dataDir, logger: silent });
});
afterAll(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

function openLog() {
  const { url: servers, token } = server;
  return connectJetStreamLog({ servers, token, name: "store", partitions: 1, retention, logger: silent });
}

describeStoreContract("JetStream", async () => {
  const nc = await connect({ servers: server.url, token: server.token });
  const jsm = await jetstreamManager(nc);
  for await (const { config } of jsm.streams.list()) {
    if (config.name.startsWith("MQTT_")) await jsm.streams.delete(config.name);
  }
  await nc.close();
  return logHarness(openLog);
});

describeStoreContract("a log in memory", async () => {
  const log = createMemoryLog({ nowUs: () => 1 });
  return logHarness(async () => log);
});
