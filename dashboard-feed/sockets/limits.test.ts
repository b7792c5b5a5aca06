import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { CLOSE_SHUTTING_DOWN, type ServerFrame } from "../../contracts/feed/protocol.ts";
import { startFeed, type TestFeed, until } from "../testing/test-kit.ts";

/** The status of the refusal, or 101. */
async function statusOf(
  feed: TestFeed,
  options: { path?: string; protocols?: string[]; headers?: Record<string, string> },
): Promise<number> {
  const { path = "/feed", protocols = ["weir.v1"], headers } = options;
  const socket = new WebSocket(`ws://127.0.0.1:${feed.port}${path}`, protocols, { headers });
  const status = await new Promise<number>((resolve) => {
    socket.on("open", () => resolve(101));
    socket.on("unexpected-response", (_, response) => resolve(response.statusCode ?? 0));
    socket.on("error", () => {});
  });
  socket.terminate();
  return status;
}

describe("connections", () => {
  it("are open to this machine by default, but not to foreign pages or host names", async () => {
    const feed = await startFeed();
    const own = `127.0.0.1:${feed.port}`;
    expect(await statusOf(feed, {})).toBe(101);
    expect(await statusOf(feed, { protocols: [] })).toBe(101);
    expect(await statusOf(feed, { protocols: ["other"] })).toBe(400);
    expect(await statusOf(feed, { path: "/other" })).toBe(404);
    expect(await statusOf(feed, { headers: { origin: `http://${own}` } })).toBe(101);
    expect(await statusOf(feed, { headers: { origin: "http://evil.example" } })).toBe(403);
    expect(await statusOf(feed, { headers: { origin: "null" } })).toBe(403);
    // A foreign name that resolves to this machine: origin and host agree, but both are wrong.
    const rebound = { origin: "http://evil.example:8080", host: "evil.example:8080" };
    expect(await statusOf(feed, { headers: rebound })).toBe(403);
    expect(await feed.metric('weir_feed_refused_total{reason="origin"}')).toBe(2);
  });

  it("are open to listed pages, too", async () => {
    const feed = await startFeed({ config: { allowed_origins: ["https://ops.example"] } });
    expect(await statusOf(feed, { headers: { origin: "https://ops.example" } })).toBe(101);
    expect(await statusOf(feed, { headers: { origin: "https://ops.example", host: "ops.example" } })).toBe(101);
    expect(await statusOf(feed, { headers: { origin: "http://ops.example" } })).toBe(403);
  });

  it("are bounded in number", async () => {
    const feed = await startFeed({ config: { limits: { clients_max: 2 } } });
    const first = await feed.connect();
    await feed.connect();
    expect(await statusOf(feed, {})).toBe(503);
    await first.close();
    await until("room", async () => (await feed.metric("weir_feed_clients")) === 1);
    expect(await statusOf(feed, {})).toBe(101);
  });
});

describe("frames of clients", () => {
  it.each<[name: string, text: string, expected: Partial<ServerFrame>]>([
    ["no JSON", "{", { code: "bad-frame" }],
    ["no object", "7", { code: "bad-frame" }],
    ["an unknown type", '{"type":"shout","id":"1"}', { code: "bad-frame", id: "1" }],
    ["an unknown channel", '{"type":"subscribe","id":"1","channel":"x"}', { code: "unknown-channel", id: "1" }],
    [
      "a rate out of bounds",
      '{"type":"subscribe","id":"1","channel":"stats","maxHz":1000}',
      { code: "bad-frame", id: "1" },
    ],
    ["an unknown key", '{"type":"subscribe","id":"1","channel":"stats","rate":1}', { code: "bad-frame", id: "1" }],
    ["a filter of numbers", '{"type":"subscribe","id":"1","channel":"stats","filter":{"a":1}}', { code: "bad-frame" }],
    ["no subscription to end", '{"type":"unsubscribe","id":"1"}', { code: "unknown-subscription", id: "1" }],
  ])("are answered with an error: %s", async (_, text, expected) => {
    const feed = await startFeed();
    const client = await feed.connect();
    client.socket.send(text);
    expect(await client.waitFor("error")).toMatchObject(expected);
    client.send({ type: "subscribe", id: "fine", channel: "stats" });
    await client.waitFor("snapshot", "fine");
  });

  it("may open a bounded number of subscriptions, each with its own id", async () => {
    const feed = await startFeed({ config: { limits: { subscriptions_max: 2 } } });
    const client = await feed.connect();
    for (const id of ["1", "1", "2", "3"]) client.send({ type: "subscribe", id, channel: "stats" });
    expect((await client.waitFor("error", "1")).code).toBe("bad-frame");
    expect((await client.waitFor("error", "3")).code).toBe("too-many-subscriptions");
    client.send({ type: "unsubscribe", id: "1" });
    client.send({ type: "subscribe", id: "4", channel: "stats" });
    await client.waitFor("snapshot", "4");
  });

  it("end the connection when they are too large or too often wrong", async () => {
    const feed = await startFeed();
    const large = await feed.connect();
    large.socket.send(JSON.stringify({ type: "subscribe", id: "x".repeat(70_000), channel: "stats" }));
    await until("closed", () => large.closeCode !== undefined);
    expect(large.closeCode).toBe(1009);
    const hopeless = await feed.connect();
    for (let i = 0; i < 150; i++) hopeless.socket.send("nonsense");
    await until("closed", () => hopeless.closeCode !== undefined);
    expect(hopeless.closeCode).toBe(1008);
  });
});

describe("stopping", () => {
  it("closes clients with 1001, is idempotent, and frees the port", async () => {
    const feed = await startFeed();
    const client = await feed.connect();
    client.send({ type: "subscribe", id: "1", channel: "alerts" });
    await client.waitFor("snapshot", "1");
    const closed = once(client.socket, "close");
    await Promise.all([feed.feed.stop(), feed.feed.stop()]);
    await closed;
    expect(client.closeCode).toBe(CLOSE_SHUTTING_DOWN);
    const next = await startFeed({ config: { port: feed.port } });
    await next.stop();
    await feed.stop();
  });
});
