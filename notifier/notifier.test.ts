import { afterEach, expect, test } from "vitest";
import {
  ALERTS_ACKNOWLEDGE,
  ALERTS_LIST,
  DELIVERIES_LIST,
  SILENCES_ADD,
  SILENCES_LIST,
  SILENCES_REMOVE,
} from "../contracts/notifications.ts";
import { decodeDeadLetter } from "../domain/dead-letter-codec.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import { requestRaw } from "../platform/log/testing/raw-bus.ts";
import type { Service } from "../platform/service.ts";
import { startNotifier } from "./notifier.ts";
import {
  configOf,
  eventually,
  type Sink,
  startSink,
  T0,
  type TestDeps,
  testDeps,
  writeChange,
} from "./testing/test-kit.ts";

const S = 1_000_000;
const HOUR = 3_600 * S;
const FAST = { retry: { first: "20ms", max: "50ms" } };
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function sinkOf(): Promise<Sink> {
  const sink = await startSink();
  stops.push(() => sink.close());
  return sink;
}

async function start(config: ReturnType<typeof configOf>, deps: TestDeps): Promise<Service> {
  const service = await startNotifier(config, deps);
  stops.push(() => service.stop());
  return service;
}

function idsOf(sink: Sink): unknown[] {
  return sink.received.map(({ json }) => json.id);
}

test("an alert change is sent once, as the CloudEvent that the log stores", async () => {
  const sink = await sinkOf();
  const deps = testDeps();
  await start(configOf({ ops: [{ webhook: { url: sink.url, headers: { "x-team": "blue" } } }] }), deps);
  const firing = await writeChange(deps.log, {});
  await eventually("it is sent", () => sink.received.length === 1);
  const [got] = sink.received;
  expect(got?.headers["content-type"]).toMatch("application/cloudevents+json");
  expect(got?.headers["x-team"]).toBe("blue");
  expect(got?.headers["webhook-id"]).toMatch(/^msg_[0-9a-f]{32}$/);
  const stored = await deps.log.lastFor("ALERTS", `alerts.hot.${"0".repeat(12)}6431`);
  expect(got?.json).toEqual(JSON.parse(new TextDecoder().decode(stored?.payload)));
  const resolved = await writeChange(deps.log, { state: "resolved" });
  await eventually("its end is sent", () => sink.received.length === 2);
  expect(idsOf(sink)).toEqual([firing.id, resolved.id]);
});

test("a receiver that fails, hangs, disconnects and requests a pause gets each notification under one id", async () => {
  const sink = await sinkOf();
  sink.answer = (_, response, count) => {
    if (count === 1) response.writeHead(503).end("down for a moment");
    else if (count === 2) response.destroy();
    else if (count === 3) return;
    else if (count === 4) response.writeHead(429, { "retry-after": "1" }).end();
    else response.writeHead(200).end();
  };
  const deps = testDeps();
  await start(configOf({ ops: [{ webhook: { url: sink.url, timeout: "300ms", ...FAST } }] }), deps);
  const change = await writeChange(deps.log);
  await eventually("it pauses as the receiver asks", () => sink.received.length === 4);
  const askedAtMs = performance.now();
  // Nor is any other notification sent before that.
  await writeChange(deps.log, { device: "d2" });
  await eventually("both are sent", () => sink.received.length === 6);
  expect(performance.now() - askedAtMs).toBeGreaterThan(900);
  const ids = sink.received.map(({ headers }) => headers["webhook-id"]);
  expect(new Set(ids.slice(0, 4)).size).toBe(1);
  expect(ids.filter((id) => id === ids[0])).toHaveLength(5);
  await eventually("it is delivered", async () => {
    const deliveries = await deps.log.bus.request(DELIVERIES_LIST, { incident: change.incident });
    return deliveries[0]?.outcome === "delivered" && deliveries[0].attempts === 5;
  });
  expect(await deps.figure("weir_notifier_tries_total", { receiver: "ops.webhook", result: "failed" })).toBe(4);
});

test("a refusal is final: the notification becomes a dead letter, and the next is sent", async () => {
  const sink = await sinkOf();
  sink.answer = (_, response, count) =>
    response.writeHead(count === 1 ? 400 : 204).end(count === 1 ? "no such field" : "");
  const deps = testDeps();
  await start(configOf({ ops: [{ webhook: { url: sink.url, ...FAST } }] }), deps);
  const change = await writeChange(deps.log);
  await writeChange(deps.log, { device: "d2" });
  await eventually("both are decided", () => sink.received.length === 2);
  await eventually("it is a dead letter", async () => (await deps.log.bounds("DEADLETTERS")).messages === 1);
  const letter = await deps.log.lastFor("DEADLETTERS", "deadletters.notification");
  const { detail, topic, payload } = decodeDeadLetter(letter?.payload ?? new Uint8Array());
  expect(topic).toBe("ops.webhook");
  expect(detail).toMatch(/answered 400 Bad Request: no such field \(tries: 1\)/);
  expect(JSON.parse(new TextDecoder().decode(payload)).changes).toEqual([change]);
  const [delivery] = await deps.log.bus.request(DELIVERIES_LIST, { incident: change.incident });
  expect(delivery).toMatchObject({ outcome: "failed", attempts: 1, state: "firing", receiver: "ops.webhook" });
});

