import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, headers, type NatsConnection } from "@nats-io/transport-node";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { question } from "../../contracts/question.ts";
import { type LaunchedNatsServer, launchNatsServer } from "../nats-server/launch.ts";
import { createNatsBus } from "./jetstream-bus.ts";
import { type Connection, openConnection } from "./jetstream-connection.ts";
import { BadAnswerError, type Bus } from "./port.ts";

const silent = pino({ level: "silent" });
const LETTERS = question("letters", { ask: z.strictObject({ bytes: z.int() }), answer: z.string() });
const PART_BYTES = 524_288;
let dataDir: string;
let server: LaunchedNatsServer;
let connections: Connection[] = [];
let bus: Bus;
/** A service of another version: the test writes its messages itself. */
let peer: NatsConnection;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weir-bus-"));
  server = await launchNatsServer({ dataDir, logger: silent });
});
afterAll(async () => {
  await server.stop();
  await rm(dataDir, { recursive: true, force: true });
});

beforeEach(async () => {
  bus = createNatsBus(await open(), { partTimeoutMs: 100 });
  peer = await connect({ servers: server.url, token: server.token });
});
afterEach(async () => {
  await Promise.all([...connections.splice(0), peer].map((each) => each.close()));
});

async function open(): Promise<Connection> {
  const { url, token } = server;
  const connection = await openConnection({ servers: url, token, name: "test", logger: silent });
  connections = [...connections, connection];
  return connection;
}

/** Announces an answer in parts as the adapter does, and serves the results of `part`; undefined is lost on the way. */
async function promise(
  bytes: number,
  part: (index: number, times: number) => Uint8Array | undefined,
): Promise<string[]> {
  const asked: string[] = [];
  peer.subscribe("parts", {
    callback: (_, message) => {
      const index = message.string();
      asked.push(index);
      const data = part(Number(index), asked.filter((each) => each === index).length);
      if (index !== "done" && data !== undefined) message.respond(data);
    },
  });
  peer.subscribe("weir.letters", {
    callback: (_, message) => {
      const promised = headers();
      promised.set("weir-answer-bytes", String(bytes));
      promised.set("weir-part-bytes", String(PART_BYTES));
      promised.set("weir-parts-from", "parts");
      message.respond(undefined, { headers: promised });
    },
  });
  await peer.flush();
  return asked;
}

const whole = new TextEncoder().encode(JSON.stringify({ value: "x".repeat(2 * PART_BYTES) }));
const partOf = (index: number) => whole.slice(index * PART_BYTES, (index + 1) * PART_BYTES);

describe("an answer in parts", { timeout: 30_000 }, () => {
  test("is fetched part by part, and then the answerer forgets it", async () => {
    const asked = await promise(whole.length, partOf);
    expect((await bus.request(LETTERS, { bytes: 1 })).length).toBe(2 * PART_BYTES);
    await vi.waitFor(() => expect(asked).toEqual(["0", "1", "2", "done"]), 10_000);
  });

  test("survives a part that is lost on the way", async () => {
    await promise(whole.length, (index, times) => (index === 1 && times === 1 ? undefined : partOf(index)));
    expect((await bus.request(LETTERS, { bytes: 1 })).length).toBe(2 * PART_BYTES);
  });

  test.each<[string, (index: number) => Uint8Array | undefined]>([
    ["does not arrive", (index) => (index === 1 ? undefined : partOf(index))],
    ["is too short", (index) => (index === 1 ? partOf(index).slice(1) : partOf(index))],
  ])("ends with a clear error when a part %s", async (_, part) => {
    const asked = await promise(whole.length, part);
    const answered = bus.request(LETTERS, { bytes: 1 });
    await expect(answered).rejects.toThrow(BadAnswerError);
    await expect(answered).rejects.toThrow("the answer on letters broke off: part 2 of 3 did not arrive; ask again");
    await vi.waitFor(() => expect(asked).toContain("done"), 10_000);
  });

  test("is refused when it would exceed the largest answer", async () => {
    await promise(1e12, partOf);
    await expect(bus.request(LETTERS, { bytes: 1 })).rejects.toThrow(/has 1000000000000 bytes, at most/);
  });

  test("ends with a clear error when the answerer disappears", async () => {
    await promise(whole.length, (index) => {
      if (index > 0) void peer.close();
      return partOf(index);
    });
    await expect(bus.request(LETTERS, { bytes: 1 })).rejects.toThrow(/the answer on letters broke off: part \d of 3/);
  });

  test("stops being fetched when the asker aborts", async () => {
    const asking = new AbortController();
    const reason = new Error("the page was closed");
    const asked = await promise(100 * PART_BYTES, (index) => {
      if (index === 5) asking.abort(reason);
      return partOf(0);
    });
    await expect(bus.request(LETTERS, { bytes: 1 }, { signal: asking.signal })).rejects.toBe(reason);
    await vi.waitFor(() => expect(asked).toContain("done"), 10_000);
    expect(asked.length).toBeLessThan(20);
  });
});

describe("services of the previous version, which know no parts", () => {
  test("get small answers as before, and a clear error for large ones", async () => {
    bus.respond(LETTERS, async ({ bytes }) => "x".repeat(bytes));
    await vi.waitFor(async () => {
      const small = await peer.request("weir.letters", '{"bytes":3}', { timeout: 1_000 });
      expect(small.json()).toEqual({ value: "xxx" });
    }, 10_000);
    const large = await peer.request("weir.letters", '{"bytes":2000000}', { timeout: 5_000 });
    expect(large.json()).toEqual({ error: "the answer has 2000012 bytes, at most 1048576" });
  });

  test("are understood when they answer", async () => {
    peer.subscribe("weir.letters", { callback: (_, message) => void message.respond('{"value":"abc"}') });
    await peer.flush();
    expect(await bus.request(LETTERS, { bytes: 3 })).toBe("abc");
  });
});
