import { describe, expect, it } from "vitest";
import { CLOSE_TOO_SLOW, type ReadingItem } from "../../contracts/feed/protocol.ts";
import type { AlertChange } from "../../domain/alert.ts";
import type { WindowResult } from "../../domain/window-result.ts";
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

describe("a client that does not read", () => {
  it("is closed when alerts wait for it too long; other clients get every alert", async () => {
    const feed = await startFeed({
      config: { limits: { buffered_size_coalesce: "64KiB", buffered_size_max: "128KiB", alerts_wait_max: "1500ms" } },
    });
    const slow = await feed.connect();
    const fast = await feed.connect();
    for (const client of [slow, fast]) client.send({ type: "subscribe", id: "a", channel: "alerts" });
    await slow.waitFor("snapshot", "a");
    await fast.waitFor("snapshot", "a");
    slow.socket.pause();
    const total = 1_500;
    const annotations = { text: "x".repeat(16_000) };
    for (let i = 0; i < total; i++) {
      await appendAlert(feed.log, alertChange({ id: `c${i}`, incident: `i${i}`, annotations }));
      if (i % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until("all at the fast one", () => fast.items("a").length === total);
    expect(fast.items<AlertChange>("a").map(({ id }) => id)).toEqual(Array.from({ length: total }, (_, i) => `c${i}`));
    await until("closed", async () => (await feed.metric('weir_feed_subscriptions{channel="alerts"}')) === 1);
    slow.socket.resume();
    await until("close frame", () => slow.closeCode !== undefined);
    expect(slow.closeCode).toBe(CLOSE_TOO_SLOW);
    await until("counted", async () => (await feed.metric('weir_feed_closed_total{reason="too-slow"}')) === 1);
    // No alert was left out before the close either, and the cursor leads to the rest.
    const got = slow.items<AlertChange>("a").map(({ id }) => id);
    expect(got).toEqual(Array.from({ length: got.length }, (_, i) => `c${i}`));
    expect(got.length).toBeLessThan(total);
    const again = await feed.connect();
    const cursor = slow.cursor("a") ?? "";
    again.send({ type: "subscribe", id: "a", channel: "alerts", cursor });
    await until("the rest", () => again.items("a").length === total - got.length);
    expect(again.items<AlertChange>("a")[0]?.id).toBe(`c${got.length}`);
  });

  it("gets the newest values later, and costs a bounded buffer until then", async () => {
    const feed = await startFeed({ config: { limits: { buffered_size_coalesce: "64KiB" } } });
    const slow = await feed.connect();
    const fast = await feed.connect();
    for (const client of [slow, fast]) client.send({ type: "subscribe", id: "r", channel: "readings", maxHz: 20 });
    await slow.waitFor("snapshot", "r");
    await fast.waitFor("snapshot", "r");
    slow.socket.pause();
    const devices = 200;
    const tags = { site: "north", note: "y".repeat(5_000) };
    let round = 0;
    await until("flushes put off", async () => {
      round++;
      const readings = Array.from({ length: devices }, (_, i) =>
        reading({ atUs: round, device: `d${i}`, value: round, tags }),
      );
      await appendReadings(feed.log, readings);
      return (await feed.metric("weir_feed_conflated_total")) > 5;
    });
    const isNewest = (items: ReadingItem[]) => {
      const newest = new Map(items.map((item) => [item.device, item.value]));
      return newest.size === devices && [...newest.values()].every((value) => value === round);
    };
    await until("the fast one is up to date", () => isNewest(fast.items("r")));
    slow.socket.resume();
    await until("the slow one is up to date", () => isNewest(slow.items("r")));
    expect(slow.closeCode).toBeUndefined();
    expect(slow.items("r").length).toBeLessThan(round * devices);
  });

  it("costs a bounded buffer for a minute of heavy traffic, and does not slow other clients", async () => {
    const feed = await startFeed({ config: { history: { windows_per_series_max: 20 } } });
    const slow = await feed.connect();
    const fast = await feed.connect();
    for (const client of [slow, fast]) client.send({ type: "subscribe", id: "w", channel: "windows", maxHz: 20 });
    await slow.waitFor("snapshot", "w");
    await fast.waitFor("snapshot", "w");
    slow.socket.pause();
    const [devices, rounds] = [500, 240];
    let most = 0;
    const newest = new Map<string, number>();
    let seen = 0;
    const update = () => {
      for (const item of fast.items<WindowResult>("w").slice(seen)) newest.set(item.labels.device ?? "", item.startUs);
      seen = fast.items("w").length;
    };
    // A minute of 2,000 results a second. Each round waits until the fast client has its results.
    for (let round = 1; round <= rounds; round++) {
      const results = Array.from({ length: devices }, (_, i) =>
        windowResult({ startUs: round * 1e6, labels: { device: `d${i}`, site: "north" } }),
      );
      await appendWindows(feed.log, { lastInput: round }, results);
      if (round % 10 !== 0) continue;
      await until("the fast one has it", () => {
        update();
        return newest.size === devices && [...newest.values()].every((startUs) => startUs === round * 1e6);
      });
      most = Math.max(most, await feed.metric("weir_feed_unsent_bytes_most"));
    }
    await until("measured", async () => {
      most = Math.max(most, await feed.metric("weir_feed_unsent_bytes_most"));
      return most > 0;
    });
    console.info(
      `client that does not read: at most ${(most / 1024).toFixed(0)} KiB unsent, ${rounds * devices} results`,
    );
    // The bound plus one frame.
    expect(most).toBeLessThan(2 * 262_144 + 10_000);
    expect(seen).toBe(rounds * devices);
    expect(fast.about("w").some(({ type }) => type === "gap")).toBe(false);
    slow.socket.resume();
    await until("the slow one has the newest", () =>
      slow.items<WindowResult>("w").some(({ startUs, labels }) => startUs === rounds * 1e6 && labels.device === "d499"),
    );
    // A gap reports what was left out.
    expect(slow.about("w").some(({ type }) => type === "gap")).toBe(true);
  });
});
