import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { extname, join, normalize } from "node:path";
import { type WebSocket, WebSocketServer } from "ws";
import { CHANNELS } from "../../contracts/feed/channels.ts";
import {
  type Channel,
  CLOSE_SHUTTING_DOWN,
  CLOSE_UNAUTHORIZED,
  type Filter,
  type Item,
  type ServerFrame,
  SUBPROTOCOL,
} from "../../contracts/feed/protocol.ts";
import { createMockApi, type MockApi } from "./mock-api.ts";
import { createWorld, type MockWorld } from "./mock-world.ts";
import { createWall, WALL, WALL_EVERY_MS } from "./wall.ts";

/** As the real one: a long list goes on in the updates that follow. */
const ITEMS_PER_FRAME = 500;
/** A timer's tick may come a little early. */
const PACE_SLACK = 0.8;

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".map": "application/json",
};

export interface MockGateway {
  readonly url: string;
  readonly world: MockWorld;
  /** What was acknowledged and silenced, and the dead letters. */
  readonly api: MockApi;
  /** Moves event time on by an hour and tells the clients. */
  step(): void;
  /** Sends items to all subscribers of a channel. */
  send(channel: Channel, items: readonly Item[]): void;
  /** Ends all feed connections, and refuses new ones until `reconnect`. */
  disconnect(): void;
  reconnect(): void;
  stop(): Promise<void>;
}

interface Subscription {
  readonly id: string;
  readonly channel: Channel;
  readonly filter: Filter;
  /** The newest state of each device that waits for the pace of the client. */
  readonly waiting: Map<string, Item>;
  readonly everyMs: number;
  sentAtMs: number;
}

/** Serves the built page and a feed of made-up data, for work on the page and for its tests. */
export async function startMockGateway(options: {
  readonly pageDir: string;
  readonly port?: number;
  readonly devices?: number;
  /** Zero leaves all steps to `step`. */
  readonly stepEveryMs?: number;
  readonly hoursBefore?: number;
  /** The token that must be shown. */
  readonly token?: string;
  /** One more device, `wall`, with so many metrics that change ten times a second. */
  readonly wallMetrics?: number;
}): Promise<MockGateway> {
  const nowUs = () => Date.now() * 1000;
  const world = createWorld({ devices: options.devices ?? 12, hoursBefore: options.hoursBefore ?? 24 * 32, nowUs });
  const wall = options.wallMetrics === undefined ? undefined : createWall({ metrics: options.wallMetrics, nowUs });
  const api = createMockApi({
    world: {
      ...world,
      series: (device, ...query) =>
        device === WALL && wall !== undefined ? wall.series(...query) : world.series(device, ...query),
    },
    nowUs,
  });
  const clients = new Map<WebSocket, Map<string, Subscription>>();
  let refusing = false;
  let cursor = 0;

  function frame(socket: WebSocket, message: ServerFrame): void {
    socket.send(JSON.stringify(message));
  }

  function snapshotOf(channel: Channel): readonly Item[] {
    switch (channel) {
      case "devices":
        return wall === undefined ? world.devices() : [...world.devices(), wall.device()];
      case "readings":
        return world.readings();
      case "alerts":
        return world.alertStates();
      case "stats":
        return [world.stats()];
      case "windows":
        return world.windows();
    }
  }

  function send(channel: Channel, items: readonly Item[]): void {
    cursor++;
    for (const [socket, subscriptions] of clients) {
      for (const subscription of subscriptions.values()) {
        if (subscription.channel !== channel) continue;
        const { id, filter } = subscription;
        const matching = paced(
          subscription,
          items.filter((item) => passes(filter, item)),
        );
        for (let i = 0; i < matching.length; i += ITEMS_PER_FRAME) {
          const part = matching.slice(i, i + ITEMS_PER_FRAME);
          frame(socket, { type: "update", id, cursor: String(cursor), items: part });
        }
      }
    }
  }

  function step(): void {
    const { devices, readings, windows, alerts } = world.step();
    send("devices", devices);
    send("readings", readings);
    send("windows", windows);
    if (alerts.length > 0) send("alerts", alerts);
  }

  function onFrame(socket: WebSocket, subscriptions: Map<string, Subscription>, text: string): void {
    const message: unknown = JSON.parse(text);
    if (isRecord(message) && message.type === "auth") {
      if (message.token === options.token) admit(socket);
      else socket.close(CLOSE_UNAUTHORIZED);
      return;
    }
    if (!isRecord(message) || typeof message.id !== "string") return;
    const id = message.id;
    if (message.type === "unsubscribe") subscriptions.delete(id);
    const channel = CHANNELS.find((one) => one === message.channel);
    if (message.type !== "subscribe" || channel === undefined) return;
    const filter: Record<string, string> = {};
    for (const [name, value] of Object.entries(isRecord(message.filter) ? message.filter : {})) {
      filter[name] = String(value);
    }
    const everyMs = 1000 / Number(message.maxHz ?? 4);
    subscriptions.set(id, { id, channel, filter, everyMs, waiting: new Map(), sentAtMs: -Infinity });
    // Whoever asks for another pace goes on from now: the next state of each device is soon there.
    if (channel === "devices" && message.cursor !== undefined) return;
    const items = snapshotOf(channel).filter((item) => passes(filter, item));
    frame(socket, { type: "snapshot", id, cursor: String(cursor), items: items.slice(0, ITEMS_PER_FRAME) });
    for (let i = ITEMS_PER_FRAME; i < items.length; i += ITEMS_PER_FRAME) {
      const part = items.slice(i, i + ITEMS_PER_FRAME);
      frame(socket, { type: "update", id, cursor: String(cursor), items: part });
    }
  }

  function admit(client: WebSocket): void {
    frame(client, { type: "welcome", protocol: SUBPROTOCOL, serverTimeUs: nowUs(), heartbeatMs: 15_000 });
  }

  const server = createServer((request, response) => {
    const known = options.token === undefined || request.headers.authorization === `Bearer ${options.token}`;
    void answer({ pageDir: options.pageDir, api, known, request, response });
  });
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => SUBPROTOCOL });
  server.on("upgrade", (request, socket, head) => {
    if (refusing) {
      socket.destroy();
      return;
    }
    sockets.handleUpgrade(request, socket, head, (client) => {
      const subscriptions = new Map<string, Subscription>();
      clients.set(client, subscriptions);
      client.on("message", (data) => onFrame(client, subscriptions, String(data)));
      client.on("close", () => clients.delete(client));
      if (options.token === undefined) admit(client);
    });
  });
  await new Promise<void>((listening) => server.listen(options.port ?? 0, "127.0.0.1", listening));

  const stepEveryMs = options.stepEveryMs ?? 1000;
  const timers = [setInterval(() => send("stats", [world.stats()]), 1000)];
  if (stepEveryMs > 0) timers.push(setInterval(step, stepEveryMs));
  if (wall !== undefined) timers.push(setInterval(() => send("readings", wall.readings()), WALL_EVERY_MS));

  return {
    url: `http://127.0.0.1:${portOf(server)}/`,
    world,
    api,
    step,
    send,
    disconnect() {
      refusing = true;
      for (const client of clients.keys()) client.terminate();
    },
    reconnect() {
      refusing = false;
    },
    async stop() {
      for (const timer of timers) clearInterval(timer);
      for (const client of clients.keys()) client.close(CLOSE_SHUTTING_DOWN);
      for (const client of clients.keys()) client.terminate();
      server.closeAllConnections();
      await new Promise<void>((closed) => server.close(() => closed()));
    },
  };
}

