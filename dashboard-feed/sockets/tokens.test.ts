import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { CLOSE_UNAUTHORIZED, type DeviceItem, type ReadingItem } from "../../contracts/feed/protocol.ts";
import { bearerProtocol } from "../../contracts/feed-client/feed-client.ts";
import type { SeriesQuery } from "../../contracts/history.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { encodeRuleSet } from "../../domain/frame-writer.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { respondRaw } from "../../platform/log/testing/raw-bus.ts";
import {
  alertChange,
  appendAlert,
  appendReadings,
  appendWindows,
  reading,
  startReadyFeed,
  type TestFeed,
  tokenFor,
  until,
  windowResult,
} from "../testing/test-kit.ts";

const ops = tokenFor({ name: "ops" });
const north = tokenFor({ name: "north", sites: ["north*"] });
const windowsOnly = tokenFor({ name: "wall", channels: ["windows"] });
const admin = tokenFor({ name: "boss", sites: ["none"], channels: [], admin: true });
const scraper = tokenFor({ name: "scraper", channels: ["stats"] });
const tokens = [ops, north, windowsOnly, admin, scraper].map(({ config }) => config);

async function refusalOf(feed: TestFeed, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${feed.port}/feed`, ["weir.v1"], { headers });
  socket.on("error", () => {});
  const status = await new Promise<number>((resolve) => {
    socket.on("open", () => resolve(101));
    socket.on("unexpected-response", (_, response) => resolve(response.statusCode ?? 0));
  });
  socket.terminate();
  return status;
}

describe("a token", () => {
  it("comes in a header, as a subprotocol, or in the first frame", async () => {
    const feed = await startReadyFeed({ config: { tokens } });
    expect(await refusalOf(feed, { authorization: "Bearer nobody-knows-this-one" })).toBe(401);
    const byHeader = await feed.connect({ headers: { authorization: `Bearer ${ops.secret}` } });
    await byHeader.waitFor("welcome");
    const byProtocol = await feed.connect({ protocols: ["weir.v1", bearerProtocol(ops.secret)] });
    await byProtocol.waitFor("welcome");
    const byFrame = await feed.connect();
    byFrame.send({ type: "auth", token: ops.secret });
    byFrame.send({ type: "subscribe", id: "1", channel: "alerts" });
    await byFrame.waitFor("snapshot", "1");
    expect(byFrame.frames[0]?.type).toBe("welcome");
    byFrame.send({ type: "auth", token: north.secret });
    expect((await byFrame.waitFor("error")).code).toBe("bad-frame");
  });

  it.each([
    ["is not known", '{"type":"auth","token":"nobody-knows-this-one"}'],
    ["is not shown", '{"type":"subscribe","id":"1","channel":"alerts"}'],
  ])("that %s ends the connection with 4401", async (_, text) => {
    const feed = await startReadyFeed({ config: { tokens } });
    const client = await feed.connect();
    client.socket.send(text);
    expect((await client.waitFor("error")).code).toBe("unauthorized");
    await until("closed", () => client.closeCode === CLOSE_UNAUTHORIZED);
    expect(client.frames.map(({ type }) => type)).toEqual(["error"]);
    await until("counted", async () => (await feed.metric('weir_feed_closed_total{reason="unauthorized"}')) === 1);
  });

  it("must arrive soon, and only a bounded number of clients may be without one", async () => {
    const feed = await startReadyFeed({
      config: { tokens, limits: { auth_wait_max: "50ms", unauthenticated_max: 2 } },
    });
    const silent = await Promise.all([feed.connect(), feed.connect()]);
    expect(await refusalOf(feed, {})).toBe(503);
    expect(await refusalOf(feed, { authorization: `Bearer ${ops.secret}` })).toBe(101);
    await until("closed", () => silent.every(({ closeCode }) => closeCode === CLOSE_UNAUTHORIZED));
    expect(silent.flatMap(({ frames }) => frames)).toEqual([]);
  });

  it("comes from the environment, and a missing or short one is an error that says how to fix it", async () => {
    const config = { tokens: [{ name: "ops", token_env: "OPS_TOKEN" }] };
    const env = { OPS_TOKEN: "from-the-environment" };
    const feed = await startReadyFeed({ config, env });
    const client = await feed.connect({ headers: { authorization: "Bearer from-the-environment" } });
    await client.waitFor("welcome");
    await expect(startReadyFeed({ config })).rejects.toThrow(
      /feed token "ops": the environment variable OPS_TOKEN is not set/,
    );
    await expect(startReadyFeed({ config, env: { OPS_TOKEN: "short" } })).rejects.toThrow(
      /feed token "ops": the token in OPS_TOKEN has 5 characters.*at least 16/,
    );
  });
});

describe("what a token shows", () => {
  it("is its channels", async () => {
    const feed = await startReadyFeed({ config: { tokens } });
    const client = await feed.connect({ headers: { authorization: `Bearer ${windowsOnly.secret}` } });
    client.send({ type: "subscribe", id: "a", channel: "alerts" });
    client.send({ type: "subscribe", id: "w", channel: "windows" });
    expect(await client.waitFor("error", "a")).toMatchObject({ code: "forbidden", message: /wall.*alerts/ });
    await client.waitFor("snapshot", "w");
  });

  it("is its sites, on every channel and with any filter", async () => {
    const feed = await startReadyFeed({ config: { tokens } });
    const client = await feed.connect({ headers: { authorization: `Bearer ${north.secret}` } });
    for (const channel of ["readings", "devices", "windows", "alerts"] as const) {
      client.send({ type: "subscribe", id: channel, channel, maxHz: 20 });
    }
    client.send({
      type: "subscribe",
      id: "south",
      channel: "readings",
      filter: { site: ["south", "north-2"] },
      maxHz: 20,
    });
    client.send({ type: "subscribe", id: "stats", channel: "stats" });
    expect((await client.waitFor("error", "stats")).code).toBe("forbidden");
    await client.waitFor("snapshot", "south");
    await appendReadings(feed.log, [
      reading({ atUs: 1, device: "d1" }),
      reading({ atUs: 1, device: "d2", tags: { site: "north-2" } }),
      reading({ atUs: 1, device: "d3", tags: { site: "south" } }),
      reading({ atUs: 1, device: "d4", tags: {} }),
      // One name at two sites is two devices.
      reading({ atUs: 1, device: "d5", tags: { site: "north" } }),
      reading({ atUs: 1, device: "d5", tags: { site: "south" } }),
    ]);
    await appendWindows(feed.log, { lastInput: 1 }, [
      windowResult({ startUs: 0, labels: { device: "d3", site: "south" } }),
      windowResult({ startUs: 0, labels: { device: "d4" } }),
      windowResult({ startUs: 0, labels: { device: "d1", site: "north" } }),
    ]);
    await appendAlert(feed.log, alertChange({ id: "theirs", labels: { site: "south" } }));
    await appendAlert(feed.log, alertChange({ id: "nobodys", labels: {} }));
    await appendAlert(feed.log, alertChange({ id: "ours", labels: { site: "north" } }));
    await until("alerts", () => client.items("alerts").length > 0);
    await until("devices", () => client.items("devices").length > 0);
    await until("windows", () => client.items("windows").length > 0);
    await until("readings", () => client.items("south").length > 0);
    const sites = client.items<ReadingItem>("readings").map(({ device, tags }) => `${device} ${tags.site}`);
    expect(sites).toEqual(["d1 north", "d2 north-2", "d5 north"]);
    expect(client.items<ReadingItem>("south").map(({ device }) => device)).toEqual(["d2"]);
    expect(client.items<DeviceItem>("devices").map(({ device, tags }) => `${device} ${tags.site}`)).toEqual([
      "d1 north",
      "d2 north-2",
      "d5 north",
    ]);
    expect(client.items<WindowResult>("windows").map(({ labels }) => labels.site)).toEqual(["north"]);
    expect(client.items<AlertChange>("alerts").map(({ id }) => id)).toEqual(["ours"]);
    // A token for all sites sees everything. It does not share results with the restricted token.
    const all = await feed.connect({ headers: { authorization: `Bearer ${admin.secret}` } });
    all.send({ type: "subscribe", id: "d", channel: "devices" });
    all.send({ type: "subscribe", id: "s", channel: "stats" });
    expect((await all.waitFor("snapshot", "d")).items).toHaveLength(6);
    await all.waitFor("snapshot", "s");
  });

  it("is the same over HTTP", async () => {
    const feed = await startReadyFeed({ config: { tokens } });
    const rules = [
      { id: "cold", where: { site: "north" } },
      { id: "hot", where: { site: ["south", "east"] } },
      { id: "all", where: { site: "*" } },
      { id: "any" },
    ];
    const payload = encodeRuleSet({ version: "v1", rulesJson: JSON.stringify(rules) });
    await feed.log.append({ subject: "readings.0", payload });
    await appendReadings(feed.log, [
      reading({ atUs: 1, device: "d1" }),
      reading({ atUs: 1, device: "d3", tags: { site: "south" } }),
      reading({ atUs: 1, device: "d5", tags: { site: "north" }, value: 5 }),
      reading({ atUs: 1, device: "d5", tags: { site: "south" }, value: 99 }),
    ]);
    await appendAlert(feed.log, alertChange({ id: "theirs", key: { device: "d3" }, labels: { site: "south" } }));
    await appendAlert(feed.log, alertChange({ id: "ours", key: { device: "d1" }, labels: { site: "north" } }));
    respondRaw(feed.log.bus, "history.series", async (question) => {
      const sites: Readonly<Record<string, string>> = { d1: "north", d3: "south" };
      const site = sites[(question as SeriesQuery).device];
      const buckets = { atUs: [], min: [], max: [], avg: [], count: [] };
      return { kind: "found", tags: site === undefined ? {} : { site }, buckets };
    });
    const changes = [
      alertChange({ id: "past-theirs", labels: { site: "south" } }),
      alertChange({ id: "past-ours", labels: { site: "north" } }),
    ];
    respondRaw(feed.log.bus, "history.alerts", async () => ({ changes, next: null }));
    const get = async (path: string, secret?: string) => {
      const headers: Record<string, string> = secret === undefined ? {} : { authorization: `Bearer ${secret}` };
      return await fetch(feed.url + path, { headers });
    };
    const status = async (path: string, secret?: string) => (await get(path, secret)).status;
    const text = async (path: string) => await (await get(path, north.secret)).text();
    await until("the alerts", async () => (await text("/api/v1/alerts")).includes("ours"));

    expect(await status("/api/v1/devices")).toBe(401);
    expect(await status("/api/v1/devices", "nobody-knows-this-one")).toBe(401);
    expect(await status("/api/v1/devices", windowsOnly.secret)).toBe(403);
    expect(await status("/api/v1/rules", windowsOnly.secret)).toBe(200);
    expect(await status("/healthz")).toBe(200);

    expect(JSON.parse(await text("/api/v1/devices"))).toMatchObject({
      total: 2,
      devices: [{ device: "d1" }, { device: "d5", tags: { site: "north" }, metrics: { temperature: { value: 5 } } }],
    });
    expect(await text("/api/v1/alerts")).not.toContain("theirs");
    expect(await text("/api/v1/alerts?state=all")).toContain("past-ours");
    expect(await text("/api/v1/alerts?state=all")).not.toContain("theirs");
    const listed = JSON.parse(await text("/api/v1/rules")) as { rules: { id: string }[] };
    expect(listed.rules.map(({ id }) => id)).toEqual(["cold", "all", "any"]);
    expect(await status("/api/v1/series?device=d1&metric=temperature", north.secret)).toBe(200);
    expect(await status("/api/v1/series?device=d3&metric=temperature", north.secret)).toBe(404);
    expect(await status("/api/v1/series?device=unheard-of&metric=temperature", north.secret)).toBe(404);
    expect(await status("/api/v1/series?device=d3&metric=temperature", ops.secret)).toBe(200);

    expect(await status("/metrics")).toBe(401);
    expect(await status("/metrics", north.secret)).toBe(403);
    expect(await status("/metrics", windowsOnly.secret)).toBe(403);
    for (const { secret } of [ops, admin, scraper]) expect(await status("/metrics", secret)).toBe(200);
  });
});
