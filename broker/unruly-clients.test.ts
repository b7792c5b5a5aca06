import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "mqtt-packet";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { hashPassword } from "./auth/password.ts";
import { FakeGate, makeCertificate, RawClient, startTestBroker, stopAll, until } from "./testing/test-support.ts";
import { AcceptedSockets, openSocket, openWebSocket } from "./testing/test-wires.ts";

/** Far above the broker's own bounds, for slow machines; far below the defaults of Node and ws (30 s and more). */
const CLOSE = { timeout: 15_000, interval: 20 };
const UPGRADE = [
  "GET /mqtt HTTP/1.1",
  "Host: weir",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
].join("\r\n");

const accepted = new AcceptedSockets();
const escaped: unknown[] = [];
const collect = (error: unknown) => void escaped.push(error);
let tls: { readonly key_file: string; readonly cert_file: string; readonly port: number };
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-unruly-"));
  tls = { ...(await makeCertificate(folder)), port: 0 };
});

beforeEach(() => {
  process.on("uncaughtException", collect);
  accepted.watch();
});

afterEach(async () => {
  vi.restoreAllMocks();
  await stopAll();
  accepted.unwatch();
  process.off("uncaughtException", collect);
  expect(escaped.splice(0)).toEqual([]);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Keeps its end open regardless of the broker, and reads nothing. */
function stubbornSocket(port: number): Socket {
  const socket = new Socket({ allowHalfOpen: true });
  socket.on("error", () => {});
  return socket.connect(port, "127.0.0.1");
}

describe("a client that does not close its end is closed within a bound", () => {
  it.each([
    ["when its Origin is refused", `${UPGRADE}\r\nOrigin: https://evil.example\r\n\r\n`],
    ["when its upgrade is refused", `${UPGRADE.replace("Version: 13", "Version: 99")}\r\n\r\n`],
    ["after a bad frame", `${UPGRADE}\r\n\r\n\u007f\u007f\u007f\u007f`],
    ["after a close frame", `${UPGRADE}\r\n\r\n\u0088\u0080\u0000\u0000\u0000\u0000`],
    ["when it never finishes its upgrade request", UPGRADE],
    ["when it sends nothing over HTTP", ""],
  ])("%s", async (_when, bytes) => {
    const { broker } = await startTestBroker({ ws_port: 0, limits: { connect_timeout: "300ms" } });
    const socket = stubbornSocket(broker.address.wsPort ?? 0);
    await accepted.otherEnd(socket);
    socket.write(bytes, "latin1");
    await expect.poll(() => accepted.size, CLOSE).toBe(0);
    expect(broker.health().detail).toBe("0 connections");
    socket.destroy();
  });

  it.each([
    ["when it sends nothing over TLS", ""],
    ["when it never finishes its ClientHello", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000"],
  ])("%s", async (_when, bytes) => {
    const { broker } = await startTestBroker({ tls, limits: { connect_timeout: "300ms" } });
    const socket = stubbornSocket(broker.address.tlsPort ?? 0);
    await accepted.otherEnd(socket);
    socket.write(bytes, "latin1");
    await expect.poll(() => accepted.size, CLOSE).toBe(0);
    socket.destroy();
  });
});

it("a connection that is not yet a WebSocket ends when the broker stops", async () => {
  const { broker, stop } = await startTestBroker({ ws_port: 0 });
  await accepted.otherEnd(stubbornSocket(broker.address.wsPort ?? 0));
  await stop();
  await expect.poll(() => accepted.size, CLOSE).toBe(0);
});

describe("a WebSocket", () => {
  it("with a text frame is closed with a reason [MQTT-6.0.0-1]", async () => {
    const gate = new FakeGate();
    const { broker, metric } = await startTestBroker({ ws_port: 0 }, gate);
    const { webSocket } = openWebSocket(broker.address.wsPort ?? 0);
    const closed = new Promise<string>((resolve) => {
      webSocket.on("close", (code, reason) => resolve(`${code} ${reason}`));
    });
    webSocket.on("open", () => webSocket.send("text"));
    expect(await closed).toBe("1003 MQTT needs binary frames, this is a text frame");
    await until(
      async () => (await metric("weir_broker_refused_total", { reason: "protocol-error" })) === 1,
      "the count",
    );
  });

  it.each([
    ["a bad frame", [0xff, 0xff, 0xff, 0xff]],
    ["an oversize frame", [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]],
  ])("with %s is closed and counted", async (_name, bytes) => {
    const { broker, metric } = await startTestBroker({ ws_port: 0 });
    const { socket, webSocket } = openWebSocket(broker.address.wsPort ?? 0);
    const closed = new Promise((resolve) => webSocket.on("close", resolve));
    webSocket.on("open", () => socket.write(Uint8Array.from(bytes)));
    await closed;
    await until(
      async () => (await metric("weir_broker_refused_total", { reason: "protocol-error" })) === 1,
      "the count",
    );
  });

  it("above the limit of clients that breaks the protocol at once is only closed", async () => {
    const usersFile = join(folder, "users.yaml");
    await writeFile(usersFile, `users: [{ name: known, password: "${await hashPassword("secret")}" }]\n`);
    const limits = { clients_max: 1, connecting_max: 39, password_checks_max: 1 };
    const { broker, port, metric } = await startTestBroker({ ws_port: 0, users_file: usersFile, limits });
    // All of them wait for a password check, which takes a while.
    const full = Array.from({ length: 40 }, () => openSocket(port));
    const login = { username: "known", password: Buffer.from("wrong") };
    for (const waiting of full)
      waiting.write(generate({ cmd: "connect", clientId: "c", clean: true, keepalive: 0, ...login }));
    await until(() => broker.health().detail === "40 connections", "the connections");
    const socket = openSocket(broker.address.wsPort ?? 0);
    socket.write(`${UPGRADE}\r\n\r\n\u007f\u007f\u007f\u007f`);
    socket.resume();
    await new Promise((resolve) => socket.once("close", resolve));
    expect(await metric("weir_broker_refused_total", { reason: "too-many-clients" })).toBe(1);
    await expect.poll(() => accepted.size, CLOSE).toBe(0);
  });
});

it("a server that cannot accept a connection counts it and continues", async () => {
  const listen = vi.spyOn(Server.prototype, "listen");
  const { broker, port, metric } = await startTestBroker({ ws_port: 0, tls });
  const servers = listen.mock.contexts.filter((context) => context instanceof Server);
  expect(servers).toHaveLength(3);
  for (const server of servers) {
    for (let n = 0; n < 2; n++) server.emit("error", Object.assign(new Error("accept EMFILE"), { code: "EMFILE" }));
  }
  expect(await metric("weir_broker_refused_total", { reason: "accept-failed" })).toBe(6);
  await RawClient.connected(port);
  expect(broker.health().ready).toBe(true);
});