test("a notification that runs out of attempts becomes a dead letter", async () => {
  const sink = await sinkOf();
  sink.answer = (_, response) => response.writeHead(500).end();
  const deps = testDeps();
  const retry = { first: "10ms", max: "10ms", attempts: 3 };
  await start(configOf({ ops: [{ webhook: { url: sink.url, retry } }] }), deps);
  await writeChange(deps.log);
  await eventually("it is abandoned", async () => (await deps.log.bounds("DEADLETTERS")).messages === 1);
  expect(sink.received).toHaveLength(3);
});

test("a receiver that is down does not delay others, and gets every alert once it is back", async () => {
  const good = await sinkOf();
  const bad = await sinkOf();
  let down = true;
  bad.answer = (_, response) => response.writeHead(down ? 502 : 204).end();
  const deps = testDeps();
  const webhooks = [{ webhook: { url: bad.url, ...FAST } }, { webhook: { url: good.url } }];
  await start(configOf({ ops: webhooks }), deps);
  for (let i = 0; i < 20; i++) await writeChange(deps.log, { device: `d${i}` });
  await eventually("the good one has every alert", () => good.received.length === 20);
  down = false;
  const sent = () => new Set(bad.received.map(({ json }) => json.id)).size;
  await eventually("so does the other one", () => sent() === 20);
});

test("silences and acknowledgements take effect at once, can be listed and ended, and survive a restart", async () => {
  const sink = await sinkOf();
  let nowUs = T0;
  const log = createMemoryLog({ nowUs: () => nowUs });
  const deps = testDeps({ log, nowUs: () => nowUs });
  const config = configOf({ ops: [{ webhook: { url: sink.url } }] }, { defaults: { repeat_interval: "1h" } });
  const first = await start(config, deps);
  const { bus } = log;
  const silenceRequest = { matchers: { device: ["cold-*", "d9"] }, untilUs: T0 + 2 * HOUR, by: "ann", why: "repair" };
  const silence = await bus.request(SILENCES_ADD, silenceRequest);
  const quiet = await writeChange(log, { device: "cold-7" });
  const loud = await writeChange(log, { device: "d1", activeAtUs: T0 + 1 });
  await eventually("the other one is sent", () => sink.received.length === 1);
  expect(idsOf(sink)).toEqual([loud.id]);
  const open = await bus.request(ALERTS_LIST, { limit: 10 });
  expect(open.map(({ incident, silencedBy }) => [incident, silencedBy])).toEqual([
    [quiet.incident, [silence.id]],
    [loud.incident, []],
  ]);
  await bus.request(ALERTS_ACKNOWLEDGE, { incident: loud.incident, by: "bob", note: "on my way" });
  await first.stop();

  const again = testDeps({ log, nowUs: () => nowUs });
  await start(config, again);
  expect(await bus.request(SILENCES_LIST, {})).toEqual([silence]);
  const [, acknowledged] = await bus.request(ALERTS_LIST, { limit: 10 });
  expect(acknowledged?.acknowledgement).toMatchObject({ by: "bob", note: "on my way" });
  nowUs += 90 * 60 * S;
  // Nothing is sent or repeated: a marker shows that the notifier has read this far.
  const marker = await writeChange(log, { device: "d3" });
  await eventually("the marker is sent", () => sink.received.length === 2);
  expect(idsOf(sink)).toEqual([loud.id, marker.id]);
  await bus.request(SILENCES_REMOVE, { id: silence.id, by: "ann" });
  expect(await bus.request(SILENCES_LIST, {})).toEqual([]);
  await eventually("the firing alert is sent now", () => idsOf(sink).includes(quiet.id));
  await writeChange(log, { device: "d1", state: "resolved" });
  await eventually("the end is sent", () => idsOf(sink).includes(`${loud.incident}-resolved`));
});

