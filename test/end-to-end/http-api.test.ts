import mqtt from "mqtt";
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { describedApi } from "../../dashboard-feed/testing/described-api.ts";
import { startSink } from "../../notifier/testing/test-kit.ts";
import { startGateway } from "./kit.ts";

const WAIT = { timeout: 40_000, interval: 200 };
const RULES = `
rules:
  - id: too-warm
    where: { metric: temperature }
    window: { tumbling: 1s }
    aggregate: [avg, max]
    when: "> 8"
    annotations: { summary: "{{ device }} is too warm" }
    notify: [ops]
`;
const CONFIG = `
notifier:
  receivers:
    ops:
      - webhook: { url_env: HOOK, secret_env: HOOK_SECRET }
`;
const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

test("every operation of a whole gateway answers as docs/openapi.yaml has it", async () => {
  const sink = await startSink();
  undo.push(() => sink.close());
  const gateway = await startGateway(undo, {
    files: { "rules/warm.yaml": RULES, "weir.yaml": CONFIG },
    env: { HOOK: sink.url, HOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString("base64")}` },
  });
  const base = `http://127.0.0.1:${gateway.info.httpPort}`;
  async function ask<S extends z.ZodType>(
    method: string,
    path: string,
    schema: S,
    body?: unknown,
  ): Promise<z.output<S>> {
    const { status, value } = await describedApi.ask(method, `${base}${path}`, { body });
    expect(status, `${method} ${path}: ${JSON.stringify(value)}`).toBe(200);
    return schema.parse(value);
  }
  const any = z.unknown();
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${gateway.info.mqttPort}`);
  undo.push(() => client.endAsync(true));
  await client.publishAsync("sensors/north/cold-1/telemetry", '{"temperature": 20, "door": "open"}', { qos: 1 });
  await client.publishAsync("sensors/north/cold-1/telemetry", '{"temperature": 20,, }', { qos: 1 });

  const alerts = z.object({ alerts: z.array(z.object({ incident: z.string(), device: z.string().optional() })) });
  await expect.poll(async () => (await ask("GET", "/api/v1/alerts", alerts)).alerts.length, WAIT).toBe(1);
  const [alert] = (await ask("GET", "/api/v1/open-alerts", alerts)).alerts;
  const incident = `/api/v1/alerts/${encodeURIComponent(alert?.incident ?? "")}`;
  await ask("GET", incident, any);
  const explained = z.object({ explanation: z.object({ steps: z.array(z.unknown()).min(1) }) });
  await ask("GET", `${incident}/explanation`, explained);
  const deliveriesAnswer = z.object({ deliveries: z.array(z.object({ outcome: z.string() })) });
  const outcomes = async () =>
    (await ask("GET", `${incident}/deliveries`, deliveriesAnswer)).deliveries.map(({ outcome }) => outcome);
  await expect.poll(outcomes, WAIT).toEqual(["delivered"]);
  await ask("POST", `${incident}/acknowledge`, any, { by: "ann", note: "on my way" });

  const hourUs = 3_600_000_000;
  const order = {
    matchers: { rule: "too-*", device: ["cold-1", "x"] },
    untilUs: Date.now() * 1_000 + hourUs,
    by: "ann",
    why: "test",
  };
  const { id } = await ask("POST", "/api/v1/silences", z.object({ id: z.string() }), order);
  const silences = z.object({ silences: z.array(z.object({ id: z.string() })) });
  expect((await ask("GET", "/api/v1/silences", silences)).silences).toMatchObject([{ id }]);
  const marked = z.object({
    alerts: z.array(z.object({ silencedBy: z.array(z.string()), acknowledgement: z.object({}) })),
  });
  expect((await ask("GET", "/api/v1/open-alerts?marked=true", marked)).alerts).toMatchObject([{ silencedBy: [id] }]);
  await ask("DELETE", `/api/v1/silences/${id}?by=ann`, any);

  const letters = z.object({ letters: z.array(z.object({ sequence: z.int() })).min(1) });
  const [letter] = (await ask("GET", "/api/v1/dead-letters", letters)).letters;
  const path = `/api/v1/dead-letters/${letter?.sequence}`;
  await ask("GET", path, any);
  const retried = z.object({ outcome: z.string(), retry: z.object({ letter: z.int() }) });
  const { outcome, retry } = await ask("POST", `${path}/retry`, retried, { by: "ann" });
  expect(outcome).toBe("refused");
  await ask("GET", `/api/v1/dead-letters/${retry.letter}`, z.object({ retryOf: z.literal(letter?.sequence) }));
  const trial = z.object({ trials: z.array(z.object({ outcome: z.string() })).min(1) });
  await ask("GET", `/api/v1/dead-letters/${letter?.sequence}/trial`, trial);
  await ask("POST", "/api/v1/dead-letters/retry", z.object({ results: z.array(z.unknown()).length(1) }), { limit: 10 });
  const topic = "sensors/north/cold-1/telemetry";
  const topics = z.object({ topics: z.tuple([z.object({ topic: z.literal(topic), letters: z.literal(3) })]) });
  await ask("GET", "/api/v1/dead-letters/topics?reason=bad-payload", topics);
  await ask("POST", "/api/v1/dead-letters/dismiss", z.object({ dismissed: z.literal(3) }), { topic, by: "ann" });
  await ask("GET", "/api/v1/dead-letters", z.object({ total: z.literal(0), letters: z.array(z.unknown()).length(0) }));

  const series = z.object({ count: z.array(z.number()) });
  const past = async () => (await ask("GET", "/api/v1/series?device=cold-1&metric=temperature", series)).count.length;
  await expect.poll(past, WAIT).toBe(1);
  // Of one name at two sites, the answer offers a choice; with its tags, a series is found.
  await client.publishAsync("sensors/south/cold-1/telemetry", '{"temperature": 4}', { qos: 1 });
  const unclear = "/api/v1/series?device=cold-1&metric=temperature";
  await expect.poll(async () => (await describedApi.ask("GET", `${base}${unclear}`)).status, WAIT).toBe(400);
  const south = z.object({ avg: z.tuple([z.literal(4)]), tags: z.object({ site: z.literal("south") }) });
  await ask("GET", `${unclear}&tags.site=south`, south);
  const states = z.object({ runs: z.tuple([z.object({ value: z.literal("open") })]) });
  await ask("GET", "/api/v1/states?device=cold-1&metric=door", states);
  const all = async () => (await ask("GET", "/api/v1/alerts?state=all&rule=too-warm", alerts)).alerts.length;
  await expect.poll(all, WAIT).toBe(1);
  await ask("GET", "/api/v1/devices?site=north", z.object({ total: z.literal(1) }));
  await ask("GET", "/api/v1/rules", any);
  await ask("GET", "/api/v1/rule-activity", any);
  await ask("GET", "/api/v1/rule-files", any);
  await ask("GET", "/api/v1/incidents", any);
  await ask("GET", "/api/v1/listeners", any);
  await ask("GET", "/api/v1/sources", z.object({ sources: z.array(z.object({ messages: z.number() })).min(1) }));
  await ask("GET", "/healthz", any);
  await ask("GET", "/readyz", any);
  await ask("GET", "/metrics", z.string().min(1_000));
  expect(describedApi.unseen()).toEqual([]);
}, 120_000);
