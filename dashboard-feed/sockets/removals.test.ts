import { afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import type { Channel, DeviceItem, RemovedItem } from "../../contracts/feed/protocol.ts";
import { createFeedClient } from "../../contracts/feed-client/feed-client.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { appendReadings, reading, startTestFeed, type TestClient, until } from "../testing/test-kit.ts";

const DAY_US = 86_400_000_000;
const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A feed on a log whose time the test moves. */
async function start(history = {}) {
  let nowUs = 20_000 * DAY_US;
  const log = createMemoryLog({ nowUs: () => nowUs });
  const feed = await startTestFeed({ log, config: { history } });
  ends.push(() => feed.stop());
  await until("ready", () => feed.feed.health().ready);
  return {
    feed,
    pass(us: number) {
      nowUs += us;
    },
    read: (device: string, site = "north", metric = "temperature") =>
      appendReadings(log, [reading({ atUs: nowUs, device, metric, tags: { site } })], { receivedAtUs: nowUs }),
  };
}

function subscribe(client: TestClient, id: string, about: { channel: Channel; site?: string; cursor?: string }): void {
  const { site, ...rest } = about;
  client.send({ type: "subscribe", id, maxHz: 20, ...rest, ...(site === undefined ? {} : { filter: { site } }) });
}

function removedFor(client: TestClient, id: string): readonly RemovedItem[] {
  return client.frames.flatMap((frame) => (frame.type === "update" && frame.id === id ? (frame.removed ?? []) : []));
}

test("clients learn of items that leave, if their filter has shown them", async () => {
  const { feed, pass, read } = await start();
  await read("gone");
  await read("gone", "south");
  await read("stays");
  const client = await feed.connect();
  subscribe(client, "all", { channel: "devices" });
  subscribe(client, "north", { channel: "devices", site: "north" });
  subscribe(client, "east", { channel: "devices", site: "east" });
  subscribe(client, "series", { channel: "readings", site: "north" });
  await until("items", () => client.items("all").length === 3 && client.items("series").length === 2);
  pass(29 * DAY_US);
  await read("stays");
  pass(2 * DAY_US);
  await read("stays");
  await until("removed", () => removedFor(client, "all").length === 2 && removedFor(client, "series").length === 1);
  expect(removedFor(client, "all").map(({ tags }) => tags.site)).toEqual(["north", "south"]);
  await until("removed", () => removedFor(client, "north").length === 1);
  expect(removedFor(client, "north")).toEqual([{ device: "gone", tags: { site: "north" } }]);
  expect(removedFor(client, "series")).toEqual([{ device: "gone", metric: "temperature", tags: { site: "north" } }]);
  expect(removedFor(client, "east")).toEqual([]);
  expect(client.frames.filter(({ type }) => type === "gap")).toEqual([]);
  // A client that comes later never sees them.
  const later = await feed.connect();
  subscribe(later, "all", { channel: "devices" });
  const { items } = await later.waitFor("snapshot", "all");
  expect((items as DeviceItem[]).map(({ device }) => device)).toEqual(["stays"]);
});

test("a client that resumes learns of the items that left while it was away", async () => {
  const { feed, pass, read } = await start();
  await read("gone");
  const first = await feed.connect();
  subscribe(first, "d", { channel: "devices" });
  await until("item", () => first.items("d").length === 1);
  const cursor = first.frames.flatMap((frame) => ("cursor" in frame ? [frame.cursor] : [])).at(-1) ?? "";
  first.socket.terminate();
  pass(31 * DAY_US);
  await read("stays");
  const again = await feed.connect();
  subscribe(again, "d", { channel: "devices", cursor });
  await until("item", () => again.items("d").length === 1);
  expect(removedFor(again, "d").map(({ device }) => device)).toEqual(["gone"]);
  expect(again.frames.map(({ type }) => type)).not.toContain("snapshot");
});

test("a client that has missed more items than the view remembers gets a gap and a snapshot", async () => {
  const { feed, pass, read } = await start({ devices_max: 10_000 });
  await read("first");
  const first = await feed.connect();
  subscribe(first, "d", { channel: "devices" });
  await until("item", () => first.items("d").length === 1);
  const cursor = first.frames.flatMap((frame) => ("cursor" in frame ? [frame.cursor] : [])).at(-1) ?? "";
  first.socket.terminate();
  for (let day = 0; day < 3; day++) {
    const readings = Array.from({ length: 10_000 }, (_, i) => reading({ atUs: day, device: `${day}-${i}` }));
    pass(DAY_US);
    await appendReadings(feed.log, readings);
  }
  await until("evicted", async () => (await feed.metric('weir_feed_evicted_total{what="devices"}')) >= 20_000);
  pass(DAY_US);
  await read("last");
  const again = await feed.connect();
  subscribe(again, "d", { channel: "devices", cursor });
  await until("the last", () => again.items<DeviceItem>("d").some(({ device }) => device === "last"));
  expect(again.frames.map(({ type }) => type).slice(1, 3)).toEqual(["gap", "snapshot"]);
  expect(again.items("d")).toHaveLength(10_000);
});

test("the client library passes on removals before the items of later frames", async () => {
  const { feed, pass, read } = await start();
  await read("comes-back");
  const events: string[] = [];
  const client = createFeedClient({ url: `ws://127.0.0.1:${feed.port}/feed`, WebSocket });
  ends.push(() => client.close());
  client.subscribe(
    { channel: "devices", maxHz: 20 },
    {
      onSnapshot: (items) => events.push(`snapshot ${items.length}`),
      onUpdate: (items) => events.push(...items.map(({ device }) => `update ${device}`)),
      onRemoved: (items) => events.push(...items.map(({ device }) => `removed ${device}`)),
    },
  );
  await until("snapshot", () => events.length === 1);
  pass(31 * DAY_US);
  await read("comes-back");
  await until("back", () => events.length === 3);
  expect(events).toEqual(["snapshot 1", "removed comes-back", "update comes-back"]);
});
