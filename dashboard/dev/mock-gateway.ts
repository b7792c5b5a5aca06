import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { extname, join, normalize } from "node:path";
import { type WebSocket, WebSocketServer } from "ws";
import {
  CHANNELS,
  type Channel,
  CLOSE_SHUTTING_DOWN,
  type Filter,
  type Item,
  type ServerFrame,
  SUBPROTOCOL,
} from "../../dashboard-feed/protocol.ts";
import { createWorld, type MockWorld } from "./mock-world.ts";

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
}

/** Serves the built page and a feed of made-up data, for work on the page and for its tests. */
export async function startMockGateway(options: {
  readonly pageDir: string;
  readonly port?: number;
  readonly devices?: number;
  /** Zero leaves all steps to `step`. */
  readonly stepEveryMs?: number;
  readonly hoursBefore?: number;
}): Promise<MockGateway> {
  const nowUs = () => Date.now() * 1000;
  const world = createWorld({ devices: options.devices ?? 12, hoursBefore: options.hoursBefore ?? 24 * 32, nowUs });
  const clients = new Map<WebSocket, Map<string, Subscription>>();
  let refusing = false;
  let cursor = 0;

  function frame(socket: WebSocket, message: ServerFrame): void {
    socket.send(JSON.stringify(message));
  }

  function snapshotOf(channel: Channel): readonly Item[] {
    switch (channel) {
      case "devices":
        return world.devices();
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
      for (const { id, channel: wanted, filter } of subscriptions.values()) {
        if (wanted !== channel) continue;
        const matching = items.filter((item) => passes(filter, item));
        if (matching.length > 0) frame(socket, { type: "update", id, cursor: String(cursor), items: matching });
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
    if (!isRecord(message) || typeof message.id !== "string") return;
    const id = message.id;
    if (message.type === "unsubscribe") subscriptions.delete(id);
    const channel = CHANNELS.find((one) => one === message.channel);
    if (message.type !== "subscribe" || channel === undefined) return;
    const filter: Record<string, string> = {};
    for (const [name, value] of Object.entries(isRecord(message.filter) ? message.filter : {})) {
      filter[name] = String(value);
    }
    subscriptions.set(id, { id, channel, filter });
    const items = snapshotOf(channel).filter((item) => passes(filter, item));
    frame(socket, { type: "snapshot", id, cursor: String(cursor), items });
  }

  const server = createServer((request, response) => void answer(options.pageDir, world, request, response));
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
      frame(client, { type: "welcome", protocol: SUBPROTOCOL, serverTimeUs: nowUs(), heartbeatMs: 15_000 });
    });
  });
  await new Promise<void>((listening) => server.listen(options.port ?? 0, "127.0.0.1", listening));

  const stepEveryMs = options.stepEveryMs ?? 1000;
  const timers = [setInterval(() => send("stats", [world.stats()]), 1000)];
  if (stepEveryMs > 0) timers.push(setInterval(step, stepEveryMs));

  return {
    url: `http://127.0.0.1:${portOf(server)}/`,
    world,
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

async function answer(
  pageDir: string,
  world: MockWorld,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const query = (name: string) => url.searchParams.get(name) ?? "";
  // As strict as the real one, so that the page cannot come to need more.
  response.setHeader("Content-Security-Policy", policyFor(request.headers.host ?? ""));
  const json = (value: unknown) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(value));
  };
  switch (url.pathname) {
    case "/api/v1/series": {
      const [fromUs, toUs, points] = [Number(query("from")), Number(query("to")), Number(query("points"))];
      return json(world.series(query("device"), query("metric"), fromUs, toUs, points));
    }
    case "/api/v1/alerts":
      return json({ alerts: world.alertChanges(Number(query("limit")) || 200) });
    case "/api/v1/devices":
      return json({ total: world.devices().length, devices: world.devices() });
    case "/api/v1/rules":
      return json({ version: "made-up", sequence: 1, rules: world.rules() });
    case "/readyz":
      return json({ ready: true });
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

function passes(filter: Filter, item: Item): boolean {
  return Object.entries(filter).every(([name, pattern]) => pattern === "*" || labelOf(item, name) === pattern);
}

function labelOf(item: Item, name: string): string | undefined {
  const labels = "labels" in item ? item.labels : "tags" in item ? item.tags : {};
  if (name === "device" && "device" in item) return item.device;
  if (name === "metric" && "metric" in item) return item.metric;
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
