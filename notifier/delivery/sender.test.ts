import { afterEach, expect, test } from "vitest";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { type Log, LogClosedError } from "../../platform/log/port.ts";
import { createNotifierEvents } from "../common/events.ts";
import type { Notification } from "../common/notification.ts";
import { routeOf } from "../routes/route.ts";
import { NotifierState } from "../state/notifier-state.ts";
import type { Outcome } from "../targets/target.ts";
import { configOf, eventually, testDeps, writeChange } from "../testing/test-kit.ts";
import { Sender } from "./sender.ts";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Given {
  readonly log?: Log;
  readonly send: (notification: Notification) => Promise<Outcome>;
  readonly waitingMax?: number;
  readonly onFailed?: (error: unknown) => void;
}

async function startSender({ log = createMemoryLog({ nowUs: () => Date.now() * 1_000 }), ...given }: Given) {
  const deps = testDeps({ log });
  const config = configOf({
    ops: [{ webhook: { url: "http://127.0.0.1:9/", retry: { first: "10ms", max: "10ms" } } }],
  });
  const webhook = config.receivers.ops?.[0]?.webhook;
  if (webhook === undefined) throw new Error("no webhook");
  const failures: unknown[] = [];
  const events = createNotifierEvents(deps.logger, deps.metrics);
  const inhibitionTimes = { waitUs: 0, afterUs: 0, maxAgeUs: 0 };
  const state = new NotifierState({ inhibitionTimes, hasReceiver: () => true, events });
  const sender = new Sender({
    ...{ receiver: "ops", targetName: "webhook", settings: webhook },
    ...{ maxAgeUs: config.max_age, route: routeOf("ops", config) },
    ...{ log, clock: deps.clock, state, events, random: () => 1 },
    target: { send: given.send, close: async () => {} },
    onFailed: (error) => failures.push(error),
    ...(given.waitingMax === undefined ? {} : { waitingMax: given.waitingMax }),
  });
  stops.push(() => sender.stop());
  await sender.start();
  return { sender, deps, log, failures };
}

test("a full queue leaves further alerts in the log, and eventually sends all of them", async () => {
  let down = true;
  const sent: string[] = [];
  const { deps, log } = await startSender({
    waitingMax: 5,
    async send({ changes }) {
      if (down) return { kind: "failed", error: "down" };
      sent.push(...changes.map(({ change }) => change.id));
      return { kind: "delivered" };
    },
  });
  const written: string[] = [];
  for (let i = 0; i < 60; i++) written.push((await writeChange(log, { device: `d${i}` })).id);
  await eventually("the queue is full", async () => (await deps.figure("weir_notifier_full_total")) > 0);
  await eventually("it is measured", async () => (await deps.figure("weir_notifier_waiting_changes")) === 5);
  down = false;
  await eventually("all are sent", () => sent.length === 60);
  expect([...sent].sort()).toEqual([...written].sort());
});

test("at most `concurrency` notifications are in flight, and at most one per alert", async () => {
  let inFlight = 0;
  let most = 0;
  const alerts = new Set<string>();
  let sent = 0;
  const { log } = await startSender({
    async send({ changes: [logged] }) {
      const alert = logged?.alert ?? "";
      expect(alerts.has(alert)).toBe(false);
      alerts.add(alert);
      most = Math.max(most, ++inFlight);
      await new Promise((resolve) => setImmediate(resolve));
      inFlight--;
      alerts.delete(alert);
      sent++;
      return { kind: "delivered" };
    },
  });
  for (let i = 0; i < 200; i++) await writeChange(log, { device: `d${i % 20}`, round: i });
  await eventually("some are sent", () => sent > 20);
  expect(most).toBe(4);
});

test("a state that cannot be stored is reported, and nothing is sent until it is stored", async () => {
  const memory = createMemoryLog({ nowUs: () => Date.now() * 1_000 });
  let broken = false;
  const log: Log = {
    ...memory,
    records: {
      get: (name) => memory.records.get(name),
      set: (name, value, revision) =>
        broken ? Promise.reject(new LogClosedError("gone")) : memory.records.set(name, value, revision),
    },
  };
  let sent = 0;
  const { failures } = await startSender({
    log,
    async send() {
      sent++;
      return { kind: "delivered" };
    },
  });
  broken = true;
  await writeChange(log);
  await eventually("it is reported", () => failures.length > 0);
  expect(failures[0]).toBeInstanceOf(LogClosedError);
  expect(sent).toBe(0);
});
