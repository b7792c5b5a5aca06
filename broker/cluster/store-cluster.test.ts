import { afterAll, beforeAll, vi } from "vitest";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Log } from "../../platform/log/port.ts";
import { logHarness } from "../store/testing/log-harness.ts";
import { memoryHarness } from "../store/testing/memory-harness.ts";
import { startNats } from "../store/testing/nats-kit.ts";
import { describeCluster } from "./testing/cluster-contract.ts";
import { clusterHarness } from "./testing/cluster-kit.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });
let nats: Awaited<ReturnType<typeof startNats>>;
const logs: Log[] = [];

beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => {
  await Promise.all(logs.map((log) => log.close()));
  await nats.stop();
});

describeCluster("in memory", async () => {
  const { bus } = createMemoryLog({ nowUs: () => 1 });
  return clusterHarness(memoryHarness(), async () => bus);
});

describeCluster("over NATS", async () => {
  await nats.wipe();
  return clusterHarness(logHarness(nats.openLog), async () => {
    const log = await nats.openLog();
    logs.push(log);
    return log.bus;
  });
});
