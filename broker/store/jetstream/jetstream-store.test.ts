import { afterAll, beforeAll, vi } from "vitest";
import { createMemoryLog } from "../../../platform/log/memory.ts";
import { logHarness } from "../testing/log-harness.ts";
import { startNats } from "../testing/nats-kit.ts";
import { describeStoreContract } from "../testing/store-contract.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });
let nats: Awaited<ReturnType<typeof startNats>>;

beforeAll(async () => {
  nats = await startNats();
});
afterAll(() => nats.stop());

describeStoreContract("JetStream", async () => {
  await nats.wipe();
  return logHarness(nats.openLog);
});

describeStoreContract("a log in memory", async () => {
  const log = createMemoryLog({ nowUs: () => 1 });
  return logHarness(async () => log);
});
