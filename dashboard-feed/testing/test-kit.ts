import { createHash } from "node:crypto";
import { once } from "node:events";
import pino from "pino";
import { afterEach, vi } from "vitest";
import { WebSocket } from "ws";
import type { z } from "zod";
import { serverFrameSchema } from "../../contracts/feed/frames.ts";
import type { ClientFrame, Item, ServerFrame } from "../../contracts/feed/protocol.ts";
import type { AlertChange, AlertEvent } from "../../domain/alert.ts";
import { FrameWriter } from "../../domain/frame-writer.ts";
import { kindOf, type Reading, type Series, seriesKey } from "../../domain/reading.ts";
import { alertSubject, readingsSubject, windowsSubject } from "../../domain/subjects.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { encodeWindows } from "../../domain/windows-codec.ts";
import { systemClock } from "../../platform/clock.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Appended, Log } from "../../platform/log/port.ts";
import { createMetrics, type Metrics } from "../../platform/metrics.ts";
import { feedConfigSchema } from "../common/config.ts";
import { type DashboardFeed, type FeedDeps, startDashboardFeed } from "../dashboard-feed.ts";
import { described } from "./described-feed.ts";

// For tests of the feed: a feed on a log in memory, clients that check each frame, and entries to append.

const WAIT_MS = 12_000;
vi.setConfig({ testTimeout: 30_000 });

/** Polls until the condition holds; fails after a bound. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS;
  while (!(await isSo())) {
    if (performance.now() > deadlineMs) throw new Error(`still not true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export interface TestFeed {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly feed: DashboardFeed;
  readonly port: number;
  readonly url: string;
  connect(options?: { readonly protocols?: string[]; readonly headers?: Record<string, string> }): Promise<TestClient>;
  /** A sample's value, by name and labels: `weir_feed_clients` or `name{a="b"}`. */
  metric(sample: string): Promise<number>;
  stop(): Promise<void>;
}

export async function startTestFeed(
  options: {
    readonly log?: Log;
    readonly config?: z.input<typeof feedConfigSchema>;
    readonly readiness?: FeedDeps["readiness"];
    readonly env?: FeedDeps["env"];
  } = {},
): Promise<TestFeed> {
  const log = options.log ?? createMemoryLog({ nowUs: systemClock.nowUs });
  const metrics = createMetrics();
  const config = feedConfigSchema.parse({ port: 0, ...options.config });
  const deps = { clock: systemClock, logger: pino({ level: "silent" }), log, metrics };
  const feed = await startDashboardFeed(config, {
    ...deps,
    ...(options.readiness === undefined ? {} : { readiness: options.readiness }),
    env: options.env ?? {},
  });
  const { port } = feed.address;
  const clients: TestClient[] = [];
  return {
    log,
    metrics,
    feed,
    port,
    url: `http://127.0.0.1:${port}`,
    async connect(connectOptions) {
      const client = await TestClient.connect(`ws://127.0.0.1:${port}/feed`, connectOptions);
      clients.push(client);
      return client;
    },
    async metric(sample) {
      const line = (await metrics.registry.metrics()).split("\n").find((each) => each.startsWith(`${sample} `));
      return line === undefined ? 0 : Number(line.slice(sample.length + 1));
    },
    async stop() {
      for (const client of clients) client.socket.terminate();
      await feed.stop();
    },
  };
}

const running: TestFeed[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((feed) => feed.stop()));
});

/** Starts a feed that stops after the test. */
export async function startFeed(options?: Parameters<typeof startTestFeed>[0]): Promise<TestFeed> {
  const feed = await startTestFeed(options);
  running.push(feed);
  return feed;
}

/** Starts a feed that stops after the test, and waits until it is ready. */
export async function startReadyFeed(options?: Parameters<typeof startTestFeed>[0]): Promise<TestFeed> {
  const feed = await startFeed(options);
  await until("ready", () => feed.feed.health().ready);
  return feed;
}

/** A strict client: every frame must match docs/asyncapi.yaml. */
export class TestClient {
  readonly socket: WebSocket;
  readonly frames: ServerFrame[] = [];
  closeCode: number | undefined;

