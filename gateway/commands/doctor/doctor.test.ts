import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startMosquitto } from "../../../test/servers/mosquitto.ts";
import { takeDataDir } from "../../services/data-dir.ts";
import { readSettings } from "../../settings/settings.ts";
import { bridgeFindings, checkAccess, checkPort, receiverFindings } from "./doctor.ts";

const undo: (() => Promise<unknown>)[] = [];
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-doctor-"));
  undo.push(() => rm(folder, { recursive: true }));
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A host that counts the bytes it receives, and a port on which nothing listens any more. */
async function hosts() {
  const seen = { connections: 0, bytes: 0 };
  const server = createServer((socket) => {
    seen.connections++;
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      seen.bytes += chunk.length;
    });
  });
  const listen = async (each: typeof server) => {
    await new Promise<void>((resolve) => each.listen(0, "127.0.0.1", resolve));
    return (each.address() as AddressInfo).port;
  };
  const port = await listen(server);
  undo.push(() => new Promise((resolve) => server.close(resolve)));
  const gone = createServer();
  const closed = await listen(gone);
  await new Promise((resolve) => gone.close(resolve));
  return { seen, port, closed };
}

async function linesOf(yaml: string, environment: Record<string, string> = {}): Promise<string[]> {
  const config = join(folder, "weir.yaml");
  await writeFile(config, yaml);
  const findings = await receiverFindings({ config }, environment);
  return findings.map(({ what, ok, detail }) => `${ok ? "ok" : "WRONG"} ${what}: ${detail}`);
}

test("each receiver has a line; nothing is sent to a reachable one", async () => {
  const { seen, port } = await hosts();
  await writeFile(join(folder, "password"), "secret\n");
  const secret = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
  const lines = await linesOf(
    `notifier:
  receivers:
    ops:
      - webhook: { url_env: HOOK, secret_env: SIGNING, headers_env: { authorization: AUTH } }
      - mqtt: {}
      - mqtt: { url: "mqtt://127.0.0.1:${port}" }
      - email: { host: 127.0.0.1, port: ${port}, username: w, password_file: ${join(folder, "password")}, from: a@b, to: [c@d] }
    night:
      - alertmanager: { url: "http://127.0.0.1:${port}" }
`,
    { HOOK: `http://127.0.0.1:${port}/very/secret`, SIGNING: secret, AUTH: "Bearer x" },
  );
  expect(lines).toEqual([
    `ok ops.webhook: 127.0.0.1:${port} accepts connections; its 3 secrets were found`,
    "ok ops.mqtt: Weir's own broker",
    `ok ops.mqtt-2: 127.0.0.1:${port} accepts connections`,
    `ok ops.email: 127.0.0.1:${port} accepts connections; its secret was found`,
    `ok night.alertmanager: 127.0.0.1:${port} accepts connections`,
  ]);
  await expect.poll(() => seen.connections).toBe(4);
  expect(seen.bytes).toBe(0);
  expect(lines.join()).not.toContain("very");
});

