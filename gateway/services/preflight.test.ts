import { createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { pipelineConfigSchema } from "../settings/pipeline-config.ts";
import { makePlan } from "../settings/plan.ts";
import { readSettings } from "../settings/settings.ts";
import { preflight } from "./preflight.ts";
import { SERVICE_NAMES } from "./services.ts";

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function takenPort(): Promise<number> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function planOf(config: unknown, ports: { readonly mqttPort?: number; readonly httpPort?: number } = {}) {
  const settings = readSettings({ mqttPort: String(ports.mqttPort ?? 0), httpPort: String(ports.httpPort ?? 0) }, {});
  const nats = { url: "", token: undefined, durability: undefined, owned: false };
  return makePlan(settings, pipelineConfigSchema.parse(config), nats);
}

test("with everything there, nothing is said", async () => {
  await expect(preflight(planOf({}), SERVICE_NAMES, {})).resolves.toBeUndefined();
});

test("what is missing is named before anything starts, all at once", async () => {
  const [mqttPort, httpPort] = [await takenPort(), await takenPort()];
  const config = {
    broker: { users_file: "/nowhere/users.yaml" },
    feed: { tokens: [{ name: "wall", token_env: "WALL_TOKEN" }] },
    bridges: [
      {
        name: "plant",
        url: "mqtts://broker.example.com",
        username: "w",
        password_env: "BRIDGE",
        tls: { ca_file: "/nowhere/ca.pem" },
        in: [{ remote: "a/#" }],
      },
    ],
    notifier: { receivers: { ops: [{ webhook: { url_env: "OPS_URL" } }] } },
  };
  const failing = preflight(planOf(config, { mqttPort, httpPort }), SERVICE_NAMES, {});
  for (const message of [
    `cannot listen on 127.0.0.1:${mqttPort}: another program uses this port. Choose another port with --mqtt-port`,
    `cannot listen on 127.0.0.1:${httpPort}: another program uses this port. Choose another port with --http-port`,
    "broker.users_file: /nowhere/users.yaml cannot be read",
    'feed token "wall": the environment variable WALL_TOKEN is not set',
    "bridge plant: the password: the environment variable BRIDGE is not set",
    "bridge plant: tls.ca_file: /nowhere/ca.pem cannot be read",
    "the environment variable OPS_URL is not set",
  ]) {
    await expect(failing).rejects.toThrow(message);
  }
});

test("only what the services of this process need is checked", async () => {
  const mqttPort = await takenPort();
  await expect(preflight(planOf({}, { mqttPort }), ["storage", "processors"], {})).resolves.toBeUndefined();
});
