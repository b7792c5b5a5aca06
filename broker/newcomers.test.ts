import { mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { makeCertificate, RawClient, startTestBroker, stopAll, until } from "./testing/test-support.ts";
import { openSocket, openWebSocket, openWire, TRANSPORTS } from "./testing/test-wires.ts";

const WAIT = { timeout: 15_000, interval: 20 };
const SILENT = 120;
const sockets: Socket[] = [];
let folder: string;
let tls: { readonly key_file: string; readonly cert_file: string; readonly port: number };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-newcomers-"));
  tls = { ...(await makeCertificate(folder)), port: 0 };
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await stopAll();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

type Ports = { readonly mqttPort: number; readonly tlsPort: number | undefined; readonly wsPort: number | undefined };

/** Ways to hold a connection without a CONNECT. */
const SILENCES: readonly (readonly [name: string, open: (ports: Ports) => Socket])[] = [
  ["sockets that send nothing", ({ mqttPort }) => openSocket(mqttPort)],
  ["sockets that never begin a TLS handshake", ({ tlsPort = 0 }) => openSocket(tlsPort)],
  ["TLS connections without a CONNECT", ({ tlsPort = 0 }) => openWire.tls(tlsPort).socket],
  ["sockets that never ask for a WebSocket", ({ wsPort = 0 }) => openSocket(wsPort)],
  ["WebSockets without a CONNECT", ({ wsPort = 0 }) => openWebSocket(wsPort).socket],
];

it.each(SILENCES)("%s do not shut out clients, and the oldest of them are closed", async (_name, open) => {
  const limits = { clients_max: 5, connecting_max: 20, connect_timeout: "1h" };
  const { broker, metric } = await startTestBroker({ tls, ws_port: 0, limits });
  const { address } = broker;
  const opened = Array.from({ length: SILENT }, () => open(address));
  sockets.push(...opened);
  let closed = 0;
  for (const socket of opened) {
    socket.resume();
    socket.once("close", () => closed++);
  }
  for (const transport of TRANSPORTS) {
    const port = { tcp: address.mqttPort, tls: address.tlsPort ?? 0, ws: address.wsPort ?? 0 }[transport];
    const client = await RawClient.connected(openWire[transport](port), { clientId: transport });
    await client.ping();
  }
  await expect.poll(() => closed, WAIT).toBe(SILENT - limits.connecting_max);
  expect(await metric("weir_broker_refused_total", { reason: "silent-connection" })).toBe(closed);
  // The newest ones remain.
  expect(opened.slice(-limits.connecting_max).every((socket) => !socket.closed)).toBe(true);
});

it("many clients that connect at once are all accepted: their CONNECT is on its way", async () => {
  const { port, metric } = await startTestBroker({ limits: { connecting_max: 100 } });
  const clients = Array.from({ length: 200 }, (_, n) => RawClient.connected(port, { clientId: `c${n}` }));
  await Promise.all(clients);
  expect(await metric("weir_broker_refused_total", { reason: "silent-connection" })).toBe(0);
  expect(await metric("weir_broker_clients")).toBe(200);
});

it("a client that is connected or waits for its password is no newcomer", async () => {
  const { port, broker } = await startTestBroker({ limits: { connecting_max: 1 } });
  const connected = await RawClient.connected(port, { clientId: "connected" });
  for (let n = 0; n < 5; n++) sockets.push(openSocket(port));
  await until(() => broker.health().detail !== "1 connections", "the sockets");
  await expect.poll(() => broker.health().detail, WAIT).toBe("2 connections");
  await connected.ping();
});
