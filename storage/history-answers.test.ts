import { expect, it } from "vitest";
import { HISTORY_EXTENT } from "../contracts/history.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import { answerHistory } from "./history-answers.ts";
import { storeDeps, testDeps } from "./testing/testing.ts";

it("a write-only store refuses queries with the reason", async () => {
  const { bus } = createMemoryLog({ nowUs: () => 0 });
  const deps = testDeps();
  const stop = answerHistory({ bus, name: "Kafka topic weir", history: undefined, events: storeDeps(deps).events });
  await expect(bus.request(HISTORY_EXTENT, {})).rejects.toThrow(
    "Kafka topic weir is write-only, so it has no history to query",
  );
  expect(await deps.figure("weir_storage_questions_total")).toBe(1);
  stop();
});