async function answer(asked: {
  readonly pageDir: string;
  readonly api: MockApi;
  readonly known: boolean;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}): Promise<void> {
  const { pageDir, api, known, request, response } = asked;
  const url = new URL(request.url ?? "/", "http://localhost");
  // As strict as the real one, so that the page cannot come to need more.
  response.setHeader("Content-Security-Policy", policyFor(request.headers.host ?? ""));
  if (url.pathname.startsWith("/api/") || url.pathname === "/readyz") {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString("utf8");
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    const refused = { status: 401, value: { detail: "the token is not known" } };
    const mayAsk = known || url.pathname === "/readyz";
    const { status, value } = mayAsk ? api.answer(request.method ?? "GET", url, body) : refused;
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(value));
    return;
  }
  const path = normalize(url.pathname === "/" ? "/index.html" : url.pathname);
  try {
    const file = await readFile(join(pageDir, path));
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" });
    response.end(file);
  } catch {
    response.writeHead(404);
    response.end("not found");
  }
}

/** Of a device, the newest state is enough; all else goes out as it comes. */
function paced(subscription: Subscription, items: readonly Item[]): readonly Item[] {
  const { channel, waiting, everyMs } = subscription;
  if (channel !== "devices") return items;
  for (const item of items) waiting.set(labelOf(item, "device") ?? "", item);
  if (performance.now() - subscription.sentAtMs < everyMs * PACE_SLACK) return [];
  subscription.sentAtMs = performance.now();
  const due = [...waiting.values()];
  waiting.clear();
  return due;
}

function passes(filter: Filter, item: Item): boolean {
  return Object.entries(filter).every(([name, pattern]) => pattern === "*" || labelOf(item, name) === pattern);
}

function labelOf(item: Item, name: string): string | undefined {
  const labels = "labels" in item ? item.labels : "tags" in item ? item.tags : {};
  if (name === "device" && "device" in item) return item.device;
  if (name === "metric" && "metric" in item) return item.metric;
  if (name === "rule" && "rule" in item) return item.rule;
  return labels[name];
}

function policyFor(host: string): string {
  return (
    `default-src 'self'; connect-src 'self' ws://${host}; img-src 'self' data:; ` +
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'none'"
  );
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
