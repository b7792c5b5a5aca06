import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import {
  alertChange,
  appendAlert,
  appendWindows,
  startTestFeed,
  until,
  windowResult,
} from "../../dashboard-feed/testing/test-kit.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { type WindowResult, windowKey } from "../../domain/window-result.ts";
import { systemClock } from "../../platform/clock.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { createFeedClient } from "./feed-client.ts";

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const CUTS = 50;
const DEVICES = 20;

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

/** A proxy to the feed that breaks connections, sometimes in the middle of a frame. */
async function brokenWay(options: { target: number; random: () => number; mayCut: () => boolean }) {
  const { target, random, mayCut } = options;
  const open = new Set<Socket>();
  let cuts = 0;
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    let left = 500 + Math.floor(random() * 6_000);
    function cut(): void {
      near.destroy();
      far.destroy();
    }
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        open.delete(socket);
        cut();
      });
    }
    near.on("data", (chunk) => far.write(chunk));
    far.on("data", (chunk) => {
      left -= chunk.length;
      if (left > 0 || !mayCut() || cuts >= CUTS) {
        near.write(chunk);
        return;
      }
      cuts++;
      near.write(chunk.subarray(0, Math.floor(random() * chunk.length)), cut);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(async () => {
    for (const socket of open) socket.destroy();
    server.close();
    await once(server, "close");
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, cuts: () => cuts };
}

interface Seen {
  readonly alerts: string[];
  readonly windows: Map<string, string>;
  readonly updates: Set<string>;
  repeats: number;
  gaps: number;
  snapshots: number;
}

function tellingOf({ revision, endUs, aggregates }: WindowResult): string {
  return `${revision} ${endUs} ${aggregates.avg}`;
}

function watch(port: number): Seen {
  const seen: Seen = { alerts: [], windows: new Map(), updates: new Set(), repeats: 0, gaps: 0, snapshots: 0 };
  const client = createFeedClient({
    url: `ws://127.0.0.1:${port}/feed`,
    WebSocket,
    backoff: { firstMs: 5, maxMs: 20 },
  });
  ends.push(() => client.close());
  const onGap = () => seen.gaps++;
  const takeAlerts = (items: readonly AlertChange[]) => seen.alerts.push(...items.map(({ id }) => id));
  const takeWindows = (items: readonly WindowResult[]) => {
    for (const item of items) {
      const key = `${windowKey(item)} ${item.startUs}`;
      const telling = `${key} ${item.revision}`;
      if (seen.updates.has(telling)) seen.repeats++;
      seen.updates.add(telling);
      seen.windows.set(key, tellingOf(item));
    }
  };
  const onSnapshot = () => seen.snapshots++;
  client.subscribe(
    { channel: "alerts" },
    {
      onGap,
      onUpdate: takeAlerts,
      onSnapshot(items) {
        onSnapshot();
        takeAlerts(items);
      },
    },
  );
  client.subscribe(
    { channel: "windows", maxHz: 20 },
    {
      onGap,
      onUpdate: takeWindows,
      onSnapshot(items) {
        onSnapshot();
        takeWindows(items);
      },
    },
  );
  return seen;
}

describe("a client whose connection breaks fifty times", () => {
  it.each([11, 12])(
    "ends with exactly what an undisturbed client has, and what the log has (seed %i)",
    async (seed) => {
      const random = randomOf(seed);
      const log = createMemoryLog({ nowUs: systemClock.nowUs });
      const first = await startTestFeed({ log });
      const { port } = first;
      let feed = first;
      ends.push(() => feed.stop());
      const way = await brokenWay({ target: port, random, mayCut: () => true });
      const steady = watch(port);
      const broken = watch(way.port);
      await until("begun", () => steady.snapshots === 2 && broken.snapshots >= 2);

      const alerts: string[] = [];
      const windows = new Map<string, string>();
      let restarts = 0;
      for (let step = 1; way.cuts() < CUTS; step++) {
        const device = `d${Math.floor(random() * DEVICES)}`;
        const change = alertChange({ id: `change-${seed}-${step}`, incident: `incident-${step}`, key: { device } });
        await appendAlert(log, change);
        alerts.push(change.id);
        // One window on time, and one corrected late.
        const results = [step, Math.max(1, step - Math.floor(random() * 20))].map((minute, late) =>
          windowResult({
            startUs: minute * 60e6,
            revision: late * step,
            labels: { device },
            aggregates: { avg: random() },
          }),
        );
        await appendWindows(log, { lastInput: step }, results);
        for (const result of results) windows.set(`${windowKey(result)} ${result.startUs}`, tellingOf(result));
        if (random() < 0.5) await new Promise((resolve) => setTimeout(resolve, Math.floor(random() * 6)));
        // The feed restarts, too: cursors are positions in the log, not in a process.
        if (restarts < 2 && way.cuts() >= (restarts + 1) * 15) {
          restarts++;
          await feed.stop();
          feed = await startTestFeed({ log, config: { port } });
        }
      }
      expect(restarts).toBe(2);
      for (const seen of [steady, broken]) {
        await until("the last alert", () => seen.alerts.at(-1) === alerts.at(-1));
        await until("the last window", () => seen.windows.size === windows.size);
        await until("the last revisions", () => [...windows].every(([key, text]) => seen.windows.get(key) === text));
        expect(seen.alerts).toEqual(alerts);
        expect(seen).toMatchObject({ repeats: 0, gaps: 0 });
      }
      expect(new Map([...broken.windows].sort())).toEqual(new Map([...steady.windows].sort()));
      expect(way.cuts()).toBe(CUTS);
    },
  );
});