test("missing and wrong secrets and unreachable hosts are reported, each with a fix", async () => {
  const { closed } = await hosts();
  const lines = await linesOf(
    `notifier:
  receivers:
    ops:
      - webhook: { url: "http://127.0.0.1:${closed}/hook", secret_env: SIGNING, headers_env: { authorization: AUTH } }
      - webhook: { url_file: ${join(folder, "none")} }
      - webhook: { url: "https://no-such-host.invalid/x", secret_env: WEAK }
      - alertmanager: { url_env: AM }
`,
    { WEAK: "abc", AM: "am:9093" },
  );
  expect(lines).toEqual([
    "WRONG ops.webhook: the environment variable SIGNING is not set; set it before the start",
    "WRONG ops.webhook: the environment variable AUTH is not set; set it before the start",
    `WRONG ops.webhook: 127.0.0.1:${closed}: nothing listens there; start the server, or correct the port in weir.yaml`,
    expect.stringMatching(/^WRONG ops\.webhook-2: cannot read the secret's file .*none: ENOENT/),
    expect.stringMatching(/^WRONG ops\.webhook-3: the signing secret must be whsec_/),
    "WRONG ops.webhook-3: no-such-host.invalid:443: the host name does not resolve; correct it in weir.yaml, or fix this machine's DNS",
    "WRONG ops.alertmanager: the environment variable AM must hold an address like https://example.org/hook",
  ]);
});

test("an unreadable configuration has its own line, and no line here", async () => {
  expect(await linesOf("notifier: { receivers: 5 }\n")).toEqual([]);
  expect(await receiverFindings({ config: undefined }, {})).toEqual([]);
});

test("a users file that is missing or wrong, a missing certificate and an open door are wrong, as at a start", async () => {
  const config = join(folder, "weir.yaml");
  const users = join(folder, "users.yaml");
  const look = (flags: Record<string, unknown> = {}) => checkAccess(readSettings({ config, ...flags }, {}));
  await writeFile(config, `broker: { users_file: ${users} }\n`);
  await expect(look()).rejects.toThrow(/ENOENT.*users\.yaml/);
  await writeFile(users, "- bob\n");
  await expect(look()).rejects.toThrow(/users\.yaml:1:1/);
  await writeFile(users, "users: []\n");
  expect(await look()).toBe(`0 users in ${users}`);
  await expect(look({ bind: "0.0.0.0" })).rejects.toThrow("feed.tokens");
  await writeFile(
    config,
    `broker: { tls: { port: 0, cert_file: ${folder}/none.pem, key_file: ${folder}/none.key } }\n`,
  );
  await expect(look()).rejects.toThrow(/ENOENT.*none\.pem/);
});

test("the port of the gateway that runs on the data folder is in order, any other taken one is wrong", async () => {
  const { port } = await hosts();
  const settings = readSettings({ mqttPort: `${port}`, dataDir: folder }, {});
  await expect(checkPort(settings, "mqttPort")).rejects.toThrow(/in use by another program; choose .*--mqtt-port/);
  const dataDir = takeDataDir(folder);
  undo.push(async () => dataDir.release());
  const run = { pid: process.pid, natsUrl: "nats://127.0.0.1:1", natsToken: undefined };
  dataDir.writeRunFile({ ...run, mqttPort: port, mqttWsPort: undefined, httpPort: undefined });
  expect(await checkPort(settings, "mqttPort")).toContain(`process ${process.pid}`);
});

test("each bridge has a line; the other broker keeps nothing of the check", async () => {
  const access = ["allow_anonymous true", `acl_file ${join(folder, "acl")}`];
  await writeFile(join(folder, "acl"), "topic readwrite sensors/#\n");
  const server = await startMosquitto({ access });
  undo.push(server.stop);
  const { closed } = await hosts();
  const config = join(folder, "weir.yaml");
  const bridges = [
    { name: "good", url: server.url, version: "3.1.1", share: "g", in: [{ remote: "sensors/#" }] },
    { name: "out", url: server.url, out: [{ local: "sensors/#" }] },
    { name: "gone", url: `mqtt://127.0.0.1:${closed}`, in: [{ remote: "sensors/#" }] },
    { name: "locked", url: server.url, username: "w", password_env: "LOCKED", in: [{ remote: "sensors/#" }] },
  ];
  await writeFile(config, JSON.stringify({ bridges }));
  const findings = await bridgeFindings({ config }, {});
  expect(findings.map(({ what, ok, detail }) => `${ok ? "ok" : "WRONG"} ${what}: ${detail}`)).toEqual([
    `ok bridge good: ${server.url} answers, with MQTT 3.1.1; it has no shared subscriptions: \`share\` is ignored`,
    `ok bridge out: ${server.url} answers, with MQTT 5`,
    `WRONG bridge gone: mqtt://127.0.0.1:${closed}: nothing listens on 127.0.0.1:${closed}; check the port in \`url\`, and that the broker runs (ECONNREFUSED)`,
    "WRONG bridge locked: bridge locked: the password: the environment variable LOCKED is not set; set it before the start",
  ]);
});
