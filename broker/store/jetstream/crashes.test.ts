import fc from "fast-check";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createMemoryLog } from "../../../platform/log/memory.ts";
import { runWithCrashes, steps } from "../testing/crash-model.ts";
import { logHarness } from "../testing/log-harness.ts";
import { memoryHarness } from "../testing/memory-harness.ts";
import { startNats } from "../testing/nats-kit.ts";
import { silenced } from "../testing/silenced-log.ts";
import type { StoreHarness } from "../testing/store-kit.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 60_000 });
let nats: Awaited<ReturnType<typeof startNats>>;
let runs = 0;
const failures: string[] = [];

beforeAll(async () => {
  nats = await startNats();
});
afterAll(() => nats.stop());

/** fast-check prints the seed and the shortest steps of a failure. */
async function check(numRuns: number, setup: () => StoreHarness): Promise<void> {
  const property = fc.asyncProperty(steps, async (all) => {
    const harness = setup();
    try {
      await runWithCrashes(harness, `run ${runs++}`, all);
    } finally {
      await harness.close();
    }
  });
  await fc.assert(property, { numRuns, endOnFailure: numRuns < 200 });
  expect(failures).toEqual([]);
}

test("in memory, any crashes keep what was promised", () => check(300, memoryHarness));

test("over a log in memory, any crashes keep what was promised", () =>
  check(150, () => {
    const log = createMemoryLog({ nowUs: () => 1 });
    return logHarness(async () => log, failures);
  }));

test("before the places of older messages are known, any crashes keep what was promised", () =>
  check(100, () => {
    const log = createMemoryLog({ nowUs: () => 1 });
    return logHarness(async () => silenced(log, ({ headersOnly }) => headersOnly === true), failures);
  }));

test("over NATS, any crashes keep what was promised", () => check(12, () => logHarness(nats.openLog, failures)));
