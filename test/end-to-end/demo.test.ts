import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import type { AlertChange } from "../../domain/alert.ts";
import type { GatewayProcess } from "../servers/gateway-process.ts";
import { startGateway, tempFolder, weir } from "./kit.ts";

const RULES = fileURLToPath(new URL("../../rules", import.meta.url));
const US_PER_YEAR = 365 * 86_400_000_000;
const WAIT = { timeout: 45_000, interval: 200 };
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Alerts that began to fire in event time after `fromUs`. */
async function firedAfter(gateway: GatewayProcess, fromUs: number): Promise<readonly AlertChange[]> {
  const { ok, text } = await gateway.get(
    `/api/v1/alerts?state=all&limit=10000&from=${fromUs}&to=${fromUs + US_PER_YEAR}`,
  );
  const changes: AlertChange[] = ok ? JSON.parse(text).alerts : [];
  return changes.filter(({ state }) => state === "firing");
}

test("the demo ends cleanly, and the next start goes on in event time", async () => {
  const gateway = await startGateway(undo, { rulesDir: RULES, flags: ["--demo"] });
  const recordingUs = Date.UTC(2015, 10, 27) * 1000;
  await expect.poll(() => firedAfter(gateway, recordingUs), WAIT).not.toEqual([]);
  expect(await gateway.stop(30_000)).toBe("code 0");
  expect(await gateway.endLeftovers()).toBe(0);
  const { playedUntilUs } = JSON.parse(await readFile(join(gateway.dataDir, "demo.json"), "utf8"));
  expect(playedUntilUs).toBeGreaterThan(recordingUs);

  await gateway.start();
  await expect.poll(() => firedAfter(gateway, playedUntilUs + 1), WAIT).not.toEqual([]);
  // Nothing of the second run repeats the first one: each change is there once.
  const changes = await firedAfter(gateway, recordingUs);
  expect(new Set(changes.map(({ id }) => id)).size).toBe(changes.length);
  expect(await gateway.stop(30_000)).toBe("code 0");
  expect(await gateway.endLeftovers()).toBe(0);
  // Each task resumed from its saved state.
  const logText = await gateway.logText();
  expect(logText.match(/"msg":"tasks taken"/g)).toHaveLength(2);
  expect(logText).not.toContain("checkpoint not usable");
});

test("a stop in the middle of the start leaves no server behind", async () => {
  const { path, remove } = await tempFolder({ "rules/none.yaml": "rules: []\n" });
  undo.push(remove);
  const args = ["up", "--mqtt-port", "0", "--http-port", "0", "--data-dir", join(path, "data")];
  const { code, output } = await weir(args, { cwd: path, untilOutput: "started nats-server" });
  expect(code, output).toBe(0);
  const pid = Number(/started nats-server \S+ \(process (\d+)\)/.exec(output)?.[1]);
  expect(pid).toBeGreaterThan(0);
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});
