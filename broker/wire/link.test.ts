import { Duplex } from "node:stream";
import { generate } from "mqtt-packet";
import pino from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { createMetrics } from "../../platform/metrics.ts";
import { brokerConfigSchema } from "../common/config.ts";
import { BrokerEvents } from "../common/events.ts";
import { FakeGate, publishPacket, until } from "../testing/test-support.ts";
import { Inbound } from "./inbound.ts";
import { startKeepalive } from "./keepalive.ts";
import { Link, type PacketHandler } from "./link.ts";

const stops: (() => void)[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** A peer that never reads: no write to it ever completes. */
function deafPeer(): Duplex {
  return new Duplex({ writableHighWaterMark: 100, read: () => {}, write: () => {} });
}

const limits = {
  ...brokerConfigSchema.parse({}).limits,
  inflight_per_client_max: 10,
  inflight_max: 100,
  inflight_size_max: 10_000,
};

const handler: PacketHandler = { packet() {}, failed() {}, ended() {}, emptied() {}, end() {} };

function start(conn: Duplex) {
  const metrics = createMetrics();
  const events = new BrokerEvents({ logger: pino({ level: "silent" }), metrics, nowMs: () => performance.now() });
  const gate = new FakeGate();
  const inbound = new Inbound({
    gate,
    limits,
    events,
    nowUs: () => 0,
    refusalOf: () => undefined,
    forward: () => undefined,
  });
  const link = new Link({
    conn,
    address: "test",
    control: inbound,
    packetBytesMax: 1_000,
    topicLevelsMax: 8,
    topicAliasMax: 1,
    rateLimits: limits,
    nowMs: () => performance.now(),
  });
  link.start(handler);
  link.opened();
  return { link, inbound, events, gate };
}

describe("a client that does not read its acknowledgements", () => {
  it("is no longer read, and is disconnected after the drain timeout", async () => {
    const conn = deafPeer();
    const { link, inbound, events } = start(conn);
    const timeouts = { connectTimeoutMs: 60_000, drainTimeoutMs: 100 };
    stops.push(startKeepalive({ links: new Set([link]), events, ...timeouts, nowMs: () => performance.now() }));
    conn.write(Buffer.alloc(200));
    expect(inbound.publishesLeft(link)).toBe(0);
    conn.push(generate(publishPacket("a", "1", { qos: 1, id: 1 })));
    await until(() => link.stalled, "the link to stall");
    await until(() => conn.destroyed, "the connection to be closed");
    expect(link.droppedFor).toBe("drain-timeout");
  });

  it("is read again once it reads", async () => {
    const done: (() => void)[] = [];
    const conn = new Duplex({
      writableHighWaterMark: 100,
      read: () => {},
      write: (_chunk, _encoding, callback) => void done.push(callback),
    });
    const { link, gate } = start(conn);
    conn.write(Buffer.alloc(200));
    conn.push(generate(publishPacket("a", "1", { qos: 1, id: 1 })));
    await until(() => link.stalled, "the link to stall");
    expect(gate.messages.length).toBe(0);
    for (const callback of done.splice(0)) callback();
    await until(() => gate.messages.length === 1, "the publish");
  });
});
