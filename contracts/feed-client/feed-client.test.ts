import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import {
  alertChange,
  appendAlert,
  appendReadings,
  startTestFeed,
  tokenFor,
  until,
} from "../../dashboard-feed/testing/test-kit.ts";
import type { AlertChange } from "../../domain/alert.ts";
import type { ReadingValue } from "../../domain/reading.ts";
import { systemClock } from "../../platform/clock.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { ReadingItem } from "../feed/protocol.ts";
import { createFeedClient, type FeedClient, type FeedStatus } from "./feed-client.ts";

const backoff = { firstMs: 10, maxMs: 40 };
const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function client(options: Partial<Parameters<typeof createFeedClient>[0]> & { readonly url: string }): FeedClient {
  const made = createFeedClient({ WebSocket, backoff, ...options });
  ends.push(() => made.close());
  return made;
}

describe("the feed client", () => {
  it("subscribes, and stays subscribed across restarts of the server, without gap or repeat", async () => {
    const log = createMemoryLog({ nowUs: systemClock.nowUs });
    let feed = await startTestFeed({ log });
    ends.push(() => feed.stop());
    const { port } = feed;
    const statuses: FeedStatus[] = [];
    const feedClient = client({ url: `ws://127.0.0.1:${port}/feed`, onStatus: (status) => statuses.push(status) });
    const alerts: string[] = [];
    let snapshots = 0;
    const subscription = feedClient.subscribe(
      { channel: "alerts", filter: { rule: "cold-*" } },
      {
        onSnapshot: () => snapshots++,
        onUpdate: (items: readonly AlertChange[]) => alerts.push(...items.map(({ id }) => id)),
      },
    );
    await until("snapshot", () => snapshots === 1);
    const expected: string[] = [];
    for (let round = 0; round < 3; round++) {
      await appendAlert(log, alertChange({ id: `live-${round}` }));
      await until("live", () => alerts.at(-1) === `live-${round}`);
      await feed.stop();
      await until("noticed", () => feedClient.status().state !== "open");
      await appendAlert(log, alertChange({ id: `away-${round}` }));
      feed = await startTestFeed({ log, config: { port } });
      await until("caught up", () => alerts.at(-1) === `away-${round}`);
      expected.push(`live-${round}`, `away-${round}`);
    }
    expect(alerts).toEqual(expected);
    expect(snapshots).toBe(1);
    expect(statuses.map(({ state }) => state)).toEqual(expect.arrayContaining(["connecting", "open", "closed"]));
    expect(statuses.filter(({ state }) => state === "closed").map(({ closeCode }) => closeCode)).toContain(1001);

    subscription.end();
    subscription.end();
    await until("unsubscribed", async () => (await feed.metric('weir_feed_subscriptions{channel="alerts"}')) === 0);
    feedClient.close();
    feedClient.close();
    expect(feedClient.status().state).toBe("closed");
    await until("gone", async () => (await feed.metric("weir_feed_clients")) === 0);
  });

  it("reports since when it is disconnected, across all attempts", async () => {
    const statuses: FeedStatus[] = [];
    const feedClient = client({ url: "ws://127.0.0.1:9/feed", onStatus: (status) => statuses.push(status) });
    await until("attempts", () => feedClient.status().attempt >= 4);
    expect(new Set(statuses.map(({ sinceMs }) => sinceMs)).size).toBe(1);
    expect(statuses.some(({ state }) => state === "open")).toBe(false);
  });

  it("drops a silent connection", async () => {
    const server = await deafServer();
    const feedClient = client({ url: `ws://127.0.0.1:${server.port}/feed`, silenceMs: 60 });
    await until("tried again", () => server.connections.length >= 3);
    expect(feedClient.status().state).not.toBe("open");
  });

  it("passes on gaps and refusals", async () => {
    const { secret: token, config } = tokenFor({ name: "readings", channels: ["readings"] });
    const feed = await startTestFeed({ config: { tokens: [config] } });
    ends.push(() => feed.stop());
    const events: string[] = [];
    const feedClient = client({ url: `ws://127.0.0.1:${feed.port}/feed`, token });
    const handlers = {
      onSnapshot: () => events.push("snapshot"),
      onUpdate: () => events.push("update"),
      onRefused: (code: string) => events.push(code),
    };
    feedClient.subscribe({ channel: "alerts" }, handlers);
    feedClient.subscribe({ channel: "readings" }, handlers);
    await until("both", () => events.length === 2);
    expect(events).toEqual(["forbidden", "snapshot"]);
  });

  it("gets its token each time, reports a refused one, and retries with the next", async () => {
    const good = tokenFor({ name: "ops" });
    const feed = await startTestFeed({ config: { tokens: [good.config] } });
    ends.push(() => feed.stop());
    const tokens = ["the-secret-of-nobody", "the-secret-of-nobody", good.secret];
    const errors: string[] = [];
    const codes: (number | undefined)[] = [];
    const feedClient = client({
      url: `ws://127.0.0.1:${feed.port}/feed`,
      token: async () => tokens.shift() ?? "",
      onError: (code) => errors.push(code),
      onStatus: ({ state, closeCode }) => {
        if (state === "closed") codes.push(closeCode);
      },
    });
    let snapshots = 0;
    feedClient.subscribe({ channel: "stats" }, { onSnapshot: () => snapshots++, onUpdate: () => {} });
    await until("snapshot", () => snapshots === 1);
    expect(errors).toEqual(["unauthorized", "unauthorized"]);
    expect(codes).toEqual([4401, 4401]);
    expect(feedClient.status()).toMatchObject({ state: "open", attempt: 3 });
  });

  it("retries more slowly after it was too fast", async () => {
    const feed = await startTestFeed({ config: { limits: { subscriptions_max: 2, subscribes_per_second_max: 4 } } });
    ends.push(() => feed.stop());
    const feedClient = client({ url: `ws://127.0.0.1:${feed.port}/feed` });
    await until("open", () => feedClient.status().state === "open");
    const refused: string[] = [];
    let snapshots = 0;
    for (let i = 0; i < 10; i++) {
      const handlers = {
        onSnapshot: () => snapshots++,
        onUpdate: () => {},
        onRefused: (code: string) => refused.push(code),
      };
      const subscription = feedClient.subscribe({ channel: "stats" }, handlers);
      if (i < 9) subscription.end();
    }
    await until("snapshot at last", () => refused.includes("too-many-requests") && snapshots > 0);
    expect(feedClient.status().state).toBe("open");
  });

  it("changes its pace without a gap, a repeat, or another snapshot", async () => {
    const feed = await startTestFeed();
    ends.push(() => feed.stop());
    const feedClient = client({ url: `ws://127.0.0.1:${feed.port}/feed` });
    const values: ReadingValue[] = [];
    let snapshots = 0;
    const subscription = feedClient.subscribe(
      { channel: "readings", maxHz: 20 },
      {
        onSnapshot: () => snapshots++,
        onUpdate: (items: readonly ReadingItem[]) => values.push(...items.map(({ value }) => value)),
      },
    );
    await until("snapshot", () => snapshots === 1);
    const read = (value: number) =>
      appendReadings(feed.log, [{ device: "a", metric: "t", tags: {}, atUs: value * 1_000_000, value }]);
    for (let value = 1; value <= 10; value++) {
      await read(value);
      subscription.setMaxHz(value % 2 === 0 ? 20 : 10);
      await until("reading", () => values.at(-1) === value);
    }
    expect(values).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(snapshots).toBe(1);

    // Values arrive much faster than they are sent: only the last one counts.
    subscription.setMaxHz(0.1);
    for (let value = 11; value <= 20; value++) await read(value);
    subscription.setMaxHz(20);
    await until("the last", () => values.at(-1) === 20);
    expect(values.length).toBeLessThan(15);

    subscription.end();
    subscription.setMaxHz(4);
    await until("none", async () => (await feed.metric('weir_feed_subscriptions{channel="readings"}')) === 0);
  });

  it("detects a dead connection soon when asked to check", async () => {
    const feed = await startTestFeed();
    ends.push(() => feed.stop());
    const times: number[] = [];
    const feedClient = client({
      url: `ws://127.0.0.1:${feed.port}/feed`,
      onServerTime: (serverTimeUs) => times.push(serverTimeUs),
    });
    await until("welcome", () => times.length === 1);
    feedClient.check();
    await until("heartbeat", () => times.length === 2);
    expect(Math.abs((times[1] ?? 0) / 1000 - Date.now())).toBeLessThan(60_000);
  });

  it("needs a WebSocket", () => {
    if ("WebSocket" in globalThis) return;
    expect(() => createFeedClient({ url: "ws://127.0.0.1:9/feed" })).toThrow("no global WebSocket");
  });
});

/** Accepts connections and never sends anything. */
async function deafServer(): Promise<{ readonly port: number; readonly connections: readonly Socket[] }> {
  const connections: Socket[] = [];
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    connections.push(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(async () => {
    for (const socket of connections) socket.destroy();
    server.close();
    await once(server, "close");
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, connections };
}
