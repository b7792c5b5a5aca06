import { afterEach, expect, test } from "vitest";
import { createMemoryLog } from "../platform/log/memory.ts";
import type { Log } from "../platform/log/port.ts";
import { crashable } from "./store/testing/crashable-log.ts";
import { FakeGate, RawClient, startTestBroker, stopAll, until } from "./testing/test-support.ts";

afterEach(stopAll);

const SESSION = { protocolVersion: 5, clean: false, properties: { sessionExpiryInterval: 1_000 } } as const;
const WATCHER = { ...SESSION, clientId: "watcher" };
const newLog = () => createMemoryLog({ nowUs: () => 1 });

function deviceWith(delaySeconds: number, clientId = "device", text = "gone") {
  const properties = { willDelayInterval: delaySeconds };
  const will = { topic: "wills", payload: Buffer.from(text), qos: 2, retain: false, properties } as const;
  return { ...SESSION, clientId, will };
}

/** Calls `act` once a message for a session is stored. */
function onQueued(log: Log, act: () => void): Log {
  return {
    ...log,
    async appendAll(messages) {
      const appended = await log.appendAll(messages);
      if (messages.some(({ subject }) => subject.startsWith("mqtt_queue."))) act();
      return appended;
    },
  };
}

test("a will with QoS 2 comes once, though the broker crashes before it has noted that it sent it", async () => {
  const log = newLog();
  const first = crashable(log);
  let isStored = false;
  const kept = {
    edge: "edge",
    log: onQueued(first.log, () => {
      first.crash();
      isStored = true;
    }),
  };
  const { port } = await startTestBroker({}, new FakeGate(), kept);
  const watcher = await RawClient.connected(port, WATCHER);
  watcher.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "wills", qos: 2 }] });
  await watcher.next("suback");
  watcher.send({ cmd: "disconnect", reasonCode: 0 });
  await watcher.untilClosed();
  const device = await RawClient.connected(port, deviceWith(1));
  device.socket.destroy();
  await until(() => isStored, "the will");

  const gate = new FakeGate();
  const second = await startTestBroker({}, gate, { log, edge: "edge" });
  await until(() => gate.texts.includes("wills gone"), "the will to be sent again");
  const publisher = await RawClient.connected(second.port, { clientId: "publisher" });
  publisher.publish("wills", "last", { qos: 2, id: 1 });
  await publisher.next("pubrec");
  const again = await RawClient.connected(second.port, WATCHER);
  const texts: string[] = [];
  while (texts.at(-1) !== "last") texts.push((await again.next("publish")).payload.toString());
  expect(texts).toEqual(["gone", "last"]);
});

test("clients that were connected when the broker crashed have a minute to come back before their wills", async () => {
  const log = newLog();
  const first = crashable(log);
  const { port } = await startTestBroker({}, new FakeGate(), { log: first.log, edge: "edge" });
  await RawClient.connected(port, deviceWith(1));
  first.crash();

  const gate = new FakeGate();
  const second = await startTestBroker({}, gate, { log, edge: "edge" });
  const startedMs = performance.now();
  await until(() => performance.now() - startedMs > 1_300, "the will's own delay");
  const device = await RawClient.connected(second.port, { ...SESSION, clientId: "device" });
  device.publish("wills", "back", { qos: 1, id: 1 });
  await device.next("puback");
  expect(gate.texts).toEqual(["wills back"]);
});

test("wills of clients that do not come back are sent once, and not early, though the broker restarts again", async () => {
  const log = newLog();
  const gate = new FakeGate();
  const arrivedMs = new Map<string, number>();
  const kept = { log, edge: "edge", graceSeconds: 2 };
  const start = () => startTestBroker({}, gate, kept);
  const arrived = async (text: string) => {
    const count = () => gate.texts.filter((each) => each === `wills ${text}`).length;
    await until(() => count() > 0, `the will of ${text}`, 20_000);
    arrivedMs.set(text, performance.now());
    return count();
  };
  let broker = await start();
  await RawClient.connected(broker.port, deviceWith(0, "hasty", "hasty"));
  await RawClient.connected(broker.port, deviceWith(4, "patient", "patient"));
  await RawClient.connected(broker.port, deviceWith(0, "back", "back"));
  const stoppedMs = performance.now();
  // Twice within the grace.
  for (let i = 0; i < 2; i++) {
    await broker.stop();
    broker = await start();
  }
  const back = await RawClient.connected(broker.port, { ...SESSION, clientId: "back" });
  await Promise.all([arrived("hasty"), arrived("patient")]);
  expect((arrivedMs.get("hasty") ?? 0) - stoppedMs).toBeGreaterThan(2_000);
  expect((arrivedMs.get("patient") ?? 0) - stoppedMs).toBeGreaterThan(4_000);
  await back.ping();
  await broker.stop();
  broker = await start();
  // It has nothing left to send but this.
  const marker = await RawClient.connected(broker.port, deviceWith(1, "marker", "marker"));
  marker.socket.destroy();
  expect([await arrived("marker"), await arrived("hasty"), await arrived("patient")]).toEqual([1, 1, 1]);
  expect(gate.texts).toHaveLength(3);
}, 60_000);
