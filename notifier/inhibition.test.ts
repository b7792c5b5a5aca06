import { afterEach, expect, test } from "vitest";
import { ALERTS_LIST, DELIVERIES_LIST } from "../contracts/notifications.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import { startNotifier } from "./notifier.ts";
import { type ChangeOptions, configOf, eventually, startSink, T0, testDeps, writeChange } from "./testing/test-kit.ts";

const S = 1_000_000;
const DOWN: ChangeOptions = { rule: "gateway-down", device: "gw" };
const SILENT: ChangeOptions = { rule: "silent", inhibitedBy: [{ rule: "gateway-*", equal: ["site"] }] };
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function world(others: Readonly<Record<string, unknown>> = {}) {
  const sink = await startSink();
  stops.push(() => sink.close());
  const time = { nowUs: T0 };
  const log = createMemoryLog({ nowUs: () => time.nowUs });
  const config = configOf({ ops: [{ webhook: { url: sink.url } }] }, others);
  let running: Awaited<ReturnType<typeof startNotifier>> | undefined;
  const end = async () => running?.stop();
  const begin = async () => {
    await end();
    const deps = testDeps({ log, nowUs: () => time.nowUs });
    running = await startNotifier(config, deps);
    return deps;
  };
  stops.push(end);
  const told = () => sink.received.map(({ json }) => json.id);
  const outcomes = async (incident: string) => {
    const deliveries = await log.bus.request(DELIVERIES_LIST, { incident });
    return deliveries.map(({ state, outcome, inhibitedBy }) => ({ state, outcome, inhibitedBy }));
  };
  /** Nothing shows that somebody was not told, but that who came later was. */
  const looked = async (round: number) => {
    const marker = await writeChange(log, { device: "marker", round });
    await eventually("the marker is told", () => told().includes(marker.id));
    return marker.id;
  };
  return { log, time, begin, end, told, outcomes, looked };
}

test("consequences that come before their cause are held, listed with it, and told after a restart when it is over", async () => {
  const { log, time, begin, told, outcomes, looked } = await world();
  const deps = await begin();
  const early = await writeChange(log, { ...SILENT, device: "d1" });
  await looked(1);
  time.nowUs += 14 * S;
  const cause = await writeChange(log, DOWN);
  const late = await writeChange(log, { ...SILENT, device: "d2" });
  const elsewhere = await writeChange(log, { ...SILENT, device: "d3", site: "south" });
  await eventually("the cause is told", () => told().includes(cause.id));
  time.nowUs += 15 * S;
  await eventually("who is not concerned is told", () => told().includes(elsewhere.id));
  const held = { state: "firing", outcome: "inhibited", inhibitedBy: [cause.incident] };
  for (const { incident } of [early, late]) expect(await outcomes(incident)).toEqual([held]);
  expect(await deps.figure("weir_notifier_changes_total", { outcome: "inhibited" })).toBe(2);
  const open = await log.bus.request(ALERTS_LIST, { limit: 10, matchers: { rule: "silent" } });
  expect(Object.fromEntries(open.map(({ key, inhibitedBy }) => [key.device, inhibitedBy]))).toEqual({
    d1: [cause.incident],
    d2: [cause.incident],
    d3: [],
  });

  await begin();
  time.nowUs += 3_600 * S;
  await looked(2);
  expect(await outcomes(late.incident)).toEqual([held]);
  const end = await writeChange(log, { ...DOWN, state: "resolved" });
  await eventually("the end of the cause is told", () => told().includes(end.id));
  time.nowUs += 59 * S;
  await begin();
  await writeChange(log, { ...SILENT, device: "d1", state: "resolved" });
  await looked(3);
  expect(told()).not.toContain(late.id);
  time.nowUs += S;
  await eventually("who still fires is told", () => told().includes(late.id));
  await eventually("it is remembered why so late", async () => {
    const [delivery] = await outcomes(late.incident);
    return delivery?.outcome === "delivered" && delivery.inhibitedBy?.[0] === cause.incident;
  });
  await looked(4);
  expect(told()).not.toContain(early.id);
  expect(told()).not.toContain(`${early.incident}-resolved`);
  expect(await outcomes(early.incident)).toEqual([held, expect.objectContaining({ outcome: "collapsed" })]);
});

test("what happened while nobody ran is judged by what fires at the start", async () => {
  const { log, time, begin, end, told, looked } = await world();
  await begin();
  await looked(1);
  await end();
  const over = { rule: "gateway-over", device: "g2", site: "south" };
  await writeChange(log, { ...SILENT, device: "d1" });
  await writeChange(log, { ...SILENT, device: "s1", site: "south" });
  await writeChange(log, DOWN);
  await writeChange(log, over);
  await writeChange(log, { ...over, state: "resolved" });
  time.nowUs += 60 * S;
  await begin();
  await eventually("who is free is told", () => told().some((id) => String(id).startsWith("silent-")));
  await looked(2);
  const silent = told().filter((id) => String(id).startsWith("silent-"));
  expect(silent).toEqual([`silent-${"0".repeat(12)}7331-1-firing`]);
});

test("a receiver that is new is not told of what is held", async () => {
  const { log, begin, told, looked } = await world({ inhibit_wait: "0s", inhibit_after: "0s" });
  await writeChange(log, { ...SILENT, device: "d1" });
  const cause = await writeChange(log, DOWN);
  await begin();
  const marker = await looked(1);
  expect(told()).toEqual([cause.id, marker]);
});
