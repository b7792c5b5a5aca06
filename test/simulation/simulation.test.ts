import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { explain } from "./divergence.ts";
import { scenarioOf } from "./scenario.ts";
import { type Outcome, simulate } from "./simulate.ts";
import { allMessages } from "./task-logs.ts";

const SEEDS = 100;
const SEEDS_PER_TEST = 10;

test.each(Array.from({ length: SEEDS / SEEDS_PER_TEST }, (_, i) => 1 + i * SEEDS_PER_TEST))(
  "after faults, consumers hold exactly what follows from the log (seeds from %i)",
  async (from) => {
    for (let seed = from; seed < from + SEEDS_PER_TEST; seed++) {
      const scenario = scenarioOf(seed);
      const outcome = await simulate(scenario);
      if (outcome.difference !== undefined) expect.fail(await explain(scenario, outcome));
    }
  },
);

test("a seed gives the same world every time", async () => {
  const digests = new Set<string>();
  for (let time = 0; time < 2; time++) digests.add(await digestOf(await simulate(scenarioOf(7))));
  expect(digests.size).toBe(1);
});

async function digestOf({ log, figures }: Outcome): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(figures));
  for (const stream of ["READINGS", "GROUPS", "WINDOWS", "ALERTS"] as const) {
    for (const { subject, storedAtUs, payload } of await allMessages(log, stream)) {
      hash.update(`${subject} ${storedAtUs} `).update(payload);
    }
  }
  return hash.digest("hex");
}

test("lost, doubled and changed results are detected", async () => {
  const scenario = scenarioOf(1);
  const { difference } = await simulate(scenario);
  expect(difference).toBeUndefined();
  for (const harm of ["lost", "doubled", "changed"] as const) {
    expect((await simulate(scenario, harm)).difference).toMatch(/^task \d: window/);
  }
});
