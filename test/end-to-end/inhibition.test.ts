import { connectAsync } from "mqtt";
import { afterEach, expect, test } from "vitest";
import type { OpenAlert } from "../../contracts/notifications.ts";
import { startSink } from "../../notifier/testing/test-kit.ts";
import { startGateway, weir } from "./kit.ts";

const WAIT = { timeout: 30_000, interval: 100 };
const RULES = `
rules:
  - id: gateway-hot
    where: { metric: load }
    group_by: [site]
    window: { tumbling: 1s }
    when: "> 8"
    notify: [ops]
  - id: hot
    where: { metric: temperature }
    group_by: [site, device]
    window: { tumbling: 1s }
    when: "> 8"
    notify: [ops]
    inhibited_by: [{ rule: "gateway-*", equal: [site] }]
`;
const CONFIG = `
notifier:
  inhibit_wait: 8s
  inhibit_after: 1s
  receivers:
    ops:
      - webhook: { url_env: HOOK }
`;
const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

test("consequences are held by their cause, shown with it by the command line and the API, and sent when it ends", async () => {
  const sink = await startSink();
  undo.push(() => sink.close());
  const files = { "rules/hot.yaml": RULES, "weir.yaml": CONFIG };
  const gateway = await startGateway(undo, { files, env: { HOOK: sink.url } });
  const cwd = gateway.dataDir;
  const run = async (...args: string[]) => {
    const { code, output } = await weir([...args, "--data-dir", cwd], { cwd });
    expect(code, output).toBe(0);
    return output;
  };
  const device = await connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`);
  undo.push(() => device.endAsync(true));
  const notified = () =>
    sink.received.map(({ json }) => {
      const { rule, key, state } = json.data as { rule: string; key: Record<string, string>; state: string };
      return `${rule} ${key.site} ${key.device ?? "-"} ${state}`;
    });
  const say = (site: string, name: string, metric: string, value: number) =>
    device.publishAsync(`sensors/${site}/${name}/${metric}`, String(value), { qos: 1 });

  // The consequence first, then its cause.
  await say("north", "cold-1", "temperature", 20);
  await say("south", "cold-2", "temperature", 20);
  await say("north", "gw", "load", 20);
  await expect.poll(notified, WAIT).toContain("gateway-hot north - firing");
  await expect.poll(notified, WAIT).toEqual(["gateway-hot north - firing", "hot south cold-2 firing"]);
  const alerts = JSON.parse(await run("alerts", "list", "--format", "json")) as OpenAlert[];
  const cause = alerts.find(({ rule }) => rule === "gateway-hot")?.incident ?? "";
  const held = alerts.find(({ key }) => key.device === "cold-1");
  expect(held).toMatchObject({ state: "firing", inhibitedBy: [cause], silencedBy: [] });
  expect(await run("alerts", "list", "device=cold-1")).toContain(`inhibited by ${cause}`);
  expect(await run("alerts", "deliveries", held?.incident ?? "")).toMatch(
    /firing +inhibited +0 tries, by gateway-hot-/,
  );
  const open = await fetch(`http://127.0.0.1:${gateway.info.httpPort}/api/v1/open-alerts?marked=true`);
  expect(await open.json()).toMatchObject({ alerts: [{ incident: held?.incident, inhibitedBy: [cause] }] });

  await say("north", "gw", "load", 1);
  await expect
    .poll(() => notified().slice(2), WAIT)
    .toEqual(["gateway-hot north - resolved", "hot north cold-1 firing"]);
  const delivery = async () => JSON.parse(await run("alerts", "deliveries", held?.incident ?? "", "--format", "json"));
  await expect.poll(delivery, WAIT).toMatchObject([{ outcome: "delivered", inhibitedBy: [cause] }]);
}, 120_000);
