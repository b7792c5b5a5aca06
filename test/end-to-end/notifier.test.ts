import { connectAsync } from "mqtt";
import { afterEach, expect, test } from "vitest";
import type { Delivery, OpenAlert, Silence } from "../../contracts/notifications.ts";
import { startSink } from "../../notifier/testing/test-kit.ts";
import { startGateway, tempFolder, weir } from "./kit.ts";

const WAIT = { timeout: 30_000, interval: 100 };
const RULES = `
rules:
  - id: hot
    where: { metric: temperature }
    window: { tumbling: 1s }
    aggregate: avg
    when: "> 8"
    notify: [ops]
`;
const CONFIG = `
notifier:
  receivers:
    ops:
      - webhook: { url_env: HOOK, secret_env: HOOK_SECRET, retry: { first: 50ms, max: 100ms } }
      - mqtt: { retain: true, retry: { first: 50ms, max: 100ms } }
`;
const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

test("an alert reaches a webhook and Weir's own broker, is acknowledged and silenced from the command line", async () => {
  const sink = await startSink();
  undo.push(() => sink.close());
  const gateway = await startGateway(undo, {
    files: { "rules/hot.yaml": RULES, "weir.yaml": CONFIG },
    env: { HOOK: sink.url, HOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString("base64")}` },
  });
  const cwd = gateway.dataDir;
  const run = async (...args: string[]) => {
    const { code, output } = await weir([...args, "--data-dir", cwd], { cwd });
    expect(code, output).toBe(0);
    return output;
  };
  const url = `mqtt://127.0.0.1:${gateway.info.mqttPort}`;
  const device = await connectAsync(url);
  undo.push(() => device.endAsync(true));
  const published = new Map<string, Record<string, unknown>>();
  device.on("message", (topic, payload) => published.set(topic, JSON.parse(payload.toString())));
  await device.subscribeAsync("alerts/#", { qos: 1 });
  const warm = (name: string) => device.publishAsync(`sensors/north/${name}/temperature`, "20", { qos: 1 });

  await warm("cold-1");
  await expect.poll(() => sink.received.length, WAIT).toBe(1);
  await expect.poll(() => [...published.keys()], WAIT).toEqual(["alerts/hot/cold-1"]);
  expect(published.get("alerts/hot/cold-1")).toEqual(sink.received[0]?.json);
  expect(sink.received[0]?.headers["webhook-signature"]).toMatch(/^v1,/);
  const [alert] = JSON.parse(await run("alerts", "list", "--format", "json")) as OpenAlert[];
  expect(alert).toMatchObject({ rule: "hot", state: "firing", key: { device: "cold-1" } });
  const incident = alert?.incident ?? "";
  await run("alerts", "ack", incident, "--by", "ann", "--note", "on my way");
  expect(await run("alerts", "list")).toMatch(/acknowledged by ann: on my way/);
  const deliveries = JSON.parse(await run("alerts", "deliveries", incident, "--format", "json")) as Delivery[];
  expect(deliveries.map(({ receiver, outcome }) => `${receiver} ${outcome}`).sort()).toEqual([
    "ops.mqtt delivered",
    "ops.webhook delivered",
  ]);

  expect(await run("silences", "add", "device=cold-*", "--for", "1h", "--why", "repair")).toMatch(
    /silences 1 of 1 open/,
  );
  await warm("cold-2");
  await warm("other");
  await expect.poll(() => published.has("alerts/hot/other"), WAIT).toBe(true);
  expect(published.has("alerts/hot/cold-2")).toBe(false);
  const [silence] = JSON.parse(await run("silences", "list", "--format", "json")) as Silence[];
  await run("silences", "remove", silence?.id ?? "");
  await expect.poll(() => published.has("alerts/hot/cold-2"), WAIT).toBe(true);
  // What Weir itself publishes is not a device's message: none of it became a dead letter.
  const metrics = await (await fetch(`http://127.0.0.1:${gateway.info.httpPort}/metrics`)).text();
  expect(metrics).not.toMatch(/^weir_ingest_dead_letters_total\{.*unknown-topic/m);
}, 120_000);

test("a secret that is missing ends the start with what is missing", async () => {
  const { path, remove } = await tempFolder({ "rules/hot.yaml": RULES, "weir.yaml": CONFIG });
  undo.push(remove);
  const { code, output } = await weir(["up", "--mqtt-port", "0", "--http-port", "0"], { cwd: path });
  expect(code).toBe(1);
  expect(output).toMatch(/ops\.webhook: address: the environment variable HOOK is not set/);
  expect(output).not.toContain("    at ");
});
