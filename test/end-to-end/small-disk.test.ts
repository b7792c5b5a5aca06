import { once } from "node:events";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterEach, expect, test, vi } from "vitest";
import { smallDisk, startOn, type Undo } from "./disk-kit.ts";
import { duckdbRows, tempFolder, weir } from "./kit.ts";

vi.setConfig({ testTimeout: 180_000 });
const undo: Undo = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

test("on 300 MiB of disk, a gateway starts with smaller streams, stores readings and stops; so does the next", async (context) => {
  const disk = await smallDisk(300, undo);
  if ("reason" in disk) return context.skip(disk.reason);
  for (const stored of [100, 200]) {
    const { child, said, mqttPort, dataDir, cwd } = await startOn(disk.path, { undo });
    const lines = said.err.split("\n").filter((line) => line.includes("the log keeps"));
    expect(lines).toEqual([
      expect.stringMatching(/this disk has \d+(\.\d)? MiB free: the log keeps 1\d\d.* MiB \(readings/),
    ]);
    expect(said.err).not.toMatch(/no room|differs|stays/);
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${mqttPort}`);
    for (let i = 0; i < 100; i++) {
      const payload = JSON.stringify({ ts: Date.now(), temperature: i });
      await client.publishAsync("sensors/s/d/telemetry", payload, { qos: 1 });
    }
    await client.endAsync();
    const show = await weir(["log", "show", "--data-dir", dataDir], { cwd });
    expect(show.output).toMatch(/^READINGS +1d +\d\d+(\.\d)? MiB +[1-9]/m);
    const apply = await weir(["log", "apply", "--data-dir", dataDir], { cwd });
    expect(apply.output).toMatch(/the streams are as weir\.yaml says\n$/);
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
    const rows = await duckdbRows(join(dataDir, "history.duckdb"), "SELECT count(*) AS count FROM readings");
    expect(rows).toEqual([{ count: String(stored) }]);
  }
});

test("on 20 MiB of disk, a start ends at once, and says what there is and what it needs", async (context) => {
  const disk = await smallDisk(20, undo);
  if ("reason" in disk) return context.skip(disk.reason);
  const { path, remove } = await tempFolder();
  undo.push(remove);
  const dataDir = join(disk.path, "data");
  const { code, output } = await weir(["up", "--data-dir", dataDir, "--mqtt-port", "0", "--http-port", "0"], {
    cwd: path,
  });
  expect(code).toBe(1);
  const lines = output.split("\n").filter((line) => line.includes("the log needs"));
  expect(lines).toEqual([
    expect.stringMatching(/^the disk of the data folder has [\d.]+ MiB free, and the log needs 185 MiB: .*--data-dir/),
  ]);
  expect(output).not.toMatch(/ {4}at |no room/);
});
