import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import mqtt from "mqtt";
import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { launchNatsServer } from "../../platform/nats-server/launch.ts";
import { WeirProcess } from "../servers/weir-process.ts";
import { duckdbRows, type Ended, startGateway, tempFolder, WEIR, watchAlerts, weir } from "./kit.ts";

const WAIT = { timeout: 40_000, interval: 100 };
const RULES = `
rules:
  - id: press-hot
    where: { metric: temperature }
    window: { tumbling: 1s }
    aggregate: max
    when: "> 50"
`;
const MENDED = `
sources:
  - topic: "plant/{site}/{device}"
`;
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function publish(port: number, messages: readonly (readonly [string, string])[]): Promise<void> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`);
  try {
    for (const [topic, payload] of messages) await client.publishAsync(topic, payload, { qos: 1 });
  } finally {
    await client.endAsync();
  }
}

test("what was refused is retried after weir.yaml was fixed: reading, window and alert appear, each once", async () => {
  const gateway = await startGateway(undo, { files: { "rules/hot.yaml": RULES }, keepHttpPort: true });
  const command = (...args: string[]): Promise<Ended> =>
    weir(["deadletters", ...args], { cwd: gateway.dataDir, env: { WEIR_DATA_DIR: "." } });
  await publish(gateway.info.mqttPort, [
    ["plant/north/press-1", '{"temperature": 61.5}'],
    ["plant/north/press-2", '{"temperature": 20'],
  ]);
  const listed = await command("list", "--format", "json");
  const letters: { sequence: number; reason: string; receivedAtUs: number; retryable: boolean }[] = JSON.parse(
    listed.output,
  );
  expect(letters).toMatchObject([
    { sequence: 2, reason: "unknown-topic" },
    { sequence: 1, reason: "unknown-topic", topic: "plant/north/press-1", retryable: true },
  ]);
  const cameAtUs = letters[1]?.receivedAtUs ?? 0;
  expect(await gateway.stop(30_000)).toBe("code 0");

  // The command without a running gateway.
  const alone = await command("retry", "1");
  expect(alone).toMatchObject({
    code: 1,
    output: expect.stringMatching(/no gateway is running in this folder|is the gateway running/),
  });

  await writeFile(join(gateway.dataDir, "weir.yaml"), MENDED);
  await gateway.start();
  const { changes } = await watchAlerts(undo, gateway.info.httpPort);
  const retried = await command("retry", "--all");
  expect(retried.code).toBe(2);
  expect(retried.output).toMatch(/2 +refused\b.*letter 3 says why/);
  expect(retried.output).toContain("2 letters: 1 stored, 1 refused");
  await expect.poll(() => changes.filter(({ state }) => state === "firing").length, WAIT).toBe(1);
  const [fired] = changes;
  expect(fired).toMatchObject({ rule: "press-hot", key: { device: "press-1" }, value: 61.5 });
  expect(fired?.evidence.window.startUs).toBe(Math.floor(cameAtUs / 1e6) * 1e6);

  const again = await command("retry", "1");
  expect(again).toMatchObject({ code: 0, output: expect.stringMatching(/already-done .*1 reading went into the log/) });
  const shown = await command("show", "3");
  expect(shown.output).toMatch(/retry of +letter 2\n/);
  expect(shown.output).toContain('\n{"temperature": 20');
  const stats = async () => (await gateway.metrics())?.get("weir_storage_lag_messages");
  await expect.poll(stats, WAIT).toBe(0);
  expect(await gateway.stop(30_000)).toBe("code 0");
  const file = join(gateway.dataDir, "history.duckdb");
  const readings = "SELECT device, metric, epoch_us(time) AS at FROM readings";
  expect(await duckdbRows(file, readings)).toEqual([
    { device: "press-1", metric: "temperature", at: String(cameAtUs) },
  ]);
  const windows = "SELECT epoch_us(start_time) AS start, aggregate, value FROM windows WHERE aggregate = 'max'";
  expect(await duckdbRows(file, windows)).toEqual([
    { start: String(Math.floor(cameAtUs / 1e6) * 1e6), aggregate: "max", value: 61.5 },
  ]);
}, 120_000);

test("an order over HTTP reaches the ingest of another process, also after that was killed", async () => {
  const { path, remove } = await tempFolder({ "weir.yaml": MENDED });
  undo.push(remove);
  const nats = await launchNatsServer({ dataDir: join(path, "nats"), logger: pino({ level: "silent" }) });
  undo.push(() => nats.stop());
  const make = (name: string, flags: readonly string[], config: string) => {
    const one = new WeirProcess({
      command: [process.execPath, WEIR],
      args: ["run", name, ...flags],
      dataDir: join(path, name),
      env: { WEIR_NATS_URL: nats.url, WEIR_NATS_TOKEN: nats.token, ...(config === "" ? {} : { WEIR_CONFIG: config }) },
      startMsMax: 60_000,
    });
    undo.push(() => one.kill());
    return one;
  };
  const [edge, feed] = [make("edge", ["--mqtt-port", "0"], ""), make("feed", ["--http-port", "0"], "")];
  await Promise.all([edge.start(), feed.start()]);
  await publish(edge.ports.mqttPort ?? 0, [["plant/south/press-9", '{"temperature": 1}']]);
  await edge.kill();
  const api = `http://127.0.0.1:${feed.ports.httpPort}/api/v1/dead-letters`;
  const retry = async () => {
    const answer = await fetch(`${api}/1/retry`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    const { code, outcome } = (await answer.json()) as { code?: string; outcome?: string };
    return `${answer.status} ${code ?? outcome}`;
  };
  expect(await retry()).toBe("503 ingest-unavailable");
  const mended = make("edge", ["--mqtt-port", "0"], join(path, "weir.yaml"));
  await mended.start();
  await expect.poll(retry, WAIT).toBe("200 stored");
  expect(await retry()).toBe("200 already-done");
  const letter = await (await fetch(`${api}/1`)).json();
  expect(letter).toMatchObject({ retryable: false, retry: { outcome: "stored", readings: 1 } });
}, 120_000);

