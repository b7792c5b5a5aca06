import mqtt, { type MqttClient } from "mqtt";
import { afterEach, describe, expect, it } from "vitest";
import { mosquitto, RawClient, startTestBroker, stopAll, until } from "./testing/test-support.ts";

/** Standard clients: those of Eclipse Mosquitto, and mqtt.js over TCP and WebSocket. */

const clients: MqttClient[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
  await stopAll();
});

async function mqttJs(url: string, options: mqtt.IClientOptions = {}): Promise<MqttClient> {
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options });
  clients.push(client);
  return client;
}

function collect(client: MqttClient): string[] {
  const texts: string[] = [];
  client.on("message", (topic, payload, { qos, retain }) => {
    texts.push(`${topic} ${payload.toString()} ${qos}${retain ? " retained" : ""}`);
  });
  return texts;
}

describe("mosquitto_pub and mosquitto_sub", () => {
  it.each(["0", "1", "2"])("publish and receive with QoS %s", async (qos) => {
    const { port, gate, metric } = await startTestBroker();
    const p = String(port);
    const receiving = mosquitto("mosquitto_sub", ["-p", p, "-t", "a/+/c", "-q", qos, "-C", "3", "-F", "%t %p %q"]);
    await until(async () => (await metric("weir_broker_clients")) === 1, "the subscriber");
    await new RawClient(port).connect({ clientId: "probe" });
    let sent = 0;
    await until(async () => {
      const { code, stderr } = await mosquitto("mosquitto_pub", [
        "-p",
        p,
        "-t",
        "a/b/c",
        "-q",
        qos,
        "-m",
        `m${sent++}`,
      ]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return sent >= 3;
    }, "three messages");
    expect(gate.messages.map((message) => message.qos)).toEqual([qos, qos, qos].map(Number));
    const { code, stdout } = await receiving;
    expect(code).toBe(0);
    expect(stdout.trim().split("\n")).toEqual([0, 1, 2].map((n) => `a/b/c m${n} ${qos}`));
  });

  it("publish many lines in one connection", async () => {
    const { port, gate } = await startTestBroker();
    const { code } = await mosquitto("mosquitto_pub", [
      "-p",
      `${port}`,
      "-t",
      "a",
      "-q",
      "1",
      "--repeat",
      "300",
      "-m",
      "x",
    ]);
    expect(code).toBe(0);
    expect(gate.messages.length).toBe(300);
  });

  it("get retained messages, and none after they are cleared", async () => {
    const { port } = await startTestBroker();
    const p = String(port);
    await mosquitto("mosquitto_pub", ["-p", p, "-t", "state/lamp", "-q", "1", "-r", "-m", "on"]);
    const receive = ["-p", p, "-t", "state/#", "-C", "1", "-W", "1", "-F", "%t %p %r"];
    expect((await mosquitto("mosquitto_sub", receive)).stdout).toBe("state/lamp on 1\n");
    await mosquitto("mosquitto_pub", ["-p", p, "-t", "state/lamp", "-q", "1", "-r", "-n"]);
    const empty = await mosquitto("mosquitto_sub", receive);
    expect(empty.stdout).toBe("");
  });

  it.each(["31", "311", "5"])("of version %s are served", async (version) => {
    const { port, gate } = await startTestBroker();
    const args = ["-p", `${port}`, "-V", version, "-i", "old", "-t", "a", "-q", "1", "-m", "x"];
    expect((await mosquitto("mosquitto_pub", args)).code).toBe(0);
    expect(gate.texts).toEqual(["a x"]);
  });
});

describe.each(["mqtt", "ws"])("mqtt.js over %s", (scheme) => {
  async function start() {
    const test = await startTestBroker({ ws_port: 0 });
    const { mqttPort, wsPort } = test.broker.address;
    return { ...test, url: scheme === "ws" ? `ws://127.0.0.1:${wsPort}/mqtt` : `mqtt://127.0.0.1:${mqttPort}` };
  }

  it("delivers with the lower of both QoS, through wildcards", async () => {
    const { url, gate } = await start();
    const subscriber = await mqttJs(url);
    const texts = collect(subscriber);
    await subscriber.subscribeAsync({ "zero/#": { qos: 0 }, "one/+": { qos: 1 }, "two/#": { qos: 2 } });
    const publisher = await mqttJs(url);
    for (const topic of ["zero/a", "one/a", "two/a"]) {
      for (const qos of [0, 1, 2] as const) await publisher.publishAsync(topic, `${qos}`, { qos });
    }
    await until(() => texts.length === 9, "nine messages");
    expect(texts.sort()).toEqual([
      "one/a 0 0",
      "one/a 1 1",
      "one/a 2 1",
      "two/a 0 0",
      "two/a 1 1",
      "two/a 2 2",
      "zero/a 0 0",
      "zero/a 1 0",
      "zero/a 2 0",
    ]);
    expect(gate.messages.length).toBe(9);
  });

  it("keeps the order of one publisher", async () => {
    const { url } = await start();
    const subscriber = await mqttJs(url);
    const texts = collect(subscriber);
    await subscriber.subscribeAsync("a", { qos: 1 });
    const publisher = await mqttJs(url);
    await Promise.all(Array.from({ length: 500 }, (_, n) => publisher.publishAsync("a", `${n}`, { qos: 1 })));
    await until(() => texts.length === 500, "500 messages");
    expect(texts).toEqual(Array.from({ length: 500 }, (_, n) => `a ${n} 1`));
  });

  it("sends retained messages to new subscribers, at the granted QoS", async () => {
    const { url } = await start();
    const publisher = await mqttJs(url);
    await publisher.publishAsync("state/lamp", "on", { qos: 2, retain: true });
    const texts = collect(publisher);
    await publisher.subscribeAsync("state/+", { qos: 1 });
    await until(() => texts.length === 1, "the retained message");
    expect(texts).toEqual(["state/lamp on 1 retained"]);
    await publisher.publishAsync("state/lamp", "off", { qos: 1, retain: true });
    await until(() => texts.length === 2, "the live message");
    expect(texts[1]).toBe("state/lamp off 1");
  });

  it("sends the will of a client that vanishes", async () => {
    const { url, gate } = await start();
    const subscriber = await mqttJs(url);
    const texts = collect(subscriber);
    await subscriber.subscribeAsync("wills/#", { qos: 2 });
    const will = { topic: "wills/one", payload: Buffer.from("gone"), qos: 2 as const, retain: true };
    const client = await mqttJs(url, { will });
    client.stream.destroy();
    await until(() => texts.length === 1, "the will");
    expect(texts).toEqual(["wills/one gone 2"]);
    expect(gate.texts).toEqual(["wills/one gone"]);
  });

  it("keeps messages for a persistent session while its client is offline", async () => {
    const { url } = await start();
    const session = { clientId: "persistent", clean: false };
    const first = await mqttJs(url, session);
    await first.subscribeAsync({ "a/#": { qos: 1 }, "b/#": { qos: 2 }, "a/+": { qos: 1 }, "c/#": { qos: 0 } });
    await first.endAsync();
    const publisher = await mqttJs(url);
    for (let n = 0; n < 5; n++) await publisher.publishAsync("a/x", `a${n}`, { qos: 2 });
    for (let n = 0; n < 5; n++) await publisher.publishAsync("b/x", `b${n}`, { qos: 2 });
    await publisher.publishAsync("c/x", "not kept: QoS 0", { qos: 2 });
    const second = mqtt.connect(url, { reconnectPeriod: 0, ...session });
    clients.push(second);
    const texts = collect(second);
    const sessionPresent = await new Promise((resolve) =>
      second.once("connect", (connack) => resolve(connack.sessionPresent)),
    );
    expect(sessionPresent).toBe(true);
    await until(() => texts.length === 10, "ten messages");
    expect(texts).toEqual([...[0, 1, 2, 3, 4].map((n) => `a/x a${n} 1`), ...[0, 1, 2, 3, 4].map((n) => `b/x b${n} 2`)]);
    await publisher.publishAsync("a/x", "live", { qos: 1 });
    await until(() => texts.length === 11, "the live message");
    await second.endAsync();
    const third = await mqttJs(url, session);
    const none = collect(third);
    await third.unsubscribeAsync("a/#");
    expect(none).toEqual([]);
  });

  it("resends unacknowledged messages, marked as duplicates, when the client reconnects", async () => {
    const { url, port } = await start();
    const raw = await RawClient.connected(port, { clientId: "persistent", clean: false });
    raw.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a", qos: 1 }] });
    await raw.next("suback");
    const publisher = await mqttJs(url);
    await publisher.publishAsync("a", "1", { qos: 1 });
    const first = await raw.next("publish");
    raw.socket.destroy();
    const again = await RawClient.connected(port, { clientId: "persistent", clean: false });
    const second = await again.next("publish");
    expect({ dup: second.dup, id: second.messageId }).toEqual({ dup: true, id: first.messageId });
    again.send({ cmd: "puback", messageId: second.messageId ?? 0 });
    await again.ping();
    again.socket.destroy();
    const third = await RawClient.connected(port, { clientId: "persistent", clean: false });
    await third.ping();
    expect(third.ids("publish")).toEqual([]);
  });

  it("closes the older of two connections with the same client id", async () => {
    const { url, metric } = await start();
    const first = await mqttJs(url, { clientId: "same" });
    const closed = new Promise<void>((resolve) => first.once("close", () => resolve()));
    const second = await mqttJs(url, { clientId: "same" });
    await closed;
    await second.publishAsync("a", "1", { qos: 1 });
    expect(await metric("weir_broker_clients")).toBe(1);
  });

  it("answers pings", async () => {
    const { url } = await start();
    const client = await mqttJs(url, { keepalive: 1 });
    await new Promise<void>((resolve) => {
      client.on("packetreceive", (packet) => {
        if (packet.cmd === "pingresp") resolve();
      });
    });
    expect(client.connected).toBe(true);
  });

  it("carries payloads of 200 KiB", async () => {
    const { url, gate } = await start();
    const client = await mqttJs(url);
    await client.publishAsync("big", Buffer.alloc(200 * 1024, 7), { qos: 1 });
    expect(gate.messages[0]?.payload.length).toBe(200 * 1024);
  });
});
