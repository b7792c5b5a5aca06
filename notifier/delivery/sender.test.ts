import { afterEach, expect, test } from "vitest";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { type Log, LogClosedError } from "../../platform/log/port.ts";
import { createNotifierEvents } from "../common/events.ts";
import { Inhibitions } from "../inhibition/inhibition.ts";
import { Board } from "../routing/board.ts";
import { Orders } from "../routing/orders.ts";
import { routeOf } from "../routing/router.ts";
import type { Message, Outcome } from "../targets/target.ts";
import { configOf, eventually, testDeps, writeChange } from "../testing/test-kit.ts";
import { Sender } from "./sender.ts";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Given {
  readonly log?: Log;
  readonly send: (message: Message) => Promise<Outcome>;
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
  const sender = new Sender({
    ...{
      receiver: "ops",
      targetName: "webhook",
      config: webhook,
      maxAgeUs: config.max_age,
      route: routeOf("ops", config),
    },
    ...{ log, clock: deps.clock, orders: new Orders(), board: new Board(), random: () => 1 },
    inhibitions: new Inhibitions({ waitUs: 0, afterUs: 0, maxAgeUs: 0 }),
    events: createNotifierEvents(deps.logger, deps.metrics),
    target: { send: given.send, close: async () => {} },
    onFailed: (error) => failures.push(error),
    ...(given.waitingMax === undefined ? {} : { waitingMax: given.waitingMax }),
  });
  stops.push(() => sender.stop());
  await sender.start();
  return { sender, deps, log, failures };
}

test("a full queue leaves the rest in the log, and tells all of it in the end", async () => {
  let down = true;
  const told: string[] = [];
  const { deps, log } = await startSender({
    waitingMax: 5,
    async send({ entries }) {
      if (down) return { kind: "failed", error: "down" };
      told.push(...entries.map(({ change }) => change.id));
      return { kind: "delivered" };
    },
  });
  const written: string[] = [];
  for (let i = 0; i < 60; i++) written.push((await writeChange(log, { device: `d${i}` })).id);
  await eventually("the queue is full", async () => (await deps.figure("weir_notifier_full_total")) > 0);
  await eventually("it is measured", async () => (await deps.figure("weir_notifier_waiting_changes")) === 5);
  down = false;
  await eventually("all are told", () => told.length === 60);
  expect([...told].sort()).toEqual([...written].sort());
});

test("no more than `concurrency` messages are on their way, and none twice for one alert", async () => {
  let flying = 0;
  let most = 0;
  const alerts = new Set<string>();
  let told = 0;
  const { log } = await startSender({
    async send({ entries: [entry] }) {
      const alert = entry?.alert ?? "";
      expect(alerts.has(alert)).toBe(false);
      alerts.add(alert);
      most = Math.max(most, ++flying);
      await new Promise((resolve) => setImmediate(resolve));
      flying--;
      alerts.delete(alert);
      told++;
      return { kind: "delivered" };
    },
  });
  for (let i = 0; i < 200; i++) await writeChange(log, { device: `d${i % 20}`, round: i });
  await eventually("something is told", () => told > 20);
  expect(most).toBe(4);
});

test("a state that cannot be kept is said, and nothing is sent without it", async () => {
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
  let told = 0;
  const { failures } = await startSender({
    log,
    async send() {
      told++;
      return { kind: "delivered" };
    },
  });
  broken = true;
  await writeChange(log);
  await eventually("it is said", () => failures.length > 0);
  expect(failures[0]).toBeInstanceOf(LogClosedError);
  expect(told).toBe(0);
});