  static async connect(
    url: string,
    options: { readonly protocols?: string[]; readonly headers?: Record<string, string> } = {},
  ): Promise<TestClient> {
    const client = new TestClient(new WebSocket(url, options.protocols ?? ["weir.v1"], { headers: options.headers }));
    await once(client.socket, "open");
    return client;
  }

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data) => {
      const frame: unknown = JSON.parse(data.toString());
      described.check("send", frame);
      this.frames.push(serverFrameSchema.parse(frame));
    });
    socket.on("close", (code) => {
      this.closeCode = code;
    });
    socket.on("error", () => {});
  }

  send(frame: ClientFrame): void {
    described.check("receive", frame);
    this.socket.send(JSON.stringify(frame));
  }

  /** Frames about a subscription. */
  about(id: string): ServerFrame[] {
    return this.frames.filter((frame) => "id" in frame && frame.id === id);
  }

  async waitFor<T extends ServerFrame["type"]>(type: T, id?: string): Promise<Extract<ServerFrame, { type: T }>> {
    const isIt = (frame: ServerFrame): frame is Extract<ServerFrame, { type: T }> =>
      frame.type === type && (id === undefined || ("id" in frame && frame.id === id));
    await until(`${type} ${id ?? ""}`, () => this.frames.some(isIt));
    const found = this.frames.find(isIt);
    if (found === undefined) throw new Error(`${type} is gone again`);
    return found;
  }

  /** All items of a subscription's snapshot and updates, in order of arrival. */
  items<T extends Item>(id: string): T[] {
    return this.about(id).flatMap((frame) => ("items" in frame ? (frame.items as readonly T[]) : []));
  }

  /** A subscription's newest cursor. */
  cursor(id: string): string | undefined {
    const last = this.about(id).findLast((frame) => frame.type === "snapshot" || frame.type === "update");
    return last !== undefined && "cursor" in last ? last.cursor : undefined;
  }

  async close(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    this.socket.terminate();
    await once(this.socket, "close");
  }
}

export function reading(about: Partial<Reading> & { readonly atUs: number }): Reading {
  return { device: "cold-1", metric: "temperature", tags: { site: "north" }, value: 5, ...about };
}

const writer = new FrameWriter();
const seriesObjects = new Map<string, Series>();

export async function appendReadings(
  log: Log,
  readings: readonly Reading[],
  options: { readonly partition?: number; readonly receivedAtUs?: number; readonly clockAhead?: boolean } = {},
): Promise<Appended> {
  const { partition = 0, receivedAtUs = 1_763_769_600_000_000, clockAhead = false } = options;
  for (const { device, metric, tags, atUs, value } of readings) {
    const series = { device, metric, tags, kind: kindOf(value) };
    const key = seriesKey(series);
    const known = seriesObjects.get(key) ?? series;
    seriesObjects.set(key, known);
    writer.add(known, atUs, value, clockAhead);
  }
  return log.append({ subject: readingsSubject(partition), payload: writer.finish(receivedAtUs) });
}

export function windowResult(about: Partial<WindowResult> & { readonly startUs: number }): WindowResult {
  return {
    rule: "cold-room-warm",
    labels: { device: "cold-1", site: "north" },
    endUs: about.startUs + 60_000_000,
    revision: 0,
    aggregates: { avg: 5 },
    ...about,
  };
}

export async function appendWindows(
  log: Log,
  frame: { readonly lastInput: number; readonly partition?: number; readonly part?: number; readonly parts?: number },
  results: readonly WindowResult[],
): Promise<Appended> {
  const { partition = 0, lastInput, part = 0, parts = 1 } = frame;
  const payload = encodeWindows({ partition, firstInput: lastInput, lastInput, part, parts, results });
  return log.append({ subject: windowsSubject(partition), payload });
}

let alertNumber = 0;

export function alertChange(about: Partial<AlertChange> = {}): AlertChange {
  alertNumber++;
  const device = about.key?.device ?? "cold-1";
  return {
    id: `change-${alertNumber}`,
    incident: `incident-of-${about.rule ?? "cold-room-warm"}-${device}`,
    rule: "cold-room-warm",
    severity: "critical",
    from: "inactive",
    state: "firing",
    key: { device },
    labels: { device, site: "north" },
    annotations: { summary: `${device} is warm` },
    atUs: 1_763_769_600_000_000 + alertNumber,
    processedAtUs: 1_763_769_600_000_000 + alertNumber,
    activeAtUs: 1_763_769_600_000_000,
    value: alertNumber,
    notify: [],
    evidence: {
      window: { startUs: 1_763_769_540_000_000, endUs: 1_763_769_600_000_000 },
      aggregate: "avg",
      value: alertNumber,
      condition: "> 8",
      watermarkUs: 1_763_769_600_000_000,
      input: { partition: 0, sequence: alertNumber },
    },
    ...about,
  };
}

export async function appendAlert(log: Log, change: AlertChange): Promise<Appended> {
  return log.append(alertMessage(change));
}

export function alertMessage(change: AlertChange): { readonly subject: string; readonly payload: Uint8Array } {
  const event: AlertEvent = {
    specversion: "1.0",
    id: change.id,
    source: "weir/rules",
    type: "weir.alert.v1",
    subject: change.rule,
    time: "2025-11-22T00:00:00Z",
    datacontenttype: "application/json",
    data: change,
  };
  const subject = alertSubject(change.rule, String(change.key.device));
  return { subject, payload: new TextEncoder().encode(JSON.stringify(event)) };
}

/** A token for the configuration, with the secret that a client sends. */
export function tokenFor(
  about: Omit<NonNullable<z.input<typeof feedConfigSchema>["tokens"]>[number], "sha256" | "token_env" | "token_file">,
): { readonly config: NonNullable<z.input<typeof feedConfigSchema>["tokens"]>[number]; readonly secret: string } {
  const secret = `the-secret-of-${about.name}`;
  return { secret, config: { ...about, sha256: createHash("sha256").update(secret).digest("hex") } };
}
