import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { connectJetStreamLog } from "../../../platform/log/jetstream.ts";
import { type LaunchedNatsServer, launchNatsServer } from "../../../platform/nats-server/launch.ts";
import { freePort } from "../../../test/servers/free-port.ts";
import { readSettings } from "../../settings/settings.ts";
import { doctor } from "./doctor.ts";

const MIB = 1_048_576;
const DAY_MS = 86_400_000;
const logger = pino({ level: "silent" });
const undo: (() => unknown)[] = [];
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-doctor-"));
  undo.push(() => rm(folder, { recursive: true }));
  await mkdir(join(folder, "rules"));
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  for (const step of undo.splice(0).reverse()) await step();
});

interface Said {
  readonly well: boolean;
  readonly text: string;
  /** The lines of one finding, without its mark and name. */
  of(what: string): string;
}

async function runDoctor(flags: Readonly<Record<string, unknown>>): Promise<Said> {
  let text = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    text += chunk;
    return true;
  });
  const given = { dataDir: join(folder, "data"), rulesDir: join(folder, "rules"), mqttPort: "0", httpPort: "0" };
  const well = await doctor(readSettings({ ...given, ...flags }, {}));
  write.mockRestore();
  const lines = text.split("\n");
  return { well, text, of: (what) => lines.filter((line) => line.slice(7).startsWith(what)).join("\n") };
}

async function startServer(): Promise<LaunchedNatsServer> {
  const server = await launchNatsServer({ dataDir: join(folder, "nats-data"), logger });
  undo.push(() => server.stop());
  return server;
}

async function connectTo({ url, token }: LaunchedNatsServer): Promise<NatsConnection> {
  const nc = await connect({ servers: url, token });
  undo.push(() => nc.close());
  return nc;
}

/** Everything on a server: the settings and the contents of every stream; buckets and object stores are streams too. */
async function kept(nc: NatsConnection): Promise<unknown[]> {
  const found: { config: { name: string } }[] = [];
  for await (const { config, state } of (await jetstreamManager(nc)).streams.list()) {
    found.push({ config, state } as (typeof found)[number]);
  }
  return found.sort((a, b) => a.config.name.localeCompare(b.config.name));
}

/** The streams of a gateway with long retentions, with 24 MiB of readings, a record and a blob. */
async function fill(server: LaunchedNatsServer): Promise<void> {
  const retention = { maxAgeMs: 90 * DAY_MS, maxBytes: 512 * MIB };
  const log = await connectJetStreamLog({
    servers: server.url,
    token: server.token,
    name: "test",
    partitions: 8,
    retention: { readings: retention, windows: retention, alerts: retention, deadLetters: retention },
    duplicateWindowMs: 60_000,
    logger,
  });
  for (let i = 0; i < 32; i++) {
    const payload = crypto.getRandomValues(new Uint8Array(48 * 1_024));
    await Promise.all(
      Array.from({ length: 16 }, (_, n) => log.append({ subject: `readings.${n % 8}`, payload: Buffer.from(payload) })),
    );
  }
  await log.append({ subject: "alerts.hot.1", payload: new Uint8Array(10) });
  await log.records.set("partitions", new TextEncoder().encode("8"), 0);
  await log.blobs.put("checkpoint", new Uint8Array(200_000));
  await log.close();
}

function config(text: string): Promise<string> {
  const file = join(folder, "weir.yaml");
  return writeFile(file, text).then(() => file);
}

test("nothing changes on a server with data, for any weir.yaml", async () => {
  const server = await startServer();
  await fill(server);
  const nc = await connectTo(server);
  const before = await kept(nc);
  expect(before).toHaveLength(13);
  const { url: natsUrl, token: natsToken } = server;
  await runDoctor({ natsUrl, natsToken });
  expect(await kept(nc)).toEqual(before);
  const small = await config("log: { readings: { max_age: 1h, max_size: 16MiB } }\n");
  await runDoctor({ natsUrl, natsToken, config: small });
  expect(await kept(nc)).toEqual(before);
});

