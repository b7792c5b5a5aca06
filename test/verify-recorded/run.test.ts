import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, expect, it } from "vitest";
import { beijingAirFolder } from "../../simulators/beijing-air.ts";
import { verifyRecorded } from "./run.ts";

const run = promisify(execFile);

// The gateway runs as its users run it: built, in a process of its own.
beforeAll(async () => {
  await run(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"]);
});

it("stores all of the shipped recording, right to the last alert, although it is killed on the way", async () => {
  const report = await verifyRecorded({ folder: beijingAirFolder(), killGateway: 1, killNats: 1, seed: 3 });
  expect(report.checks.filter(({ equal }) => !equal)).toEqual([]);
  expect(report.checks.find(({ what }) => what === "readings")?.got).toBe(226_408);
  expect(report.checks.find(({ what }) => what === "alert changes: firing")?.got).toBeGreaterThan(100);
  expect(report.kills).toEqual({ gateway: 1, nats: 1 });
}, 180_000);
