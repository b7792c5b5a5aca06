import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { connectJetStreamLog } from "../../../platform/log/jetstream.ts";
import { type LaunchedNatsServer, launchNatsServer } from "../../../platform/nats-server/launch.ts";
import { freePort } from "../../../test/servers/free-port.ts";
import { readSettings } from "../../settings/settings.ts";
import { applyLog, showLog } from "./log.ts";

const MIB = 1_048_576;
const DAY_MS = 86_400_000;
const MESSAGES = 96;
const logger = pino({ level: "silent" });
vi.setConfig({ testTimeout: 60_000 });
const undo: (() => unknown)[] = [];
let folder = "";
let server: LaunchedNatsServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-log-command-"));
  undo.push(() => rm(folder, { recursive: true }));
  server = await launchNatsServer({ dataDir: join(folder, "nats-data"), logger });
  undo.push(() => server.stop());
  await fill();
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const step of undo.splice(0).reverse()) await step();
});

/** 24 MiB of readings, and limits that differ from the defaults. */
async function fill(): Promise<void> {
  const retention = { maxAgeMs: 90 * DAY_MS, maxBytes: 512 * MIB };
  const log = await connectJetStreamLog({
    servers: server.url,
    token: server.token,
    name: "test",
    partitions: 1,
    retention: { readings: retention, windows: retention, alerts: retention, deadLetters: retention },
    logger,
  });
  for (let i = 0; i < MESSAGES; i++) {
    const part = () => Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)));
    await log.append({ subject: "readings.0", payload: Buffer.concat([part(), part(), part(), part()]) });
  }
  await log.close();
}

async function readings() {
  const nc = await connect({ servers: server.url, token: server.token });
  try {
    return await (await jetstreamManager(nc)).streams.info("READINGS");
  } finally {
    await nc.close();
  }
}

async function settings(text: string, flags: Readonly<Record<string, string>> = {}) {
  const config = join(folder, "weir.yaml");
  await writeFile(config, text);
  return readSettings(
    { dataDir: join(folder, "data"), config, natsUrl: server.url, natsToken: server.token, ...flags },
    {},
  );
}

async function printed(work: () => Promise<unknown>): Promise<string> {
  let text = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    text += chunk;
    return true;
  });
  try {
    await work();
  } finally {
    write.mockRestore();
  }
  return text;
}

const SMALL = "log: { readings: { max_age: 90d, max_size: 16MiB } }\n";

test("show lists each stream with its limits and content", async () => {
  const given = await settings("");
  const text = await printed(() => showLog(given));
  expect(text).toMatch(/^stream +max_age +max_size +messages +holds +oldest +newest$/m);
  expect(text).toMatch(/^READINGS +90d +512 MiB +96 +24(\.\d)? MiB +20\S+Z +20\S+Z$/m);
  expect(text).toMatch(/^ALERTS +90d +512 MiB +0 +0 B +- +-$/m);
});

test("apply without --yes shows each setting and what it would delete, and changes nothing", async () => {
  const before = await readings();
  const given = await settings(SMALL);
  const text = await printed(() => applyLog(given, { yes: false }));
  expect(text).toMatch(
    /^stream READINGS\n {2}max_size: 512 MiB now, 16 MiB wanted\n {2}deletes about \d+ messages, 8\S* MiB, the oldest of 96 messages, 24\S* MiB$/m,
  );
  expect(text).toMatch(
    /^stream ALERTS\n {2}max_age: 90d now, 365d wanted\n {2}max_size: 512 MiB now, 1 GiB wanted\n {2}deletes nothing/m,
  );
  expect(text).toMatch(/nothing is changed yet; to apply this: weir log apply --yes\n$/);
  const after = await readings();
  expect(after.config).toEqual(before.config);
  expect(after.state).toEqual(before.state);
});

test("apply --yes changes the streams and deletes as many messages as announced", async () => {
  const given = await settings(SMALL);
  const text = await printed(() => applyLog(given, { yes: true }));
  const announced = Number(/deletes about (\d+) messages/.exec(text)?.[1]);
  await expect.poll(async () => (await readings()).state.messages, { timeout: 20_000 }).toBeLessThan(MESSAGES);
  const { config, state } = await readings();
  expect(config.max_bytes).toBe(16 * MIB);
  expect(Math.abs(MESSAGES - state.messages - announced)).toBeLessThanOrEqual(1);
  expect(text).toContain("stream READINGS now has max_size 16 MiB instead of 512 MiB\n");
  expect(await printed(() => applyLog(given, { yes: true }))).toBe("the streams are as weir.yaml says\n");
});

test("the messages that a shorter age deletes are counted", async () => {
  // All of them, once they are a minute old by this clock.
  const given = await settings("log: { readings: { max_age: 1m, max_size: 512MiB } }\n");
  const { systemClock } = await import("../../../platform/clock.ts");
  const now = systemClock.nowUs();
  const clock = vi.spyOn(systemClock, "nowUs").mockReturnValue(now + 120_000_000);
  const all = await printed(() => applyLog(given, { yes: false }));
  expect(all).toMatch(/deletes about 96 messages, 24\S* MiB/);
  const oldest = Date.parse((await readings()).state.first_ts) * 1_000;
  const newest = Date.parse((await readings()).state.last_ts) * 1_000;
  clock.mockReturnValue(Math.round((oldest + newest) / 2) + 60_000_000);
  const some = await printed(() => applyLog(given, { yes: false }));
  const count = Number(/deletes about (\d+) messages/.exec(some)?.[1]);
  expect(count).toBeGreaterThan(0);
  expect(count).toBeLessThan(MESSAGES);
});

test("on a gateway's own server, sizes fit its disk", async () => {
  const dataDir = join(folder, "nats-data");
  const run = { natsUrl: server.url, natsToken: server.token };
  await writeFile(join(dataDir, "run.json"), JSON.stringify(run));
  const config = join(folder, "large.yaml");
  await writeFile(config, "log: { readings: { max_size: 1000TiB } }\n");
  const given = readSettings({ dataDir, config }, {});
  const text = await printed(() => applyLog(given, { yes: true }));
  expect(text).toMatch(/^this disk has [\d.]+ GiB free: the log keeps /);
  expect((await readings()).config.max_bytes).toBeLessThan(2 ** 50);
});

test("one line without a gateway, without an answer, and for a wrong token", async () => {
  const given = await settings("", { natsUrl: `nats://127.0.0.1:${await freePort()}` });
  await expect(showLog(given)).rejects.toThrow(/^no answer from nats:/);
  await expect(applyLog(await settings("", { natsToken: "guessed" }), { yes: true })).rejects.toThrow(
    /refuses the token/,
  );
  const none = readSettings({ dataDir: join(folder, "none") }, {});
  await expect(showLog(none)).rejects.toThrow(/no gateway is running in this folder/);
});
