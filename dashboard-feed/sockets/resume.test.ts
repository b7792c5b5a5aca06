import { describe, expect, it } from "vitest";
import type { Channel, Item, ReadingItem } from "../../contracts/feed/protocol.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { type WindowResult, windowKey } from "../../domain/window-result.ts";
import { systemClock } from "../../platform/clock.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import {
  alertChange,
  appendAlert,
  appendReadings,
  appendWindows,
  reading,
  startFeed,
  type TestClient,
  type TestFeed,
  until,
  windowResult,
} from "../testing/test-kit.ts";

/** A cursor in the feed's own log. */
async function cursorAt(feed: TestFeed, channel: Channel, place: string): Promise<string> {
  await until("ready", () => feed.feed.health().ready);
  const record = await feed.log.records.get("feed-log-id");
  return `${channel}:${new TextDecoder().decode(record?.value)}.${place}`;
}

function subscribe(client: TestClient, channel: Channel, cursor?: string): void {
  client.send({ type: "subscribe", id: channel, channel, maxHz: 20, ...(cursor === undefined ? {} : { cursor }) });
}

/** Pseudorandom numbers, the same in every run (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe("resuming from a cursor", () => {
  it.each([1, 2, 3])(
    "gives the same as to an undisturbed client, whenever the connection breaks (seed %i)",
    async (seed) => {
      const random = randomOf(seed);
      // The view keeps few changes, so a returning client often needs the log.
      const feed = await startFeed({ config: { history: { alert_changes_max: 8 } } });
      const undisturbed = await feed.connect();
      const channels = ["alerts", "windows", "readings"] as const;
      for (const channel of channels) subscribe(undisturbed, channel);
      await until("snapshots", () => channels.every((channel) => undisturbed.about(channel).length > 0));

      const steps = 300;
      let written = 0;
      const writing = (async () => {
        for (; written < steps; written++) {
          const device = `d${Math.floor(random() * 9)}`;
          await appendAlert(feed.log, alertChange({ incident: `incident-${written}`, key: { device } }));
          await appendWindows(feed.log, { lastInput: written + 1 }, [
            windowResult({ startUs: Math.floor(random() * 40) * 60e6, revision: written, labels: { device } }),
            windowResult({ startUs: written * 60e6, revision: written, labels: { device: "other" } }),
          ]);
          await appendReadings(feed.log, [reading({ atUs: written + 1, device, value: written })]);
          if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, Math.floor(random() * 10)));
        }
      })();

      const seen: Record<string, Item[]> = { alerts: [], windows: [], readings: [] };
      const cursors = new Map<string, string>();
      let connections = 0;
      for (let done = false; !done; connections++) {
        done = written >= steps;
        const client = await feed.connect();
        for (const channel of channels) subscribe(client, channel, cursors.get(channel));
        if (done) {
          const last = undisturbed.items<AlertChange>("alerts").at(-1)?.id;
          await writing;
          const arrived = () => [...(seen.alerts ?? []), ...client.items("alerts")] as AlertChange[];
          await until("the last alert", () => arrived().at(-1)?.id === last);
          await until("windows", () => client.cursor("windows") === undisturbed.cursor("windows"));
          await until("readings", () => client.cursor("readings") === undisturbed.cursor("readings"));
        } else {
          await new Promise((resolve) => setTimeout(resolve, Math.floor(random() * 80)));
        }
        await client.close();
        for (const channel of channels) {
          expect(client.about(channel).filter((frame) => frame.type === "gap" || frame.type === "error")).toEqual([]);
          seen[channel]?.push(...client.items(channel));
          const cursor = client.cursor(channel);
          if (cursor !== undefined) cursors.set(channel, cursor);
        }
        await new Promise((resolve) => setTimeout(resolve, Math.floor(random() * 60)));
      }

      expect(connections).toBeGreaterThan(3);
      expect((seen.alerts as AlertChange[]).map(({ id }) => id)).toEqual(
        undisturbed.items<AlertChange>("alerts").map(({ id }) => id),
      );
      expect(undisturbed.items("alerts")).toHaveLength(steps);
      expect(newestWindows(seen.windows as WindowResult[])).toEqual(
        newestWindows(undisturbed.items<WindowResult>("windows")),
      );
      expect(newestReadings(seen.readings as ReadingItem[])).toEqual(
        newestReadings(undisturbed.items<ReadingItem>("readings")),
      );
      expect(await feed.metric('weir_feed_gaps_total{channel="alerts"}')).toBe(0);
    },
    20_000,
  );

  it("says at once that nothing was missed", async () => {
    const feed = await startFeed();
    await appendAlert(feed.log, alertChange());
    await appendReadings(feed.log, [reading({ atUs: 1 })]);
    const first = await feed.connect();
    subscribe(first, "alerts");
    subscribe(first, "readings");
    await until("snapshots", () => first.items("alerts").length + first.items("readings").length === 2);
    const again = await feed.connect();
    subscribe(again, "alerts", first.cursor("alerts"));
    subscribe(again, "readings", first.cursor("readings"));
    expect(await again.waitFor("update", "alerts")).toEqual({
      type: "update",
      id: "alerts",
      cursor: first.cursor("alerts"),
      items: [],
    });
    expect((await again.waitFor("update", "readings")).items).toEqual([]);
  });

  it("works on another feed of the same log, and after a restart", async () => {
    const log = createMemoryLog({ nowUs: systemClock.nowUs });
    for (let i = 0; i < 30; i++) {
      await appendAlert(log, alertChange({ id: `old-${i}` }));
      await appendReadings(log, [reading({ atUs: i })]);
    }
    const one = await startFeed({ log });
    const client = await one.connect();
    subscribe(client, "alerts");
    subscribe(client, "readings");
    await until("all", () => client.items("alerts").length === 30 && client.items("readings").length === 1);
    await client.close();
    for (let i = 0; i < 10; i++) await appendAlert(log, alertChange({ id: `new-${i}` }));
    await appendReadings(log, [reading({ atUs: 100, value: 100 })]);
    const two = await startFeed({ log, config: { history: { lookback_entries_max: 3 } } });
    await until("ready", () => two.feed.health().ready);
    await appendAlert(log, alertChange({ id: "live" }));
    const resumed = await two.connect();
    subscribe(resumed, "alerts", client.cursor("alerts"));
    subscribe(resumed, "readings", client.cursor("readings"));
    await until("all", () => resumed.items<AlertChange>("alerts").at(-1)?.id === "live");
    expect(resumed.items<AlertChange>("alerts").map(({ id }) => id)).toEqual([
      ...Array.from({ length: 10 }, (_, i) => `new-${i}`),
      "live",
    ]);
    await until("the reading", () => resumed.items("readings").length === 1);
    expect(resumed.items<ReadingItem>("readings")[0]?.value).toBe(100);
    expect(resumed.frames.some((frame) => frame.type === "gap" || frame.type === "snapshot")).toBe(false);
  });

  it("sends a gap and starts over when the log no longer holds what was missed", async () => {
    const log = createMemoryLog({ nowUs: systemClock.nowUs, messagesMax: 20 });
    const feed = await startFeed({ log, config: { history: { alert_changes_max: 10 } } });
    const client = await feed.connect();
    subscribe(client, "alerts");
    await client.waitFor("snapshot", "alerts");
    await appendAlert(log, alertChange());
    await until("one", () => client.items("alerts").length === 1);
    for (let i = 0; i < 60; i++) {
      await appendAlert(log, alertChange({ incident: `incident-${i}` }));
      // The log is very short: the feed itself would miss changes that are appended all at once.
      if (i % 5 === 4) await until("these", () => client.items("alerts").length === i + 2);
    }

    const late = await feed.connect();
    subscribe(late, "alerts", await cursorAt(feed, "alerts", "1.65535"));
    const gap = await late.waitFor("gap", "alerts");
    const { firstSequence } = await log.bounds("ALERTS");
    expect(gap.missed).toBeGreaterThanOrEqual(firstSequence - 2);
    expect((await late.waitFor("snapshot", "alerts")).items.length).toBeGreaterThan(50);
    expect(late.about("alerts").map(({ type }) => type)).toEqual(["gap", "snapshot"]);
  });

  it.each([
    ["from the future", "readings", "999.0"],
    ["of another channel", "alerts", "1.0"],
    ["made up", "readings", "1.0; drop table"],
  ] as const)("answers a cursor %s with a gap and a snapshot", async (_, channel, place) => {
    const feed = await startFeed();
    await appendReadings(feed.log, [reading({ atUs: 1 })]);
    const client = await feed.connect();
    subscribe(client, "readings", await cursorAt(feed, channel, place));
    expect((await client.waitFor("gap", "readings")).missed).toBe(-1);
    expect((await client.waitFor("snapshot", "readings")).items).toHaveLength(1);
  });

  it("does not accept a deleted log's cursor for the present log", async () => {
    const before = await startFeed();
    for (let i = 0; i < 3; i++) await appendAlert(before.log, alertChange({ id: `before-${i}` }));
    const client = await before.connect();
    subscribe(client, "alerts");
    await until("all", () => client.items("alerts").length === 3);
    // Another log, already longer than the first.
    const after = await startFeed();
    for (let i = 0; i < 5; i++) await appendAlert(after.log, alertChange({ id: `after-${i}` }));
    const again = await after.connect();
    subscribe(again, "alerts", client.cursor("alerts"));
    expect((await again.waitFor("gap", "alerts")).missed).toBe(-1);
    await until("all", () => again.items("alerts").length === 5);
  });

  it("sends a gap for matching windows that were dropped before they could be sent, and continues", async () => {
    const feed = await startFeed({ config: { history: { windows_per_series_max: 3 } } });
    const all = (device: string, starts: number[]) =>
      starts.map((start) => windowResult({ startUs: start * 60e6, labels: { device } }));
    await appendWindows(feed.log, { lastInput: 1 }, [...all("back", [1]), ...all("calm", [1])]);
    const client = await feed.connect();
    client.send({ type: "subscribe", id: "back", channel: "windows", filter: { device: "back" } });
    client.send({ type: "subscribe", id: "calm", channel: "windows", filter: { device: "calm" } });
    await client.waitFor("snapshot", "back");
    await client.waitFor("snapshot", "calm");
    await client.close();
    // A device that reconnects and sends everything it measured meanwhile.
    await appendWindows(feed.log, { lastInput: 2 }, [...all("back", [2, 3, 4, 5, 6]), ...all("calm", [2])]);
    const again = await feed.connect();
    for (const id of ["back", "calm"]) {
      const cursor = client.cursor(id) ?? "";
      again.send({ type: "subscribe", id, channel: "windows", filter: { device: id }, cursor, maxHz: 20 });
    }
    await until("both", () => again.items("back").length === 3 && again.items("calm").length === 1);
    expect(again.about("back").map((frame) => [frame.type, "missed" in frame ? frame.missed : 0])).toEqual([
      ["gap", 2],
      ["update", 0],
    ]);
    expect(again.about("calm").map(({ type }) => type)).toEqual(["update"]);
    // A client that stays connected gets the gap, too.
    await appendWindows(feed.log, { lastInput: 3 }, all("back", [7, 8, 9, 10, 11]));
    await until("live", () => again.items("back").length === 6);
    expect(again.about("back").map((frame) => ("missed" in frame ? frame.missed : frame.type))).toEqual([
      2,
      "update",
      2,
      "update",
    ]);
    expect(again.items<WindowResult>("back").map(({ startUs }) => startUs / 60e6)).toEqual([4, 5, 6, 9, 10, 11]);
    expect(again.about("calm")).toHaveLength(1);
  });

  it("counts what was missed when a view begins after the cursor", async () => {
    const log = createMemoryLog({ nowUs: systemClock.nowUs });
    for (let i = 0; i < 50; i++) await appendReadings(log, [reading({ atUs: i })]);
    const feed = await startFeed({ log, config: { history: { lookback_entries_max: 10 } } });
    const client = await feed.connect();
    subscribe(client, "readings", await cursorAt(feed, "readings", "20.65535"));
    // 41 to 50 are read back; 21 to 40 are not.
    expect((await client.waitFor("gap", "readings")).missed).toBe(20);
  });
});

function newestWindows(results: readonly WindowResult[]): Map<string, number> {
  const newest = new Map<string, number>();
  for (const result of results) {
    const key = `${windowKey(result)} ${result.startUs}`;
    newest.set(key, Math.max(newest.get(key) ?? 0, result.revision));
  }
  return new Map([...newest].sort());
}

function newestReadings(items: readonly ReadingItem[]): Map<string, unknown> {
  const newest = new Map<string, ReadingItem>();
  for (const item of items) newest.set(item.device, item);
  return new Map([...newest].sort());
}
