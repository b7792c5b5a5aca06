import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { ALERTS_LIST, DELIVERIES_LIST, SILENCES_LIST } from "../contracts/notifications.ts";
import { createMemoryLog } from "../platform/log/memory.ts";
import type { Log } from "../platform/log/port.ts";
import { startNotifier } from "./notifier.ts";
import { configOf, eventually, hashOf, startSink, T0, testDeps, writeChange } from "./testing/test-kit.ts";

interface Dump {
  readonly alerts: readonly { readonly subject: string; readonly value: unknown }[];
  readonly notifications: readonly { readonly subject: string; readonly value: unknown }[];
  /** Of `ops.webhook`. */
  readonly state: { readonly flights: readonly { readonly id: string }[] };
}

/**
 * Written by the notifier of 0.1, killed with a message in flight. Its records had the same names in the code as in
 * the log.
 */
const dump: Dump = JSON.parse(readFileSync(new URL("./testdata/notification-log-0.1.json", import.meta.url), "utf8"));

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const parsed = (value: Uint8Array | undefined) => JSON.parse(new TextDecoder().decode(value));
const incidentOf = (device: string) => `hot-${hashOf(device)}-1`;

async function oldLog(): Promise<Log> {
  const log = createMemoryLog({ nowUs: () => T0 });
  for (const { subject, value } of [...dump.alerts, ...dump.notifications]) {
    await log.append({ subject, payload: bytes(value) });
  }
  await log.records.set("notifier.ops.webhook", bytes(dump.state), 0);
  return log;
}

test("resumes from a log of 0.1: sends the notification in flight with its id, and nothing else", async () => {
  const sink = await startSink();
  stops.push(() => sink.close());
  const log = await oldLog();
  const service = await startNotifier(
    configOf({ ops: [{ webhook: { url: sink.url } }] }),
    testDeps({ log, nowUs: () => T0 }),
  );
  stops.push(() => service.stop());
  await eventually("the notification in flight is sent", () => sink.received.length > 0);
  expect(sink.received[0]?.headers["webhook-id"]).toBe(dump.state.flights[0]?.id);
  expect(sink.received[0]?.json).toEqual(dump.alerts.find(({ subject }) => subject.endsWith(hashOf("held")))?.value);

  const deliveriesOf = async (device: string) => {
    const deliveries = await log.bus.request(DELIVERIES_LIST, { incident: incidentOf(device) });
    return deliveries.map(({ state, outcome }) => `${state} ${outcome}`);
  };
  expect(await deliveriesOf("done")).toEqual(["firing delivered", "resolved delivered"]);
  expect(await deliveriesOf("bad")).toEqual(["firing failed"]);
  expect(await deliveriesOf("quiet")).toEqual(["firing silenced"]);
  await eventually("it is delivered", async () => (await deliveriesOf("held"))[0] === "firing delivered");
  expect(await log.bus.request(SILENCES_LIST, {})).toMatchObject([{ by: "ann", why: "repair" }]);
  const open = await log.bus.request(ALERTS_LIST, { limit: 10, matchers: { device: "fires" } });
  expect(open).toMatchObject([{ acknowledgement: { by: "bob", note: "on my way" } }]);

  // The ends of the incidents that 0.1 sent, or gave up, follow; nothing was sent in between.
  const ends = [];
  for (const device of ["fires", "bad"]) ends.push((await writeChange(log, { device, state: "resolved" })).id);
  await eventually("the ends are sent", () => sink.received.length >= 3);
  expect(sink.received.slice(1).map(({ json }) => json.id)).toEqual(expect.arrayContaining(ends));
  expect(sink.received).toHaveLength(3);
});

test("writes the format that 0.1 reads: the same fields under the same names", async () => {
  const sink = await startSink();
  stops.push(() => sink.close());
  const log = await oldLog();
  const service = await startNotifier(
    configOf({ ops: [{ webhook: { url: sink.url } }] }),
    testDeps({ log, nowUs: () => T0 }),
  );
  await eventually("the notification in flight is sent", () => sink.received.length > 0);
  await service.stop();
  const state = parsed((await log.records.get("notifier.ops.webhook"))?.value);
  expect(Object.keys(state).sort()).toEqual(Object.keys(dump.state).sort());
  const subject = `notifications.deliveries.ops.webhook.hot.${hashOf("held")}`;
  const record = parsed((await log.lastFor("NOTIFICATIONS", subject))?.payload);
  const before = dump.notifications.find((each) => each.subject.endsWith(hashOf("fires")))?.value;
  expect(shapeOf(record)).toEqual(shapeOf(before));
});

/** The names of the fields, and of their own fields. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, inner]) => [key, shapeOf(inner)] as const)
      .sort(([a], [b]) => a.localeCompare(b)),
  );
}
