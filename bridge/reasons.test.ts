import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { makeAuthority } from "../test/servers/certificates.ts";
import { freePort } from "../test/servers/free-port.ts";
import { type MosquittoOptions, startMosquitto } from "../test/servers/mosquitto.ts";
import { startBridgeKit, startConnected, startScriptedBroker, WAIT } from "./testing/bridge-kit.ts";

const undo: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function tempFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "weir-bridge-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function startServer(options: MosquittoOptions) {
  const server = await startMosquitto(options);
  undo.push(server.stop);
  return server;
}

/** What the bridge says for as long as it is not connected. */
async function problemOf(config: Readonly<Record<string, unknown>>, expected: string | RegExp) {
  const { bridges, metric, stop } = await startBridgeKit(undo, { config: { in: [{ remote: "a/#" }], ...config } });
  const problem = () => bridges.problem() ?? "";
  await expect.poll(problem, WAIT).toMatch(expected);
  expect(await metric("weir_bridge_connected")).toEqual({ b: 0 });
  const failures = Object.keys(await metric("weir_bridge_failures_total"));
  await stop();
  return failures;
}

test("a port on which nothing listens, and a name that DNS does not know", async () => {
  const port = await freePort();
  const closed = `bridge b: not connected to mqtt://127.0.0.1:${port}: nothing listens on 127.0.0.1:${port}; check the port in \`url\``;
  expect(await problemOf({ url: `mqtt://127.0.0.1:${port}` }, closed)).toEqual(["b port-closed"]);
  // A resolver that cannot be reached says so in other words.
  const unknown = /no such host: nowhere\.invalid is not known to DNS|nowhere\.invalid cannot be looked up now/;
  expect(await problemOf({ url: "mqtt://nowhere.invalid" }, unknown)).toEqual(["b dns"]);
});

test("why TLS fails: unknown authority, expired, another host, no certificate of ours, no TLS", async () => {
  const folder = await tempFolder();
  const authority = await makeAuthority(folder, "ours");
  const other = await makeAuthority(folder, "other");
  const good = await authority.issue("good");
  const ca_file = authority.certFile;
  const tls = { ...good, clientCaFile: ca_file };
  const server = await startServer({ tls: good });
  const url = server.tlsUrl;
  const unknown =
    /an authority that is not known here signed its certificate; name the authority's file in `tls.ca_file`/;
  expect(await problemOf({ url }, unknown)).toEqual(["b tls"]);
  await problemOf({ url, tls: { ca_file: other.certFile } }, unknown);
  const named = { url, tls: { ca_file, server_name: "broker.example" } };
  await problemOf(named, /its certificate is for another host than localhost; .* or set `tls.server_name`/);
  await problemOf({ url, tls: { ca_file: join(folder, "none.pem") } }, /tls\.ca_file cannot be read: ENOENT/);
  await problemOf(
    { url: server.url.replace("mqtt:", "mqtts:") },
    /if it does not speak TLS on this port, use mqtt:\/\/|it does not speak TLS on this port/,
  );
  await problemOf({ url: url.replace("mqtts:", "mqtt:") }, /it may expect TLS|does it expect TLS/);

  const expired = await startServer({ tls: await authority.issue("expired", { days: -1 }) });
  await problemOf({ url: expired.tlsUrl, tls: { ca_file } }, /its certificate has expired; the broker needs a new one/);

  const strict = await startServer({ tls });
  await problemOf(
    { url: strict.tlsUrl, tls: { ca_file } },
    /it does not accept Weir's certificate, or wants one: check/,
  );
  const client = await authority.issue("client");
  const ours = { ca_file, cert_file: client.certFile, key_file: client.keyFile };
  const { bridges } = await startConnected(undo, {
    config: { url: strict.tlsUrl, tls: ours, in: [{ remote: "a/#" }] },
  });
  expect(bridges.problem()).toBeUndefined();
}, 60_000);

test("a login that is refused, in both versions, with what to check", async () => {
  const folder = await tempFolder();
  await writeFile(join(folder, "users"), "weir:secret\n");
  const access = ["allow_anonymous false", `acl_file ${join(folder, "acl")}`];
  await writeFile(join(folder, "acl"), "topic read allowed/#\n");
  const { url } = await startServer({ access });
  const login = /refuses the connection: not authorized: the user may not connect.* check `username`/;
  expect(await problemOf({ url, version: "3.1.1" }, login)).toEqual(["b login"]);
  expect(await problemOf({ url }, /not authorized.*reason code 0x87/)).toEqual(["b login"]);
});

test.each([
  [0x86, /wrong user name or password; check `username` and `password_env` or `password_file` \(reason code 0x86\)/],
  [0x85, /does not accept the client id; set `client_id`/],
  [0x89, /its server is busy/],
  [0x9d, /its server has moved; change `url`/],
  [0xfe, /for a reason that MQTT does not define \(reason code 0xfe\)/],
])("reason code %i of CONNACK in words", async (reasonCode, expected) => {
  const { url } = await startScriptedBroker(undo, () => [{ cmd: "connack", reasonCode, sessionPresent: false }]);
  await problemOf({ url }, expected);
});

