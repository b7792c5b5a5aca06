import type { TestEntry } from "../../engine/testing/step-kit.ts";
import type { Scenario } from "./scenario.ts";
import { shrinkLog, shrinkScenario } from "./shrink.ts";
import { type Outcome, simulate } from "./simulate.ts";
import { stepDifference } from "./step-fold.ts";
import { entriesOf } from "./task-logs.ts";

/** Describes a divergence, with its smallest case as a test to paste. */
export async function explain(scenario: Scenario, outcome: Outcome): Promise<string> {
  const { seed } = scenario;
  const head = `seed ${seed} diverges: ${outcome.difference}\nfaults injected:\n${outcome.counts}\n`;
  const entries = (await entriesOf(outcome.log, outcome.task)).map(({ entry }) => entry);
  const { task } = outcome;
  if (stepDifference(task, entries) !== undefined) {
    const small = await shrinkLog(entries, async (fewer) => stepDifference(task, fewer) !== undefined);
    return `${head}The step alone differs from the oracle, without any fault. The smallest log:\n${logTest(seed, task, small)}`;
  }
  const small = await shrinkScenario(scenario, async (smaller) => (await simulate(smaller)).difference !== undefined);
  const { difference } = await simulate(small);
  return `${head}The step alone agrees with the oracle. The smallest scenario: ${difference}\n${scenarioTest(small)}`;
}

/** Whether the step alone, without faults or runners, agrees with the oracle on the task's log. */
export async function stepAgrees({ log, task }: Outcome): Promise<boolean> {
  const entries = (await entriesOf(log, task)).map(({ entry }) => entry);
  return stepDifference(task, entries) === undefined;
}

function logTest(seed: number, task: number, entries: readonly TestEntry[]): string {
  const lines = entries.map((entry) => `  ${JSON.stringify(entry)},`).join("\n");
  return `${stepDifference(task, entries)}
test("seed ${seed}", () => {
  const entries: TestEntry[] = [
${lines}
  ];
  expect(stepDifference(${task}, entries)).toBeUndefined();
});
`;
}

function scenarioTest(scenario: Scenario): string {
  const fields = Object.entries(scenario).map(([name, value]) =>
    Array.isArray(value) && value.length > 0
      ? `    ${name}: [\n${value.map((item) => `      ${JSON.stringify(item)},`).join("\n")}\n    ],`
      : `    ${name}: ${JSON.stringify(value)},`,
  );
  return `test("seed ${scenario.seed}", async () => {
  const scenario: Scenario = {
${fields.join("\n")}
  };
  expect((await simulate(scenario)).difference).toBeUndefined();
});
`;
}
