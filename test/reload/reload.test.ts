import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { reload } from "./run.ts";

test("rules that are edited while readings come in leave no gap and no repeat", async () => {
  const distDir = fileURLToPath(new URL("../../build", import.meta.url));
  const said: string[] = [];
  const report = await reload({
    reloads: 15,
    rate: 1_000,
    devices: 20,
    manyRules: 40,
    siteLatenessMs: 3_000,
    seed: 5,
    partitions: 4,
    quietMs: 0,
    footprints: 2,
    distDir,
    say: (text) => said.push(text),
  });
  expect(report.differences, said.join("\n")).toEqual([]);
  expect(report.reloads.length).toBe(16);
  expect(report.refusals).toBeGreaterThan(0);
  expect(report.steadyWindows).toBeGreaterThan(100);
  expect(report.keptIncidents).toBe(20);
}, 300_000);