test("the broker's own words are repeated, without its control characters", async () => {
  const { url } = await startScriptedBroker(undo, () => [
    { cmd: "connack", reasonCode: 0x8a, sessionPresent: false, properties: { reasonString: "too\u0001 many" } },
  ]);
  await problemOf({ url }, /it has banned this client \(reason code 0x8a, "too {2}many"\)/);
});

test("the reason a broker gives for ending the session is reported", async () => {
  const { url } = await startScriptedBroker(undo, (packet) => {
    if (packet.cmd === "connect") return [{ cmd: "connack", reasonCode: 0, sessionPresent: false }];
    return packet.cmd === "subscribe" ? [{ cmd: "disconnect", reasonCode: 0x8e }] : [];
  });
  await problemOf(
    { url },
    /another client connected with the same client id: give each gateway a `client_id` of its own/,
  );
});

test("subscriptions that are refused are named, each with its reason; the others work", async () => {
  const { url } = await startScriptedBroker(undo, (packet) => {
    if (packet.cmd === "connect") return [{ cmd: "connack", reasonCode: 0, sessionPresent: false }];
    return packet.cmd === "subscribe"
      ? [{ cmd: "suback", messageId: packet.messageId ?? 0, granted: [0x87, 1, 0x9e, 0] }]
      : [];
  });
  const filters = [{ remote: "a/#" }, { remote: "b/#" }, { remote: "c/#" }, { remote: "d/#" }];
  const { bridges, metric, lines } = await startBridgeKit(undo, { config: { url, in: filters } });
  await expect
    .poll(() => bridges.problem(), WAIT)
    .toBe(
      `bridge b: ${url} refuses subscriptions: a/#: the user may not subscribe to it; check its rights there (reason code 0x87); c/#: the broker has no shared subscriptions; leave \`share\` out (reason code 0x9e); d/#: granted with QoS 0 only: messages can be lost on the way`,
    );
  expect(await metric("weir_bridge_connected")).toEqual({ b: 1 });
  expect(lines.join("\n")).toContain("the outside broker refuses the subscription to a/#");
});

test.each([
  ["return code 1", Buffer.from([0x20, 2, 0, 1])],
  ["reason code 0x84", Buffer.from([0x20, 3, 0, 0x84, 0])],
  ["a closed connection", "end" as const],
])("a broker that answers MQTT 5 with %s gets 3.1.1", async (_, refusal) => {
  const { url, connects } = await startScriptedBroker(undo, (packet, version) => {
    if (packet.cmd === "connect") {
      return version === 5 ? refusal : [{ cmd: "connack", returnCode: 0, sessionPresent: false }];
    }
    return packet.cmd === "subscribe" ? [{ cmd: "suback", messageId: packet.messageId ?? 0, granted: [1] }] : [];
  });
  const { lines } = await startConnected(undo, { config: { url, in: [{ remote: "a/#" }] } });
  expect(connects.map(({ protocolVersion, clean }) => [protocolVersion, clean])).toEqual([
    [5, false],
    [4, false],
  ]);
  expect(lines.join("\n")).toMatch(/bridge tries MQTT 3\.1\.1, because with MQTT 5: the broker/);
  expect(lines.at(-1)).toBe("bridge connected, with MQTT 3.1.1");
  await problemOf({ url, version: "5" }, /set `version: 3\.1\.1`|set `version`|not speak MQTT 5/);
});

test("bytes that are not MQTT, and a broker that says nothing, end the connection, not the gateway", async () => {
  const { url } = await startScriptedBroker(undo, () => Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"));
  await problemOf({ url }, /is not MQTT: .*is it an MQTT port, and does it expect TLS/);
  const silent = createServer((socket) => void socket.on("data", () => socket.destroy()));
  undo.push(async () => void silent.close());
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const address = silent.address();
  const port = typeof address === "object" && address ? address.port : 0;
  await problemOf({ url: `mqtt://127.0.0.1:${port}` }, /ended the connection instead of answering CONNECT/);
  // An HTTP server is no WebSocket.
  await problemOf({ url: `ws://127.0.0.1:${port}/mqtt` }, /not connected to ws/);
});

test("a packet larger than the bound ends the connection before it fills the memory", async () => {
  const { url } = await startScriptedBroker(undo, (packet) => {
    if (packet.cmd === "connect") return [{ cmd: "connack", reasonCode: 0, sessionPresent: false }];
    if (packet.cmd !== "subscribe") return [];
    const header = Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 97]);
    return Buffer.concat([header, Buffer.alloc(20 * 1_048_576)]);
  });
  await problemOf({ url }, /the broker sent a message larger than 16 MiB; delete it there/);
});
