import { describe, expect, it } from "vitest";
import { CHANNEL_KINDS, CHANNELS } from "../../contracts/feed/channels.ts";
import { CLOSE_TOO_SLOW } from "../../contracts/feed/protocol.ts";
import { CHANNEL_SOURCES, type Change } from "../testing/channel-sources.ts";
import { startReadyFeed, type TestClient, type TestFeed, until } from "../testing/test-kit.ts";

// Every channel in the table keeps the protocol's promises. The clients check each frame against docs/asyncapi.yaml.

describe.each(CHANNELS)("the channel %s", (channel) => {
  const { delivery, stream, item, example } = CHANNEL_KINDS[channel];
  const source = CHANNEL_SOURCES[stream ?? "bus"];
  if (source === undefined) throw new Error(`testing/channel-sources.ts has no source for ${stream}`);
  let n = 0;

  const change = (feed: TestFeed, about: Omit<Change, "n">) => source.change(feed.log, { n: ++n, ...about });

  async function subscribe(
    feed: TestFeed,
    about: { readonly filter?: Record<string, string>; readonly cursor?: string } = {},
  ): Promise<TestClient> {
    const client = await feed.connect();
    client.send({ type: "subscribe", id: "s", channel, maxHz: 20, ...about });
    await until("an answer", () => client.about("s").length > 0);
    return client;
  }

  /** Whether the client has an item that names this change. */
  const has = (client: TestClient, name: string) => client.items("s").some((each) => isOf(each, name));
  const isOf = (each: unknown, name: string) => JSON.stringify(each).includes(`"${name}"`);

  it("has an example that fits its schema", () => {
    expect(example.items.length).toBeGreaterThan(0);
    for (const each of example.items) expect(item.parse(each)).toEqual(each);
  });

  it("sends a snapshot, then updates", async () => {
    const feed = await startReadyFeed();
    const early = await subscribe(feed);
    expect(early.about("s")).toMatchObject([{ type: "snapshot", items: [] }]);
    await change(feed, { name: "first" });
    await until("the first change", () => has(early, "first"));
    const late = await subscribe(feed);
    expect(late.about("s")[0]?.type).toBe("snapshot");
    expect(has(late, "first")).toBe(true);
    await change(feed, { name: "second" });
    await until("the second change", () => has(early, "second") && has(late, "second"));
    const types = late.about("s").map(({ type }) => type);
    expect(types).toEqual(["snapshot", ...types.slice(1).map(() => "update")]);
    expect(late.items("s").filter((each) => isOf(each, "first"))).toHaveLength(1);
  });

  it("sends only items that match the filter", async () => {
    const feed = await startReadyFeed();
    const client = await subscribe(feed, { filter: { [source.label]: "wan*" } });
    await change(feed, { name: "other" });
    await change(feed, { name: "wanted" });
    await until("the wanted change", () => has(client, "wanted"));
    expect(has(client, "other")).toBe(false);
    const late = await subscribe(feed, { filter: { [source.label]: "wan*" } });
    expect([has(late, "wanted"), has(late, "other")]).toEqual([true, false]);
  });

  it("resumes from a cursor, or starts over if the channel has no past", async () => {
    const feed = await startReadyFeed();
    const client = await subscribe(feed);
    await change(feed, { name: "before" });
    await until("the change", () => has(client, "before"));
    const cursor = client.cursor("s") ?? "";
    await client.close();
    await change(feed, { name: "missed" });
    const again = await subscribe(feed, { cursor });
    await until("the missed change", () => has(again, "missed"));
    expect(has(again, "before")).toBe(stream === undefined);
    const isUpdate = again.about("s").every(({ type }) => type === "update");
    expect(isUpdate).toBe(stream !== undefined);
  });

  it("answers an unknown cursor with a snapshot, after a gap if the channel has a past", async () => {
    const feed = await startReadyFeed();
    const probe = await subscribe(feed);
    await change(feed, { name: "here" });
    await until("the change", () => has(probe, "here"));
    const client = await subscribe(feed, { cursor: `${channel}:0.1.0` });
    await until("the snapshot", () => has(client, "here"));
    const types = client.about("s").map(({ type }) => type);
    expect(types).toEqual(stream === undefined ? ["snapshot"] : ["gap", "snapshot"]);
  });

  it("keeps a bounded amount for a client that does not read", async () => {
    const feed = await startReadyFeed({
      config: { limits: { buffered_size_coalesce: "64KiB", buffered_size_max: "128KiB", alerts_wait_max: "300ms" } },
    });
    const slow = await subscribe(feed);
    slow.socket.pause();
    const pad = "x".repeat(20_000);
    const names = Array.from({ length: 50 }, (_, i) => `place-${i}`);
    const isBehind = async () =>
      delivery === "changes"
        ? (await feed.metric(`weir_feed_subscriptions{channel="${channel}"}`)) === 0
        : (await feed.metric("weir_feed_conflated_total")) > 2;
    await until("it is behind", async () => {
      for (const name of names) await change(feed, { name, pad });
      return await isBehind();
    });
    await change(feed, { name: "newest", pad });
    slow.socket.resume();
    if (delivery === "changes") {
      // The server must not leave out a change, so it closes the client. The client's cursor leads to the rest.
      await until("closed", () => slow.closeCode === CLOSE_TOO_SLOW);
      const patient = await startReadyFeed({ log: feed.log });
      const rest = await subscribe(patient, { cursor: slow.cursor("s") ?? "" });
      await until("the newest change", () => has(rest, "newest"));
    } else {
      await until("the newest change", () => has(slow, "newest"));
      expect(slow.closeCode).toBeUndefined();
    }
  });
});
