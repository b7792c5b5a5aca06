import { afterEach, expect, test } from "vitest";
import { startHealthReports, watchHealth } from "./health-reports.ts";
import { createMemoryLog } from "./log/memory.ts";
import type { Health } from "./service.ts";

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

test("others see the whole health of a service, its notice included; an expected service that is silent is not ready", async () => {
  const { bus } = createMemoryLog({ nowUs: () => 0 });
  const board = watchHealth(bus, ["processors", "storage"]);
  undo.push(board.close);
  const health: Health = { ready: true, detail: "owns 8 tasks", notice: "The rule files have problems (a.yaml:3)." };
  undo.push(startHealthReports({ bus, instance: "processors-1", name: "processors", health: () => health }));
  await expect
    .poll(() => board.entries())
    .toEqual([
      { name: "processors", health },
      { name: "storage", health: { ready: false, detail: "says nothing" } },
    ]);
});
