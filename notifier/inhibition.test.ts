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
  const sent = () => sink.received.map(({ json }) => json.id);
  const outcomes = async (incident: string) => {
    const deliveries = await log.bus.request(DELIVERIES_LIST, { incident });
    return deliveries.map(({ state, outcome, inhibitedBy }) => ({ state, outcome, inhibitedBy }));
  };
  /** A later alert that is sent shows that an earlier one is not. */
  const caughtUp = async (round: number) => {
    const marker = await writeChange(log, { device: "marker", round });
    await eventually("the marker is sent", () => sent().includes(marker.id));
    return marker.id;
  };
  return { log, time, begin, end, sent, outcomes, caughtUp };
}

test("effects that arrive before their cause are inhibited, listed with it, and sent after a restart once it has ended", async () => {
  const { log, time, begin, sent, outcomes, caughtUp } = await world();
  const deps = await begin();
  const early = await writeChange(log, { ...SILENT, device: "d1" });
  await caughtUp(1);
  time.nowUs += 14 * S;
  const cause = await writeChange(log, DOWN);
  const late = await writeChange(log, { ...SILENT, device: "d2" });
  const elsewhere = await writeChange(log, { ...SILENT, device: "d3", site: "south" });
  await eventually("the cause is sent", () => sent().includes(cause.id));
  time.nowUs += 15 * S;
  await eventually("the alert elsewhere is sent", () => sent().includes(elsewhere.id));
  const inhibited = { state: "firing", outcome: "inhibited", inhibitedBy: [cause.incident] };
  for (const { incident } of [early, late]) expect(await outcomes(incident)).toEqual([inhibited]);
  expect(await deps.figure("weir_notifier_changes_total", { outcome: "inhibited" })).toBe(2);
  const open = await log.bus.request(ALERTS_LIST, { limit: 10, matchers: { rule: "silent" } });
  expect(Object.fromEntries(open.map(({ key, inhibitedBy }) => [key.device, inhibitedBy]))).toEqual({
    d1: [cause.incident],
    d2: [cause.incident],
    d3: [],
  });

  await begin();
  time.nowUs += 3_600 * S;
  await caughtUp(2);
  expect(await outcomes(late.incident)).toEqual([inhibited]);
  const end = await writeChange(log, { ...DOWN, state: "resolved" });
  await eventually("the end of the cause is sent", () => sent().includes(end.id));
  time.nowUs += 59 * S;
  await begin();
  await writeChange(log, { ...SILENT, device: "d1", state: "resolved" });
  await caughtUp(3);
  expect(sent()).not.toContain(late.id);
  time.nowUs += S;
  await eventually("the alert that still fires is sent", () => sent().includes(late.id));
  await eventually("its delivery names the cause", async () => {
    const [delivery] = await outcomes(late.incident);
    return delivery?.outcome === "delivered" && delivery.inhibitedBy?.[0] === cause.incident;
  });
  await caughtUp(4);
  expect(sent()).not.toContain(early.id);
  expect(sent()).not.toContain(`${early.incident}-resolved`);
  expect(await outcomes(early.incident)).toEqual([inhibited, expect.objectContaining({ outcome: "collapsed" })]);
});

test("alerts from a downtime are evaluated against those that fire at the start", async () => {
  const { log, time, begin, end, sent, caughtUp } = await world();
  await begin();
  await caughtUp(1);
  await end();
  const over = { rule: "gateway-over", device: "g2", site: "south" };
  await writeChange(log, { ...SILENT, device: "d1" });
  await writeChange(log, { ...SILENT, device: "s1", site: "south" });
  await writeChange(log, DOWN);
  await writeChange(log, over);
  await writeChange(log, { ...over, state: "resolved" });
  time.nowUs += 60 * S;
  await begin();
  await eventually("the free alert is sent", () => sent().some((id) => String(id).startsWith("silent-")));
  await caughtUp(2);
  const silent = sent().filter((id) => String(id).startsWith("silent-"));
  expect(silent).toEqual([`silent-${"0".repeat(12)}7331-1-firing`]);
});

test("a new receiver does not get inhibited alerts", async () => {
  const { log, begin, sent, caughtUp } = await world({ inhibit_wait: "0s", inhibit_after: "0s" });
  await writeChange(log, { ...SILENT, device: "d1" });
  const cause = await writeChange(log, DOWN);
  await begin();
  const marker = await caughtUp(1);
  expect(sent()).toEqual([cause.id, marker]);
});
