import { execFile } from "node:child_process";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import mqtt from "mqtt";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { launchNatsServer } from "../../platform/nats-server/launch.ts";
import { tempFolder, WEIR, weir } from "../end-to-end/kit.ts";
import { startInfluxd } from "../servers/influxd.ts";
import { WeirProcess } from "../servers/weir-process.ts";
import { namedVariables, readWeirServices, type WeirService } from "./compose-file.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WAIT = { timeout: 40_000, interval: 200 };
const PASSWORD = "a password of cold-1";
const PAGE_TOKEN = "a-token-for-the-page";

test("the file names every secret that it wants, and gives no container more than it needs", () => {
  const services = readWeirServices(Object.fromEntries(namedVariables().map((name) => [name, "secret"])));
  expect(services.map(({ name }) => name).sort()).toEqual(["edge", "feed", "notifier", "processors", "storage"]);
  for (const { name, command, environment, ports, mounts } of services) {
    expect(command, name).toEqual(["run", name]);
    expect(environment.WEIR_CONFIG, name).toBe("/weir/config/weir.yaml");
    // No mounted folder is writable; what a service keeps is in a volume.
    for (const { from, readOnly } of mounts) expect(readOnly, `${name}: ${from}`).toBe(from.startsWith("./"));
    // It listens only where a port is published, and that port is open on this machine only.
    expect(environment.WEIR_BIND, name).toBe(ports.length > 0 ? "0.0.0.0" : undefined);
    expect(ports.filter((port) => !port.startsWith("127.0.0.1:"))).toEqual([]);
  }
});

describe("each service as its container runs it", () => {
  const undo: (() => Promise<unknown>)[] = [];
  const running = new Map<string, WeirProcess>();
  let services: readonly WeirService[];

  beforeAll(async () => {
    const { path, remove } = await tempFolder();
    undo.push(remove);
    const nats = await launchNatsServer({ dataDir: join(path, "nats"), logger: pino({ level: "silent" }) });
    undo.push(() => nats.stop());
    const influxd = await startInfluxd();
    undo.push(() => influxd.stop());
    const usersFile = join(path, "users.yaml");
    // As the instructions at the top of the file say.
    const { output } = await weir(["passwd", "cold-1"], { cwd: path, input: `${PASSWORD}\n` });
    await writeFile(usersFile, output);
    services = readWeirServices({ WEIR_NATS_TOKEN: nats.token, WEIR_INFLUX_TOKEN: influxd.token, PAGE_TOKEN });
    for (const service of services) {
      const folder = join(path, service.name);
      await mountAll(service, { folder, usersFile });
      const one = new WeirProcess({
        command: [process.execPath, WEIR],
        args: service.command,
        cwd: join(folder, "weir"),
        dataDir: join(folder, "data"),
        env: environmentOf(service, { folder, nats: nats.url, influxdb: influxd.url }),
        startMsMax: 60_000,
      });
      undo.push(() => one.kill());
      running.set(service.name, one);
    }
    await Promise.all([...running.values()].map((one) => one.start()));
  }, 120_000);

  afterAll(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });

  const mqttUrl = () => `mqtt://127.0.0.1:${running.get("edge")?.ports.mqttPort}`;
  const pageUrl = () => `http://127.0.0.1:${running.get("feed")?.ports.httpPort}`;

  test.each([
    ["no name", {}],
    ["a name that is not there", { username: "somebody", password: PASSWORD }],
    ["a wrong password", { username: "cold-1", password: "wrong" }],
  ])("the broker refuses a client with %s", async (_, login) => {
    const client = mqtt.connect(mqttUrl(), { ...login, reconnectPeriod: 0 });
    const refusal = await new Promise((resolve) => {
      client.once("error", resolve);
      client.once("connect", () => resolve("it was let in"));
    });
    await client.endAsync(true);
    expect(refusal).toMatchObject({ code: "username" in login ? 4 : 5 });
  });

  test("a user's reading is acknowledged, and seen on the page by those who have its token", async () => {
    const client = await mqtt.connectAsync(mqttUrl(), { username: "cold-1", password: PASSWORD, reconnectPeriod: 0 });
    undo.push(() => client.endAsync(true));
    await client.publishAsync("sensors/north/cold-1/telemetry", '{"temperature": 4.5}', { qos: 1 });
    const devices = async (headers: Record<string, string>) => {
      const response = await fetch(`${pageUrl()}/api/v1/devices`, { headers });
      return response.ok ? await response.text() : response.status;
    };
    expect(await devices({})).toBe(401);
    await expect.poll(() => devices({ authorization: `Bearer ${PAGE_TOKEN}` }), WAIT).toContain("cold-1");
    expect((await fetch(pageUrl())).headers.get("content-type")).toContain("text/html");
  });

  test("every part says that it is ready, and the health check of the container agrees", async () => {
    const ready = async () => (await fetch(`${pageUrl()}/readyz`)).status;
    await expect.poll(ready, WAIT).toBe(200);
    const [, program = "", ...args] = services.find(({ name }) => name === "feed")?.healthcheck ?? [];
    const here = args.map((arg) => arg.replace("http://127.0.0.1:8080", pageUrl()));
    await expect(promisify(execFile)(program, here)).resolves.toBeDefined();
    await expect(
      promisify(execFile)(
        program,
        args.map((arg) => arg.replace(":8080", ":1")),
      ),
    ).rejects.toThrow();
  });
});

/** The folders of a container below `folder`: copies of what is mounted, beside its data folder. */
async function mountAll(
  service: WeirService,
  { folder, usersFile }: { readonly folder: string; readonly usersFile: string },
): Promise<void> {
  await mkdir(join(folder, "weir"), { recursive: true });
  for (const { from, to } of service.mounts) {
    if (from.startsWith("./")) await cp(join(ROOT, from), join(folder, to), { recursive: true });
    if (from === "./config") await cp(usersFile, join(folder, to, "users.yaml"));
  }
}

/** What the container is given, with this machine's addresses and folders, and any free port. */
function environmentOf(
  service: WeirService,
  at: { readonly folder: string; readonly nats: string; readonly influxdb: string },
): Record<string, string> {
  const translated = Object.entries(service.environment).map(([name, value]) => [
    name,
    value
      .replace("nats://nats:4222", at.nats)
      .replace("http://influxdb:8086", at.influxdb)
      .replace(/^\/weir\//, `${at.folder}/weir/`),
  ]);
  return { ...Object.fromEntries(translated), WEIR_MQTT_PORT: "0", WEIR_HTTP_PORT: "0" };
}

test("the image works in the folder that the settings are relative to", async () => {
  const dockerfile = await readFile(join(ROOT, "Dockerfile"), "utf8");
  expect(dockerfile.split("FROM ").at(-1)).toContain("\nWORKDIR /weir\n");
  expect(dockerfile).toContain("WEIR_DATA_DIR=/data");
});
