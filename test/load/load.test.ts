import { createServer } from "node:net";
import { Aedes, type AedesPublishPacket } from "aedes";
import { type Packet, parser } from "mqtt-packet";
import { afterEach, describe, expect, it } from "vitest";
import { LatencyHistogram } from "./latency-histogram.ts";
import { runLoad } from "./load.ts";
import { connectPacket, patchTimestamp, publishTemplate } from "./packets.ts";

const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** A broker that records what it receives. */
async function startBroker(): Promise<{ port: number; published: AedesPublishPacket[] }> {
  const broker = await Aedes.createBroker();
  const published: AedesPublishPacket[] = [];
  broker.on("publish", (packet, client) => {
    if (client !== null) published.push(packet);
  });
  const server = createServer(broker.handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stops.push(async () => {
    server.close();
    await new Promise<void>((resolve) => broker.close(() => resolve()));
  });
  const address = server.address();
  return { port: address !== null && typeof address === "object" ? address.port : 0, published };
}

function parse(bytes: Buffer): Packet[] {
  const packets: Packet[] = [];
  const reader = parser({ protocolVersion: 4 });
  reader.on("packet", (packet) => packets.push(packet));
  reader.parse(bytes);
  return packets;
}

describe("prebuilt packets", () => {
  it("are what a parser of MQTT reads", () => {
    const [connect] = parse(connectPacket({ clientId: "c", username: "u", password: "p" }));
    expect(connect).toMatchObject({ cmd: "connect", clientId: "c", username: "u", clean: true });
    const { bytes, idAt, timestampAt } = publishTemplate("a/ä", '{"é":1,"ts":{ts}}', 1);
    bytes.writeUInt16BE(513, idAt);
    patchTimestamp(bytes, timestampAt, 1_763_769_600_123_456);
    const [publish] = parse(bytes);
    expect(publish).toMatchObject({ cmd: "publish", topic: "a/ä", qos: 1, messageId: 513 });
    expect(publish?.cmd === "publish" && publish.payload.toString()).toBe('{"é":1,"ts":1763769600123456}');
  });
});

it("packets of MQTT 5 are what a parser of it reads", () => {
  const packets: Packet[] = [];
  const reader = parser({ protocolVersion: 5 });
  reader.on("packet", (packet) => packets.push(packet));
  reader.parse(connectPacket({ clientId: "c", version: 5 }));
  const { bytes, idAt } = publishTemplate("a", "p", 1, 5);
  bytes.writeUInt16BE(513, idAt);
  reader.parse(bytes);
  const [connect, publish] = packets;
  expect(connect).toMatchObject({ cmd: "connect", clientId: "c", protocolVersion: 5 });
  expect(publish).toMatchObject({ cmd: "publish", topic: "a", qos: 1, messageId: 513, payload: Buffer.from("p") });
});

describe("a load", () => {
  it.each([0, 1, 2] as const)("of QoS %s sends the messages it is given, each with its own time", async (qos) => {
    const { port, published } = await startBroker();
    const report = await runLoad({ port, clients: 7, inflightPerClient: 5, messages: 1000, qos });
    expect(report).toMatchObject({ sent: 1000, acknowledged: 1000, failedClients: 0 });
    const endMs = performance.now() + 4_000;
    while (published.length < 1000 && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(new Set(published.map(({ topic, payload }) => `${topic} ${payload.toString()}`)).size).toBe(1000);
    expect(new Set(published.map(({ topic }) => topic)).size).toBe(7);
  });
});

describe("the latency histogram", () => {
  it("gives percentiles within 3 %", () => {
    const histogram = new LatencyHistogram();
    for (let us = 1; us <= 100_000; us++) histogram.add(us);
    for (const share of [0.5, 0.9, 0.99]) {
      expect(Math.abs(histogram.percentileUs(share) / (share * 100_000) - 1)).toBeLessThan(0.03);
    }
    expect(histogram.summary().maxMs).toBe(100);
  });
});
