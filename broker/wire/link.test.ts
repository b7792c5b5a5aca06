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
import { Link } from "./link.ts";

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
    isUnreleased: () => false,
    forward: () => {},
  });
  const link = new Link({
    conn,
    address: "test",
    control: inbound,
    packetBytesMax: 1_000,
    topicLevelsMax: 8,
    rateLimits: limits,
    onConnect() {},
  });
  link.attach();
  link.connected = true;
  return { link, inbound, events, gate };
}

describe("a client that does not read its acknowledgements", () => {
  it("is no longer read, and is disconnected after the drain timeout", async () => {
    const conn = deafPeer();
    const { link, inbound, events } = start(conn);
    stops.push(startKeepalive({ links: new Set([link]), events, drainTimeoutMs: 100, nowMs: () => performance.now() }));
    conn.write(Buffer.alloc(200));
    expect(inbound.publishesLeft(link)).toBe(0);
    conn.push(generate(publishPacket("a", "1", { qos: 1, id: 1 })));
    expect(conn.read()).toBe(null);
    expect(link.stalled).toBe(true);
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
    conn.on("readable", () => conn.read());
    conn.write(Buffer.alloc(200));
    conn.push(generate(publishPacket("a", "1", { qos: 1, id: 1 })));
    await until(() => link.stalled, "the link to stall");
    expect(gate.messages.length).toBe(0);
    for (const callback of done.splice(0)) callback();
    await until(() => gate.messages.length === 1, "the publish");
  });
});
