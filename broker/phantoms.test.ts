import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate } from "mqtt-packet";
import { afterAll, beforeAll, expect, it } from "vitest";
import { hashPassword } from "./auth/password.ts";
import { makeCertificate, RawClient, startTestBroker, stopAll, until } from "./testing/test-support.ts";
import { openWire, TRANSPORTS } from "./testing/test-wires.ts";

const CLIENTS = 30;
const WAIT = { timeout: 15_000, interval: 10 };
let folder: string;
let broker: Awaited<ReturnType<typeof startTestBroker>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-phantoms-"));
  const usersFile = join(folder, "users.yaml");
  const rights = `publish: ["#"], subscribe: ["#"]`;
  const user = `  - { name: known, password: "${await hashPassword("secret")}", ${rights} }\n`;
  await writeFile(usersFile, `users:\n${user}anonymous: { ${rights} }\n`);
  const tls = { ...(await makeCertificate(folder)), port: 0 };
  broker = await startTestBroker({ users_file: usersFile, anonymous: true, tls, ws_port: 0 });
});

afterAll(async () => {
  await stopAll();
  await rm(folder, { recursive: true, force: true });
});

const will = { topic: "a/b", payload: Buffer.from("x"), qos: 1, retain: false } as const;
const SESSIONS = {
  "a clean session": { clean: true, subscribed: false },
  "a persistent session": { clean: false, subscribed: false },
  "a persistent session with a subscription": { clean: false, subscribed: true },
};
const LOGINS = {
  "without a user": {},
  "with a password": { username: "known", password: Buffer.from("secret"), will },
};
const cases = TRANSPORTS.flatMap((transport) =>
  Object.entries(SESSIONS).flatMap(([session, { clean, subscribed }]) =>
    Object.entries(LOGINS).map(([who, login]) => ({ transport, session, clean, subscribed, who, login })),
  ),
);

async function subscribeOnce(port: number, clientIds: readonly string[], login: object): Promise<void> {
  for (const clientId of clientIds) {
    const client = await RawClient.connected(port, { clientId, clean: false, ...login });
    client.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a/b", qos: 1 }] });
    await client.next("suback");
    client.socket.end();
    await client.untilClosed();
  }
}

it.each(cases)(
  "a client that sends CONNECT and the end of its connection at once leaves nothing: $transport, $session, $who",
  async ({ transport, clean, subscribed, who, login }) => {
    const { mqttPort, tlsPort = 0, wsPort = 0 } = broker.broker.address;
    const port = { tcp: mqttPort, tls: tlsPort, ws: wsPort }[transport];
    const clientIds = Array.from({ length: CLIENTS }, (_, n) => `${n} ${who}`);
    if (subscribed) await subscribeOnce(mqttPort, clientIds, login);
    const ended = clientIds.map(async (clientId) => {
      const { socket, stream } = openWire[transport](port);
      stream.end(generate({ cmd: "connect", clientId, protocolVersion: 4, keepalive: 0, clean, ...login }));
      stream.resume();
      await new Promise((resolve) => socket.once("close", resolve));
    });
    await Promise.all(ended);
    await until(() => broker.broker.health().detail === "0 connections", "all connections to end", WAIT.timeout);
    await expect.poll(() => broker.metric("weir_broker_clients"), WAIT).toBe(0);
  },
  60_000,
);