test("nothing is created on an empty server", async () => {
  const server = await startServer();
  const nc = await connectTo(server);
  const { url: natsUrl, token: natsToken } = server;
  const said = await runDoctor({ natsUrl, natsToken });
  expect(await kept(nc)).toEqual([]);
  expect(said.of("NATS")).toMatch(
    /^ok .* answers: nats-server \d+\.\d+\.\d+; .* durability of an acknowledgement: unknown/,
  );
  expect(said.of("log")).toMatch(/^ok .* no streams of Weir yet; its first start there creates them$/);
  expect(said.well, said.text).toBe(true);
});

test("each stream that differs from weir.yaml has a note, which says what applying weir.yaml deletes", async () => {
  const server = await startServer();
  await fill(server);
  const { url: natsUrl, token: natsToken } = server;
  const file = await config(
    "partitions: 8\nlog: { readings: { max_age: 90d, max_size: 16MiB }, windows: { max_age: 90d, max_size: 512MiB } }\n",
  );
  const said = await runDoctor({ natsUrl, natsToken, config: file });
  expect(said.well, said.text).toBe(true);
  expect(said.of("log")).toMatch(/^ok .* all 13 streams of Weir exist/);
  expect(said.of("stream READINGS")).toMatch(
    /^note .* differs from this weir\.yaml: max_size 512 MiB instead of 16 MiB, .* holds 24(\.\d)? MiB, since 2\S+Z, and `weir log apply` deletes the oldest$/,
  );
  // Nothing is lost there.
  expect(said.of("stream ALERTS")).toMatch(/^note .* max_age 90d instead of 365d/);
  expect(said.of("stream WINDOWS")).toMatch(
    /^note .* weir.yaml: duplicate_window 1m instead of 2m; apply it with: weir log apply$/,
  );
});

test("a number of partitions that differs from the log's is wrong", async () => {
  const server = await startServer();
  await fill(server);
  const said = await runDoctor({
    natsUrl: server.url,
    natsToken: server.token,
    config: await config("partitions: 4\n"),
  });
  expect(said.of("partitions")).toMatch(/^WRONG .* weir\.yaml says 4, the log was created with 8/);
});

test("one line for a server that cannot be used", async () => {
  const server = await startServer();
  const { url: natsUrl } = server;
  expect((await runDoctor({ natsUrl })).of("NATS")).toMatch(/^WRONG .* asks for a token.*--nats-token/);
  expect((await runDoctor({ natsUrl, natsToken: "guessed" })).of("NATS")).toMatch(/^WRONG .* refuses the token/);
  const nowhere = `nats://127.0.0.1:${await freePort()}`;
  const said = await runDoctor({ natsUrl: nowhere });
  expect(said.of("NATS")).toMatch(/^WRONG .*no answer from nats:\/\/127\.0\.0\.1:\d+: connection refused/);
  expect(said.of("log")).toBe("");

  const port = await freePort();
  const plain = spawn(server.binary, ["-a", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
  undo.push(() => plain.kill());
  const plainUrl = `nats://127.0.0.1:${port}`;
  await expect
    .poll(async () => (await runDoctor({ natsUrl: plainUrl })).of("NATS"), { timeout: 20_000 })
    .toMatch(/^WRONG .* has no JetStream.*jetstream/);
});

test("the data folder is not created", async () => {
  const said = await runDoctor({ dataDir: join(folder, "not", "there") });
  expect(said.of("data folder")).toMatch(/^ok .*does not exist yet; a start creates it/);
  expect(existsSync(join(folder, "not"))).toBe(false);
});

test("an impossible data folder is wrong", async () => {
  await writeFile(join(folder, "file"), "");
  expect((await runDoctor({ dataDir: join(folder, "file") })).of("data folder")).toMatch(/^WRONG .*is not a folder/);
  const below = join(folder, "file", "below");
  expect((await runDoctor({ dataDir: below })).of("data folder")).toMatch(/^WRONG .*file is not a folder/);
});

test("without a server on this machine nothing is downloaded or built: the finding says how a start would get one", async () => {
  vi.stubEnv("PATH", folder);
  vi.stubEnv("WEIR_CACHE_DIR", join(folder, "cache"));
  const said = await runDoctor({});
  // Debian's own path is last, and this machine may have a server there.
  expect(said.of("NATS")).toMatch(
    /^note .*no nats-server on this machine.*fetch the release archive|\/usr\/sbin\/nats-server/,
  );
  expect((await readdir(folder)).sort()).toEqual(["rules"]);
});
