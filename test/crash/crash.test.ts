import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { crash } from "./run.ts";

test("processors that are killed while readings arrive lose nothing and double nothing", async () => {
  const distDir = fileURLToPath(new URL("../../build", import.meta.url));
  const said: string[] = [];
  const report = await crash({
    kills: 3,
    rate: 2_000,
    seed: 3,
    upMsMax: 4_000,
    partitions: 4,
    distDir,
    sample: { devices: 12, sites: 2 },
    afterMs: 4_000,
    say: (text) => said.push(text),
  });
  expect(report.differences, said.join("\n")).toEqual([]);
  expect(report.kills).toBe(3);
  expect(report.windows).toBeGreaterThan(report.readings / 10);
  expect(report.alerts).toBeGreaterThan(100);
  expect(report.forwarded).toBeGreaterThan(report.readings / 10);
  expect(report.byOracle.windows).toBeGreaterThan(100);
}, 180_000);
