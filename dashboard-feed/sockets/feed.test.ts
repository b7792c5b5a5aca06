import { describe, expect, it } from "vitest";
import type { DeviceItem, ReadingItem } from "../../contracts/feed/protocol.ts";
import type { AlertChange } from "../../domain/alert.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { systemClock } from "../../platform/clock.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { publishRaw } from "../../platform/log/testing/raw-bus.ts";
import {
  alertChange,
  appendAlert,
  appendReadings,
  appendWindows,
  reading,
  startFeed,
  until,
  windowResult,
} from "../testing/test-kit.ts";

describe("snapshot, then live", () => {
  it("greets, and answers a subscription on an empty log with an empty snapshot", async () => {
    const feed = await startFeed();
    const client = await feed.connect();
    const welcome = await client.waitFor("welcome");
    expect(welcome.protocol).toBe("weir.v1");
    expect(client.socket.protocol).toBe("weir.v1");
    for (const channel of ["windows", "alerts", "readings", "devices", "stats"] as const) {
      client.send({ type: "subscribe", id: channel, channel });
      expect((await client.waitFor("snapshot", channel)).items).toEqual([]);
    }
  });

  it("shows earlier and later entries of the log, unchanged", async () => {
    const log = createMemoryLog({ nowUs: systemClock.nowUs });
    await appendReadings(log, [
      reading({ atUs: 1_000, value: 4.5 }),
      reading({ atUs: 2_000, value: 5.5 }),
      reading({ atUs: 1_500, value: 9 }),
      reading({ atUs: 1_000, metric: "door", value: true }),
      reading({ atUs: 1_000, metric: "mode", value: 'say "cool"' }),
    ]);
    const feed = await startFeed({ log });
    const client = await feed.connect();
    client.send({ type: "subscribe", id: "r", channel: "readings", maxHz: 20 });
    client.send({ type: "subscribe", id: "d", channel: "devices", maxHz: 20 });
    const snapshot = await client.waitFor("snapshot", "r");
    const tags = { site: "north" };
    expect(snapshot.items).toHaveLength(3);
    expect(snapshot.items).toEqual(
      expect.arrayContaining([
        { device: "cold-1", metric: "temperature", tags, atUs: 2_000, value: 5.5 },
        { device: "cold-1", metric: "door", tags, atUs: 1_000, value: true },
        { device: "cold-1", metric: "mode", tags, atUs: 1_000, value: 'say "cool"' },
      ]),
    );
    expect((await client.waitFor("snapshot", "d")).items).toEqual([
      {
        device: "cold-1",
        tags,
        lastSeenUs: 1_763_769_600_000_000,
        silentFromUs: 1_763_769_900_000_000,
        unwatched: true,
        readings: 5,
        clockAhead: 0,
        metrics: {
          temperature: { atUs: 2_000, value: 5.5, unwatched: true },
          door: { atUs: 1_000, value: true, unwatched: true },
          mode: { atUs: 1_000, value: 'say "cool"', unwatched: true },
        },
      },
    ]);

    await appendReadings(log, [reading({ atUs: 1_999, metric: "mode", value: "off" })], {
      receivedAtUs: 1_763_769_700_000_000,
      clockAhead: true,
    });
    expect((await client.waitFor("update", "r")).items).toEqual([
      { device: "cold-1", metric: "mode", tags, atUs: 1_999, value: "off" },
    ]);
    const [device] = (await client.waitFor("update", "d")).items as DeviceItem[];
    expect(device).toMatchObject({ readings: 6, clockAhead: 1, lastSeenUs: 1_763_769_700_000_000 });
  });

  it("has neither a gap nor a repeat while the log grows", async () => {
    const feed = await startFeed();
    const total = 400;
    const writing = (async () => {
      for (let i = 1; i <= total; i++) {
        await appendAlert(feed.log, alertChange({ id: `c${i}`, incident: `i${i}`, key: { device: `d${i % 7}` } }));
        await appendWindows(feed.log, { lastInput: i }, [windowResult({ startUs: i * 60_000_000 })]);
        if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    const clients = [];
    for (let i = 0; i < 6; i++) {
      const client = await feed.connect();
      client.send({ type: "subscribe", id: "a", channel: "alerts" });
      client.send({ type: "subscribe", id: "w", channel: "windows", maxHz: 20 });
      clients.push(client);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    await writing;
    for (const client of clients) {
      await until("the last alert", () => client.items<AlertChange>("a").at(-1)?.id === `c${total}`);
      expect(client.items<AlertChange>("a").map(({ id }) => id)).toEqual(
        Array.from({ length: total }, (_, i) => `c${i + 1}`),
      );
      await until("the last window", () => client.items<WindowResult>("w").at(-1)?.startUs === total * 60_000_000);
      const starts = client.items<WindowResult>("w").map(({ startUs }) => startUs / 60_000_000);
      // A client that connects late gets the last 240 windows, and then each new window once.
      expect(starts).toEqual(Array.from({ length: starts.length }, (_, i) => total - starts.length + 1 + i));
      expect(starts.length).toBeGreaterThanOrEqual(240);
    }
  });

  it("filters by exact text and wildcards, and knows labels by name only", async () => {
    const feed = await startFeed();
    const client = await feed.connect();
    client.send({ type: "subscribe", id: "1", channel: "readings", filter: { device: "cold-*", site: "north" } });
    client.send({ type: "subscribe", id: "2", channel: "readings", filter: { metric: "temp?", site: "*" } });
    client.send({ type: "subscribe", id: "3", channel: "readings", filter: { constructor: "?*" } });
    client.send({ type: "subscribe", id: "4", channel: "windows", filter: { rule: "a", device: "d?" } });
    client.send({ type: "subscribe", id: "5", channel: "alerts", filter: { severity: "critical", site: "north" } });
    client.send({ type: "subscribe", id: "6", channel: "devices", filter: { metric: "temp2" } });
    await client.waitFor("snapshot", "6");
    await appendReadings(feed.log, [
      reading({ atUs: 1, device: "cold-1", metric: "temp1" }),
      reading({ atUs: 1, device: "cold-2", metric: "temp2", tags: { site: "south" } }),
      reading({ atUs: 1, device: "warm-1", metric: "temp12", tags: {} }),
    ]);
    await appendWindows(feed.log, { lastInput: 1 }, [
      windowResult({ startUs: 0, rule: "a", labels: { device: "d1" } }),
      windowResult({ startUs: 0, rule: "a", labels: { device: "d12" } }),
      windowResult({ startUs: 0, rule: "b", labels: { device: "d1" } }),
    ]);
    await appendAlert(feed.log, alertChange({ id: "yes" }));
    await appendAlert(feed.log, alertChange({ id: "no", severity: "info" }));
    await appendAlert(feed.log, alertChange({ id: "neither", labels: { site: "south" } }));
    await appendAlert(feed.log, alertChange({ id: "yes-again" }));
    await until("alerts", () => client.items("5").length === 2);
    await until("windows", () => client.items("4").length === 1);
    await until("readings", () => client.items("1").length === 1 && client.items("2").length === 2);
    await until("devices", () => client.items("6").length === 1);
    expect(client.items<ReadingItem>("1")[0]?.metric).toBe("temp1");
    expect(client.items<ReadingItem>("2").map(({ metric }) => metric)).toEqual(["temp1", "temp2"]);
    expect(client.items("3")).toEqual([]);
    expect(client.items<WindowResult>("4")[0]?.labels).toEqual({ device: "d1" });
    expect(client.items<AlertChange>("5").map(({ id }) => id)).toEqual(["yes", "yes-again"]);
    expect(client.items<DeviceItem>("6")[0]?.device).toBe("cold-2");
  });

  it("conflates readings to the newest, and sends none after unsubscribing", async () => {
    const feed = await startFeed();
    const client = await feed.connect();
    client.send({ type: "subscribe", id: "slow", channel: "readings", maxHz: 1 });
    client.send({ type: "subscribe", id: "gone", channel: "readings", maxHz: 20 });
    await client.waitFor("snapshot", "slow");
    await client.waitFor("snapshot", "gone");
    client.send({ type: "unsubscribe", id: "gone" });
    client.send({ type: "unsubscribe", id: "gone" });
    expect((await client.waitFor("error", "gone")).code).toBe("unknown-subscription");
    for (let i = 1; i <= 50; i++) await appendReadings(feed.log, [reading({ atUs: i, value: i })]);
    await until("the newest", () => client.items<ReadingItem>("slow").at(-1)?.value === 50);
    expect(client.items("slow").length).toBeLessThanOrEqual(3);
    expect(client.items("gone")).toEqual([]);
    expect(await feed.metric('weir_feed_subscriptions{channel="readings"}')).toBe(1);
  });

  it("sends stats reports flattened", async () => {
    const feed = await startFeed();
    const client = await feed.connect();
    client.send({ type: "subscribe", id: "s", channel: "stats", maxHz: 20 });
    await client.waitFor("snapshot", "s");
    publishRaw(feed.log.bus, "stats", "edge-1", { nonsense: true });
    publishRaw(feed.log.bus, "stats", "edge-1", {
      instance: "edge-1",
      atUs: 7,
      metrics: [
        { name: "weir_in_total", help: "", type: "counter", values: [{ value: 3, labels: { device: 'a"b' } }] },
        { name: "weir_nan", help: "", type: "gauge", values: [{ value: Number.NaN, labels: {} }] },
        { name: "weir_up", help: "", type: "gauge", values: [{ value: 1, labels: {} }] },
      ],
    });
    expect((await client.waitFor("update", "s")).items).toEqual([
      { instance: "edge-1", atUs: 7, values: { 'weir_in_total{device="a\\"b"}': 3, weir_up: 1 } },
    ]);
    expect(await feed.metric('weir_feed_bad_messages_total{stream="stats"}')).toBe(1);
  });

  it("skips unreadable entries, and continues", async () => {
    const feed = await startFeed();
    const client = await feed.connect();
    client.send({ type: "subscribe", id: "r", channel: "readings", maxHz: 20 });
    client.send({ type: "subscribe", id: "a", channel: "alerts" });
    await client.waitFor("snapshot", "a");
    await feed.log.append({ subject: "readings.0", payload: new Uint8Array([255, 255, 1]) });
    await feed.log.append({ subject: "alerts.x.y", payload: new TextEncoder().encode('{"specversion":"1.0"}') });
    await feed.log.append({ subject: "windows.0", payload: new Uint8Array([61, 3]) });
    await appendReadings(feed.log, [reading({ atUs: 1 })]);
    await appendAlert(feed.log, alertChange());
    await until("both", () => client.items("r").length === 1 && client.items("a").length === 1);
    expect(await feed.metric('weir_feed_bad_messages_total{stream="READINGS"}')).toBe(1);
    expect(await feed.metric('weir_feed_bad_messages_total{stream="ALERTS"}')).toBe(1);
  });

  it("sends a snapshot of any size in pieces", async () => {
    const log = createMemoryLog({ nowUs: systemClock.nowUs });
    const devices = 12_000;
    const all = Array.from({ length: devices }, (_, i) => reading({ atUs: 1, device: `device-number-${i}`, value: i }));
    for (let i = 0; i < devices; i += 3_000) await appendReadings(log, all.slice(i, i + 3_000));
    const feed = await startFeed({ log });
    const client = await feed.connect();
    client.send({ type: "subscribe", id: "r", channel: "readings", maxHz: 0.1 });
    await until("all", () => client.items("r").length >= devices);
    expect(client.about("r")[0]?.type).toBe("snapshot");
    expect(client.about("r").length).toBeGreaterThan(2);
    expect(new Set(client.items<ReadingItem>("r").map(({ value }) => value)).size).toBe(devices);
    expect(client.items("r").length).toBe(devices);
  });
});
