import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LaunchedNatsServer, launchNatsServer } from "../nats-server/launch.ts";
import { connectJetStreamLog, type JetStreamLogOptions } from "./jetstream.ts";
import { describeLogContract } from "./testing/log-contract.ts";

const MIB = 1_048_576;
const retention = { maxAgeMs: 3_600_000, maxBytes: 64 * MIB };
const retentions = { readings: retention, windows: retention, alerts: retention, deadLetters: retention };
const silent = pino({ level: "silent" });
let dataDir: string;
let server: LaunchedNatsServer;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weir-log-"));
  server = await launchNatsServer({ dataDir, logger: silent });
});
afterAll(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

function optionsFor(extra: Partial<JetStreamLogOptions> = {}): JetStreamLogOptions {
  const { url, token } = server;
  return { servers: url, token, name: "test", partitions: 8, retention: retentions, logger: silent, ...extra };
}

async function manager() {
  const nc = await connect({ servers: server.url, token: server.token });
  return { nc, jsm: await jetstreamManager(nc) };
}

async function wipe(): Promise<void> {
  const { nc, jsm } = await manager();
  for await (const stream of jsm.streams.list()) await jsm.streams.delete(stream.config.name);
  await nc.close();
}

describeLogContract("JetStream", async () => {
  await wipe();
  const log = await connectJetStreamLog(optionsFor());
  return { log, close: () => log.close() };
});

describe("the streams on the server", { timeout: 30_000 }, () => {
  test("have the wanted settings, and keep them when the log is opened with another retention", async () => {
    await wipe();
    const readings = { maxAgeMs: 60_000, maxBytes: 128 * MIB };
    const first = await connectJetStreamLog(optionsFor({ retention: { ...retentions, readings } }));
    await first.append({ subject: "readings.0", payload: new Uint8Array(5) });
    await first.close();
    const second = await connectJetStreamLog(optionsFor());
    expect((await second.bounds("READINGS")).messages).toBe(1);
    await second.close();
    const { nc, jsm } = await manager();
    const { config } = await jsm.streams.info("READINGS");
    expect(config).toMatchObject({
      subjects: ["readings.>"],
      storage: "file",
      discard: "old",
      compression: "s2",
      allow_direct: true,
      max_age: 60_000_000_000,
      max_bytes: 128 * MIB,
      duplicate_window: 60_000_000_000,
    });
    expect((await jsm.streams.info("WINDOWS")).config.duplicate_window).toBe(120_000_000_000);
    await nc.close();
  });

  test("discard the oldest: reading begins at the first existing message", async () => {
    await wipe();
    const small = { maxAgeMs: 60_000, maxBytes: 20_000 };
    const log = await connectJetStreamLog(optionsFor({ retention: { ...retentions, readings: small } }));
    for (let i = 0; i < 50; i++) await log.append({ subject: "readings.0", payload: randomBytes(1_000) });
    const { firstSequence, lastSequence } = await log.bounds("READINGS");
    expect(firstSequence).toBeGreaterThan(2);
    for await (const [message] of log.read({ stream: "READINGS", from: { kind: "sequence", sequence: 2 } })) {
      expect(message?.sequence).toBe(firstSequence);
      break;
    }
    expect(lastSequence).toBe(50);
    await log.close();
  });
});

describe("connecting", { timeout: 30_000 }, () => {
  test("waits for a server, and says once which one and why it does not answer", async () => {
    const lines: string[] = [];
    const logger = pino({ level: "warn" }, { write: (line: string) => lines.push(JSON.parse(line).msg) });
    const abort = new AbortController();
    const connecting = connectJetStreamLog(optionsFor({ servers: "nats://127.0.0.1:1", logger, signal: abort.signal }));
    await expect.poll(() => lines.length).toBe(1);
    expect(lines[0]).toMatch(/^no answer from NATS at nats:\/\/127\.0\.0\.1:1: connection refused/);
    abort.abort();
    await expect(connecting).rejects.toThrow(/gave up waiting/);
  });

  test("knows the guarantee of an acknowledgement only from its options", async () => {
    const unknown = await connectJetStreamLog(optionsFor());
    expect(unknown.durability).toBe("unknown");
    await unknown.close();
    const known = await connectJetStreamLog(optionsFor({ knownDurability: server.durability }));
    expect(known.durability).toBe("synced");
    await known.close();
  });
});

/** Bytes that do not compress, so that sizes on disk are as expected. */
function randomBytes(length: number): Uint8Array {
  let state = 1;
  return new Uint8Array(length).map(() => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 16;
  });
}