test("unwanted topics are counted, ignored from then on, and dismissed; what is left is easy to see", async () => {
  const gateway = await startGateway(undo, { files: { "rules/none.yaml": "rules: []\n" }, keepHttpPort: true });
  const command = (...args: string[]): Promise<Ended> =>
    weir(["deadletters", ...args], { cwd: gateway.dataDir, env: { WEIR_DATA_DIR: "." } });
  const noise = Array.from({ length: 30 }, (_, i) => [`noise/d${i}/config`, "{}"] as const);
  const port = gateway.info.mqttPort;
  await publish(port, [...noise, ["sensors/north/press-1/telemetry", '{"t": é'], ["plant/x", "{}"]]);
  const counted = await command("topics");
  expect(counted.output).toMatch(/^ +30 .* noise\/\+\/config: unknown-topic 30\n/);
  const shown = await command("show", "31");
  expect(shown.output).toMatch(/source +sensors\/\{site\}\/\{device\}\/telemetry\n/);
  expect(shown.output).toMatch(/bad byte +6\n/);
  expect(shown.output).toMatch(/advice +A retry helps if the source's `format` or mapping is wrong/);
  const unknown = await command("show", "32");
  expect(unknown.output).toContain('the nearest is sensors/{site}/{device}/telemetry: level 1 is "plant", not sensors');

  await gateway.stop(30_000);
  const ignoring = 'sources:\n  - { topic: "noise/#", ignore: true }\n  - topic: "sensors/{site}/{device}/telemetry"\n';
  await writeFile(join(gateway.dataDir, "weir.yaml"), ignoring);
  await gateway.start();
  await publish(port, noise);
  const dismissed = await command("dismiss", "--topic", "noise/#");
  expect(dismissed).toMatchObject({ code: 0, output: expect.stringContaining("30 letters are deleted\n") });
  const left = JSON.parse((await command("list", "--format", "json")).output);
  expect(left.map(({ topic }: { topic: string }) => topic)).toEqual(["plant/x", "sensors/north/press-1/telemetry"]);

  const api = `http://127.0.0.1:${gateway.info.httpPort}/api/v1/dead-letters`;
  const json = { method: "POST", headers: { "content-type": "application/json" } };
  const answer = await fetch(`${api}/dismiss`, { ...json, body: '{"sequences": [32]}' });
  expect(await answer.json()).toMatchObject({ dismissed: 1 });
  expect(await (await fetch(`${api}/topics`)).json()).toMatchObject({
    topics: [{ topic: "sensors/north/press-1/telemetry", letters: 1 }],
    counted: 1,
  });
  expect(await (await fetch(api)).json()).toMatchObject({ total: 1, reasons: { "bad-payload": 1 } });
  const both = await fetch(`${api}/dismiss`, { ...json, body: '{"sequences": [31], "topic": "a"}' });
  expect(both.status).toBe(400);
}, 90_000);
