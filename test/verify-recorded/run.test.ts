import { expect, it } from "vitest";
import { beijingAirFolder } from "../../simulators/beijing-air.ts";
import { verifyRecorded } from "./run.ts";

// The gateway runs as users run it: built, in a separate process.
it("stores all of the shipped recording, correct to the last alert, despite kills along the way", async () => {
  const report = await verifyRecorded({ folder: beijingAirFolder(), killGateway: 1, killNats: 1, seed: 3 });
  expect(report.checks.filter(({ equal }) => !equal)).toEqual([]);
  expect(report.checks.find(({ what }) => what === "readings")?.got).toBe(226_408);
  expect(report.checks.find(({ what }) => what === "alert changes: firing")?.got).toBeGreaterThan(100);
  // Its log, its store and the recording yield the same alert changes again.
  const again = report.checks.filter(({ what }) => /^backtest over [^:]+$/.test(what)).map(({ got }) => got);
  expect(again).toHaveLength(5);
  expect(Math.min(...again)).toBeGreaterThan(2_000);
  expect(report.kills).toEqual({ gateway: 1, nats: 1 });
}, 400_000);