test("requests that cannot be fulfilled are refused with advice", async () => {
  const deps = testDeps();
  await start(configOf({}), deps);
  const { bus } = deps.log;
  const untilUs = deps.clock.nowUs() + HOUR;
  const bad: [{ readonly subject: string }, unknown, RegExp][] = [
    [SILENCES_ADD, { matchers: {}, untilUs, by: "a", why: "b" }, /name at least one label/],
    [SILENCES_ADD, { matchers: { rule: "*" }, untilUs: 5, by: "a", why: "b" }, /already have ended/],
    [SILENCES_ADD, { matchers: { rule: "*" }, untilUs: untilUs * 2, by: "a", why: "b" }, /within a year/],
    [SILENCES_ADD, { matchers: { rule: "*" }, untilUs, by: " ", why: "b" }, /say who/],
    [SILENCES_ADD, { matchers: { rule: "*" }, untilUs, by: "a", why: "b", x: 1 }, /"x"/],
    [SILENCES_REMOVE, { id: "s-1", by: "a" }, /there is no silence s-1/],
    [ALERTS_ACKNOWLEDGE, { incident: "hot-1", by: "a" }, /incident hot-1 is not open/],
    [ALERTS_LIST, { limit: 0 }, /not understood/],
  ];
  for (const [{ subject }, value, message] of bad) {
    await expect(requestRaw(bus, subject, value)).rejects.toThrow(message);
  }
});

test("grouped alerts are sent as one event of another type", async () => {
  const sink = await sinkOf();
  let nowUs = T0;
  const deps = testDeps({ log: createMemoryLog({ nowUs: () => nowUs }), nowUs: () => nowUs });
  const routes = [{ match: { rule: "h*" }, receivers: ["ops"], group_by: ["site"], group_wait: "10s" }];
  await start(configOf({ ops: [{ webhook: { url: sink.url } }] }, { routes }), deps);
  for (const device of ["a", "b", "c"]) await writeChange(deps.log, { device, notify: [] });
  // The group waits ten seconds after its first change; the notifier must have read all three by then.
  await eventually("all three are read", async () => {
    return (await deps.log.bus.request(ALERTS_LIST, { limit: 10 })).length === 3;
  });
  nowUs += 11 * S;
  await eventually("they are sent", () => sink.received.length > 0);
  const changes = ["a", "b", "c"].map((device) => expect.objectContaining({ key: { device, site: "north" } }));
  expect(sink.received[0]?.json).toMatchObject({
    type: "weir.alerts.v1",
    id: sink.received[0]?.headers["webhook-id"],
    data: { group: { site: "north" }, changes },
  });
});

test("a new receiver gets the alerts that fire, not those that have ended", async () => {
  const sink = await sinkOf();
  const deps = testDeps();
  await writeChange(deps.log, { device: "past" });
  await writeChange(deps.log, { device: "past", state: "resolved" });
  const open = await writeChange(deps.log, { device: "now" });
  await start(configOf({ ops: [{ webhook: { url: sink.url } }] }), deps);
  await eventually("it is sent", () => sink.received.length === 1);
  expect(idsOf(sink)).toEqual([open.id]);
});

test("of two notifiers the newer one continues, and the older one reports it", async () => {
  const sink = await sinkOf();
  const log = createMemoryLog({ nowUs: () => Date.now() * 1_000 });
  const config = configOf({ ops: [{ webhook: { url: sink.url } }] });
  const older = await start(config, testDeps({ log }));
  await writeChange(log, { device: "d0" });
  await eventually("the first is sent", () => sink.received.length === 1);
  await start(config, testDeps({ log }));
  for (let i = 1; i <= 20; i++) await writeChange(log, { device: `d${i}` });
  // The older one may resend a change before it notices, with the same id, so that a receiver can recognize it.
  await eventually("all are sent", () => new Set(idsOf(sink)).size >= 21);
  await eventually("the older one notices", () => !older.health().ready);
  expect(older.health().detail).toMatch("another notifier sends to ops.webhook");
  expect(new Set(idsOf(sink)).size).toBe(21);
});

test("an unknown receiver in `notify` is logged once; a bad message is skipped", async () => {
  const sink = await sinkOf();
  const deps = testDeps();
  await start(configOf({ ops: [{ webhook: { url: sink.url } }] }), deps);
  await writeChange(deps.log, { device: "x", notify: ["opps"] });
  await writeChange(deps.log, { device: "y", notify: ["opps"] });
  await deps.log.append({ subject: "alerts.hot.00", payload: new TextEncoder().encode('{"data":{}}') });
  await writeChange(deps.log, {});
  await eventually("the good one is sent", () => sink.received.length === 1);
  expect(deps.lines.filter(({ msg }) => msg.includes('notifies "opps"'))).toHaveLength(1);
  expect(await deps.figure("weir_notifier_unknown_receivers_total")).toBe(2);
  expect(await deps.figure("weir_notifier_unreadable_total")).toBeGreaterThan(0);
});
