import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { launchNatsServer, NatsServerStartError } from "./launch.ts";

const logger = pino({ level: "silent" });
const WAIT = { timeout: 10_000, interval: 20 };
vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });
let dataDir: string;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weir-nats-"));
});
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function launch(options: { port?: number } = {}) {
  const server = await launchNatsServer({ dataDir, logger, ...options });
  stops.push(() => server.stop());
  return server;
}

async function answers(server: { url: string; token: string }): Promise<boolean> {
  try {
    const nc = await connect({ servers: server.url, token: server.token, reconnect: false, timeout: 1000 });
    await nc.close();
    return true;
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** A stop is requested, and takes a moment: until then the other threads of the process still answer. */
async function freeze(pid: number): Promise<void> {
  process.kill(pid, "SIGSTOP");
  const tasks = `/proc/${pid}/task`;
  await vi.waitFor(async () => {
    for (const task of await readdir(tasks).catch(() => [])) {
      // The name in brackets may contain anything.
      const state = (await readFile(`${tasks}/${task}/stat`, "utf8")).split(") ").at(-1)?.[0];
      expect(state).toBe("T");
    }
  }, WAIT);
}

test("starts a server on loopback that admits clients with the token, with synced writes", async () => {
  const server = await launch();
  expect(server.url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
  expect(server.durability).toBe("synced");
  expect(server.adopted).toBe(false);
  expect(await answers(server)).toBe(true);
  expect(await answers({ ...server, token: "guessed" })).toBe(false);
  for (const file of ["nats.conf", "nats.json"]) {
    expect((await stat(join(dataDir, file))).mode & 0o077).toBe(0);
  }
});

test("stop ends it and leaves no record; a second stop is fine", async () => {
  const server = await launch();
  const { pid } = server;
  await Promise.all([server.stop(), server.stop()]);
  expect(isAlive(pid)).toBe(false);
  await expect(readFile(join(dataDir, "nats.json"))).rejects.toThrow("ENOENT");
});

test("a killed server restarts on the same port with the same token", async () => {
  const server = await launch();
  const exits: string[] = [];
  server.onExit((reason) => exits.push(reason));
  for (const round of [1, 2]) {
    const { pid } = server;
    process.kill(pid, "SIGKILL");
    await vi.waitFor(() => expect(server.pid).not.toBe(pid), WAIT);
    expect(await answers(server)).toBe(true);
    expect(exits.length).toBe(round);
  }
  expect(exits[0]).toBe("signal SIGKILL");
});

/** The state that a killed gateway leaves: a running server without a parent, and its record. */
async function leaveBehind() {
  const { url, token, version, binary } = await launch();
  await stops.pop()?.();
  const child = spawn(binary, ["-c", join(dataDir, "nats.conf")], { stdio: "ignore" });
  const { pid } = child;
  if (pid === undefined) throw new Error("no server");
  stops.push(async () => void child.kill("SIGKILL"));
  await vi.waitFor(async () => expect(await answers({ url, token })).toBe(true), WAIT);
  const record = { pid, port: Number(new URL(url).port), token, version, binary, durability: "synced" };
  await writeFile(join(dataDir, "nats.json"), JSON.stringify(record));
  return { pid, url, token, version, binary, durability: "synced" };
}

test("the next launch takes over a server that was left running, and stops it", async () => {
  const left = await leaveBehind();
  const server = await launch();
  expect(server).toMatchObject({ adopted: true, ...left });
  await server.stop();
  // It is our child here: it counts as running until its exit is noticed.
  await vi.waitFor(() => expect(isAlive(left.pid)).toBe(false), WAIT);
  expect(await answers(left)).toBe(false);
});

test("a killed server that was taken over restarts", async () => {
  const left = await leaveBehind();
  const server = await launch();
  expect(server).toMatchObject({ adopted: true, ...left });
  process.kill(left.pid, "SIGKILL");
  await vi.waitFor(() => expect(server.pid).not.toBe(left.pid), WAIT);
  expect(server.url).toBe(left.url);
  expect(await answers(server)).toBe(true);
});

test("a server that was left running on a different port is ended first", async () => {
  const left = await leaveBehind();
  const probe = await launchNatsServer({ dataDir: join(dataDir, "probe"), logger });
  const port = Number(new URL(probe.url).port);
  await probe.stop();
  const server = await launch({ port });
  expect(server).toMatchObject({ adopted: false, url: `nats://127.0.0.1:${port}` });
  // It is our child here: it counts as running until its exit is noticed.
  await vi.waitFor(() => expect(isAlive(left.pid)).toBe(false), WAIT);
});

test("a frozen server from before is ended before another one opens its store", {
  timeout: 30_000,
}, async () => {
  const left = await leaveBehind();
  await freeze(left.pid);
  const server = await launch();
  expect(server.adopted).toBe(false);
  // It is our child here: it counts as running until its exit is noticed.
  await vi.waitFor(() => expect(isAlive(left.pid)).toBe(false), WAIT);
  expect(await answers(server)).toBe(true);
});

test("a record that names a foreign process is ignored, and the process keeps running", async () => {
  const foreign = spawn("sleep", ["60"], { stdio: "ignore" });
  stops.push(async () => void foreign.kill());
  const record = { pid: foreign.pid, port: 4222, token: "t", version: "2.14.9", binary: "/x", durability: "synced" };
  await writeFile(join(dataDir, "nats.json"), JSON.stringify(record));
  const server = await launch();
  expect(server.adopted).toBe(false);
  await server.stop();
  expect(foreign.pid !== undefined && isAlive(foreign.pid)).toBe(true);
});

test.each(["", "{", "[]", "null", '{"pid":1}', '{"pid":-1,"port":1,"token":"","version":"","binary":""}'])(
  "a broken record (%s) does not prevent a start",
  async (text) => {
    await writeFile(join(dataDir, "nats.json"), text);
    expect((await launch()).adopted).toBe(false);
  },
);

test("a port in use gives one clear error that quotes the server", async () => {
  const other = await launch();
  const port = Number(new URL(other.url).port);
  const elsewhere = await mkdtemp(join(tmpdir(), "weir-nats-"));
  const launching = launchNatsServer({ dataDir: elsewhere, port, logger });
  await expect(launching).rejects.toThrow(NatsServerStartError);
  await expect(launching).rejects.toThrow(/address already in use/);
  await rm(elsewhere, { recursive: true, force: true });
});
