import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "mqtt-packet";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { InboundMessage } from "../platform/publish-gate.ts";
import { hashPassword } from "./auth/password.ts";
import {
  FakeGate,
  makeCertificate,
  publishPacket,
  RawClient,
  startTestBroker,
  stopAll,
  until,
} from "./testing/test-support.ts";
import {
  AcceptedSockets,
  openSocket,
  openWebSocket,
  openWire,
  TRANSPORTS,
  type Transport,
} from "./testing/test-wires.ts";

/** A well-behaved client waits at most this long for an acknowledgement, whatever other clients do. */
const PUBACK_MS_MAX = 1_500;
const KIB = 1024;

/** Holds messages under `held/` until the test releases them. */
class PartlyHeldGate extends FakeGate {
  override accept(message: InboundMessage, done: (error?: Error) => void): void {
    if (message.topic.startsWith("held/")) this.pending.push({ message, done });
    else done();
  }
}

const accepted = new AcceptedSockets();
const gate = new PartlyHeldGate();
const escaped: unknown[] = [];
const collect = (error: unknown) => void escaped.push(error);
let folder: string;
let broker: Awaited<ReturnType<typeof startTestBroker>>;
let honest: RawClient;
let packetId = 0;

beforeAll(async () => {
  process.on("uncaughtException", collect);
  process.on("unhandledRejection", collect);
  accepted.watch();
  folder = await mkdtemp(join(tmpdir(), "weir-resets-"));
  const usersFile = join(folder, "users.yaml");
  const password = await hashPassword("secret");
  const users = TRANSPORTS.map((name) => `  - { name: ${name}, password: "${password}" }\n`).join("");
  await writeFile(usersFile, `users:\n${users}anonymous: { publish: ["#"], subscribe: ["#"] }\n`);
  const tls = { ...(await makeCertificate(folder)), port: 0 };
  broker = await startTestBroker({ users_file: usersFile, anonymous: true, tls, ws_port: 0 }, gate);
  honest = await RawClient.connected(broker.port, { clientId: "honest" });
});

afterAll(async () => {
  await stopAll();
  accepted.unwatch();
  process.off("uncaughtException", collect);
  process.off("unhandledRejection", collect);
  await rm(folder, { recursive: true, force: true });
});

function portOf(transport: Transport): number {
  const { mqttPort, tlsPort = 0, wsPort = 0 } = broker.broker.address;
  return { tcp: mqttPort, tls: tlsPort, ws: wsPort }[transport];
}

async function honestPublish(topic: string, payload = "1"): Promise<void> {
  const id = ++packetId;
  honest.publish(topic, payload, { qos: 1, id });
  await until(() => honest.ids("puback").includes(id), `PUBACK ${id} of the honest client`, PUBACK_MS_MAX);
}

/** Every kind of connection that the broker counts: sockets, MQTT connections, clients. */
async function connections(): Promise<unknown> {
  return {
    sockets: accepted.size,
    health: broker.broker.health(),
    clients: await broker.metric("weir_broker_clients"),
  };
}

/** Brings a connection into a state. Resolves to its socket once the broker has read up to that point. */
type Enter = (transport: Transport) => Promise<Socket>;

/** Sends bytes over the raw socket, below any transport. */
function bare(bytes: string | Uint8Array): Enter {
  return async (transport) => {
    const socket = openSocket(portOf(transport));
    await accepted.untilRead(socket, () => socket.write(bytes));
    return socket;
  };
}

/** Sends once the transport is open, before any login. */
function unconnected(send: (client: RawClient, transport: Transport) => void): Enter {
  return async (transport) => {
    const wire = openWire[transport](portOf(transport));
    const client = new RawClient(wire);
    const opened = { tcp: "connect", tls: "secureConnect", ws: undefined }[transport];
    if (opened !== undefined) await new Promise((resolve) => wire.stream.once(opened, resolve));
    else await until(() => wire.socket.bytesRead > 0, "the answer to the upgrade");
    await accepted.untilRead(wire.socket, () => send(client, transport));
    return wire.socket;
  };
}

