import { connectAsync, type MqttClient } from "mqtt";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { parseTemplate } from "../../rule-language/template/template.ts";
import { type Mosquitto, startMosquitto } from "../../test/servers/mosquitto.ts";
import { startNotifier } from "../notifier.ts";
import { startMqttServer } from "../testing/mqtt-server.ts";
import { describeTarget, SECRET } from "../testing/target-conformance.ts";
import { changeOf, configOf, eventually, testDeps, writeChange } from "../testing/test-kit.ts";
import { topicOf } from "./mqtt.ts";

let broker: Mosquitto;
beforeAll(async () => {
  broker = await startMosquitto();
});
afterAll(() => broker.stop());
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

// MQTT 3.1.1 has no final refusal: a broker that refuses a login or a publish closes the connection.
describeTarget("mqtt", { start: () => startMqttServer(SECRET), neverRefuses: true });

async function listen(topic: string): Promise<{ client: MqttClient; got: { topic: string; id: unknown }[] }> {
  const client = await connectAsync(broker.url, { reconnectPeriod: 50, clientId: "listener", clean: false });
  stops.push(async () => client.endAsync(true));
  const got: { topic: string; id: unknown }[] = [];
  client.on("message", (at, payload) => got.push({ topic: at, id: JSON.parse(payload.toString()).id }));
  await client.subscribeAsync(topic, { qos: 1 });
  return { client, got };
}

test("alerts are published to their topics, retained, also after an outage of the broker", async () => {
  const { got } = await listen("alerts/#");
  const deps = testDeps();
  const mqtt = { url: broker.url, retain: true, timeout: "2s", retry: { first: "50ms", max: "100ms" } };
  const service = await startNotifier(configOf({ ops: [{ mqtt }] }), deps);
  stops.push(() => service.stop());
  const first = await writeChange(deps.log, { device: "d1" });
  await eventually("it is published", () => got.length === 1);
  expect(got[0]).toEqual({ topic: "alerts/hot/d1", id: first.id });
  await broker.pause();
  const second = await writeChange(deps.log, { device: "d2" });
  await eventually("an attempt has failed", () => deps.lines.some(({ msg }) => msg.includes("was not accepted")));
  await broker.resume();
  await eventually("it is eventually published", () => got.some(({ id }) => id === second.id));
  expect(got.filter(({ id }) => id === second.id)).toHaveLength(1);
});

test("a label cannot choose another topic", () => {
  const change = changeOf({ device: "a/+/#", labels: { area: "" } });
  const topic = 'alerts/{{ rule }}/{{ device }}/{{ area }}/{{ nothing }}/{{ nothing | default "a/b" }}/{{ state }}';
  expect(topicOf(parseTemplate(topic), change)).toBe("alerts/hot/a____/-/-/a_b/firing");
});