function connected(act: (client: RawClient, transport: Transport) => Promise<void>): Enter {
  return async (transport) => {
    const client = await RawClient.connected(openWire[transport](portOf(transport)), { clientId: `c-${transport}` });
    await act(client, transport);
    return client.socket;
  };
}

/** Sends bytes over an open WebSocket instead of a frame. */
function frame(...bytes: number[]): Enter {
  return async (transport) => {
    const { socket, webSocket } = openWebSocket(portOf(transport));
    await new Promise((resolve) => webSocket.once("open", resolve));
    await accepted.untilRead(socket, () => socket.write(Uint8Array.from(bytes)));
    return socket;
  };
}

async function subscribed(client: RawClient, topic: string): Promise<void> {
  client.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic, qos: 1 }] });
  await client.next("suback");
}

const CONNECT = { cmd: "connect", clientId: "unseen", protocolVersion: 4, clean: true, keepalive: 0 } as const;
const UPGRADE = "GET /mqtt HTTP/1.1\r\nHost: weir\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
const KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/** The states in which a client's connection may be reset. */
const states: readonly { readonly name: string; readonly on: readonly Transport[]; readonly enter: Enter }[] = [
  {
    name: "silent",
    on: TRANSPORTS,
    enter: async (transport) => {
      const socket = openSocket(portOf(transport));
      await accepted.otherEnd(socket);
      return socket;
    },
  },
  { name: "half a ClientHello", on: ["tls"], enter: bare(Buffer.from("16030102000100", "hex")) },
  { name: "not a ClientHello", on: ["tls"], enter: bare("GET / HTTP/1.1\r\n\r\n") },
  { name: "half an upgrade request", on: ["ws"], enter: bare(UPGRADE) },
  {
    name: "half a request's body",
    on: ["ws"],
    enter: bare("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"),
  },
  { name: "two requests at once", on: ["ws"], enter: bare("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2)) },
  { name: "a request that is not HTTP", on: ["ws"], enter: bare("\u0000\r\n\r\n") },
  { name: "an upgrade request that lacks its key", on: ["ws"], enter: bare(`${UPGRADE}\r\n`) },
  { name: "an upgrade and a bad frame at once", on: ["ws"], enter: bare(`${UPGRADE}${KEY}\r\n\u007f\u007f\u007f`) },
  { name: "a wrong Origin", on: ["ws"], enter: bare(`${UPGRADE}${KEY}Origin: https://evil.example\r\n\r\n`) },
  { name: "a bad frame", on: ["ws"], enter: frame(0xff, 0xff, 0xff, 0xff) },
  { name: "an oversize frame", on: ["ws"], enter: frame(0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0) },
  { name: "a text frame", on: ["ws"], enter: frame(0x81, 0x82, 0, 0, 0, 0, 0xc0, 0) },
  { name: "half a frame", on: ["ws"], enter: frame(0x82, 0x82, 0, 0, 0, 0, 0xc0) },
  { name: "a close frame", on: ["ws"], enter: frame(0x88, 0x80, 0, 0, 0, 0) },
  {
    name: "half a CONNECT",
    on: TRANSPORTS,
    enter: unconnected((client) => client.sendBytes(generate(CONNECT).subarray(0, 7))),
  },
  {
    name: "the first byte of a CONNECT",
    on: TRANSPORTS,
    enter: unconnected((client) => client.sendBytes(generate(CONNECT).subarray(0, 1))),
  },
  {
    name: "open, without a CONNECT",
    on: ["ws"],
    enter: async (transport) => {
      const { socket, webSocket } = openWebSocket(portOf(transport));
      await new Promise((resolve) => webSocket.once("open", resolve));
      return socket;
    },
  },
  {
    name: "CONNECT with a password that is still being checked",
    on: TRANSPORTS,
    enter: unconnected((client, username) =>
      client.send({ ...CONNECT, clientId: username, username, password: Buffer.from("secret") }),
    ),
  },
  { name: "idle", on: TRANSPORTS, enter: connected((client) => client.ping()) },
  {
    name: "half a PUBLISH",
    on: TRANSPORTS,
    enter: connected((client) => {
      const half = generate(publishPacket("a/b", "message", { qos: 1, id: 1 })).subarray(0, 7);
      return accepted.untilRead(client.socket, () => client.sendBytes(half));
    }),
  },
  {
    name: "PUBLISH of QoS 1 that the gate holds",
    on: TRANSPORTS,
    enter: connected(async (client) => {
      for (const id of [1, 2, 3]) client.publish("held/1", "m", { qos: 1, id });
      await until(() => gate.pending.length === 3, "the gate to have them");
    }),
  },
  {
    name: "PUBLISH of QoS 2 that the gate holds",
    on: TRANSPORTS,
    enter: connected(async (client) => {
      client.publish("held/2", "m", { qos: 2, id: 1 });
      await until(() => gate.pending.length === 1, "the gate to have it");
    }),
  },
  {
    name: "QoS 2 between PUBREC and PUBREL",
    on: TRANSPORTS,
    enter: connected(async (client) => {
      client.publish("a/b", "m", { qos: 2, id: 1 });
      await client.next("pubrec");
    }),
  },
  {
    name: "subscriber with unacknowledged messages",
    on: TRANSPORTS,
    enter: connected(async (client, transport) => {
      await subscribed(client, `out/${transport}`);
      for (let n = 0; n < 3; n++) await honestPublish(`out/${transport}`);
      await until(() => client.ids("publish").length === 3, "the messages");
    }),
  },
  {
    name: "subscriber that does not read its messages",
    on: TRANSPORTS,
    enter: connected(async (client, transport) => {
      await subscribed(client, `big/${transport}`);
      client.socket.pause();
      // More than the kernel buffers, but less than the backlog at which the broker closes the connection.
      for (let n = 0; n < 32; n++) await honestPublish(`big/${transport}`, "x".repeat(200 * KIB));
    }),
  },
];

const cases = states.flatMap(({ name, on, enter }) => on.map((transport) => ({ name, transport, enter })));

test.each(cases)("a reset over $transport: $name", async ({ transport, enter }) => {
  const before = await connections();
  const socket = await enter(transport);
  socket.resetAndDestroy();
  await honestPublish("honest");
  await expect.poll(connections, { timeout: 10_000, interval: 5 }).toEqual(before);
  // The client's messages in flight end too.
  gate.release();
  await honestPublish("honest");
  const login = { clientId: "after", username: transport, password: Buffer.from("secret") };
  const after = await RawClient.connected(broker.port, login);
  after.socket.end();
  await expect.poll(connections, { timeout: 10_000, interval: 5 }).toEqual(before);
  expect(escaped.splice(0)).toEqual([]);
});

test.each(TRANSPORTS)(
  "a reset over %s with more than the limit in flight: the broker closes the connection once the gate answers",
  async (transport) => {
    const before = await connections();
    const client = await RawClient.connected(openWire[transport](portOf(transport)), { clientId: "fast" });
    // The broker stops reading, and notices the reset only when it reads again.
    for (let id = 1; id <= 2_000; id++) client.publish("held/fast", "x".repeat(KIB / 2), { qos: 1, id });
    await until(() => gate.pending.length > 0, "the gate to have some");
    client.socket.resetAndDestroy();
    await honestPublish("honest");
    const settled = async () => {
      gate.release();
      return await connections();
    };
    await expect.poll(settled, { timeout: 10_000, interval: 5 }).toEqual(before);
    expect(escaped.splice(0)).toEqual([]);
  },
);
