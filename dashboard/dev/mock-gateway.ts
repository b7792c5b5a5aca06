import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { extname, join, normalize } from "node:path";
import { type WebSocket, WebSocketServer } from "ws";
import { CHANNELS } from "../../contracts/feed/channels.ts";
import {
  type Channel,
  CLOSE_SHUTTING_DOWN,
  CLOSE_UNAUTHORIZED,
  type DeviceItem,
  type Filter,
  type Item,
  type ReadingItem,
  type ServerFrame,
  SUBPROTOCOL,
} from "../../contracts/feed/protocol.ts";
import { globMatches } from "../../domain/glob.ts";
import { deviceKey } from "../../domain/reading.ts";
import { MockApi } from "./mock-api.ts";
import { MockWorld, type WorldOptions } from "./mock-world.ts";
import { WALL_EVERY_MS, Wall } from "./wall.ts";

/** Sends long lists as the real gateway does: the rest follows in updates. */
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

export interface MockOptions {
  readonly pageDir: string;
  readonly port?: number;
  readonly devices?: number;
  /** With zero, only `step` moves the world. */
  readonly stepEveryMs?: number;
  readonly hoursBefore?: number;
  /** The token that clients must show. */
  readonly token?: string;
  readonly rules?: WorldOptions["rules"];
  readonly edit?: WorldOptions["edit"];
  /** Adds a device, `wall`, with this many metrics that change ten times a second. */
  readonly wallMetrics?: number;
  /** More devices in snapshots, with their newest values and no past. */
  readonly moreDevices?: readonly DeviceItem[];
}

interface Subscription {
  readonly id: string;
  readonly channel: Channel;
  readonly filter: Filter;
  /** The newest state of each device, until the client's pace allows sending it. */
  readonly waiting: Map<string, Item>;
  readonly everyMs: number;
  sentAtMs: number;
}

/** Serves the built page and a feed of made-up data, for development of the page and for its tests. */
export async function startMockGateway(options: MockOptions): Promise<MockGateway> {
  const gateway = new MockGateway(options);
  await gateway.start();
  return gateway;
}

export class MockGateway {
  readonly world: MockWorld;
  /** Holds acknowledgements, silences and dead letters. */
  readonly api: MockApi;
  readonly #options: MockOptions;
  readonly #nowUs = () => Date.now() * 1000;
  readonly #wall: Wall | undefined;
  readonly #server: Server;
  readonly #clients = new Map<WebSocket, Map<string, Subscription>>();
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #refusing = false;
  #cursor = 0;

  constructor(options: MockOptions) {
    const { devices = 12, hoursBefore = 24 * 32, wallMetrics, pageDir, token, rules, edit } = options;
    this.#options = options;
    this.world = new MockWorld({
      ...{ devices, hoursBefore, nowUs: this.#nowUs },
      ...(rules === undefined ? {} : { rules }),
      ...(edit === undefined ? {} : { edit }),
    });
    this.#wall = wallMetrics === undefined ? undefined : new Wall(wallMetrics, this.#nowUs);
    this.api = new MockApi(this.world, this.#nowUs, this.#wall);
    this.#server = createServer((request, response) => {
      const known = token === undefined || request.headers.authorization === `Bearer ${token}`;
      void answer({ pageDir, api: this.api, known, request, response });
    });
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => SUBPROTOCOL });
    this.#server.on("upgrade", (request, socket, head) => {
      if (this.#refusing) socket.destroy();
      else sockets.handleUpgrade(request, socket, head, (client) => this.#onClient(client));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${portOf(this.#server)}/`;
  }

  async start(): Promise<void> {
    const { port = 0, stepEveryMs = 1000 } = this.#options;
    await new Promise<void>((listening) => this.#server.listen(port, "127.0.0.1", listening));
    const wall = this.#wall;
    this.#timers.push(setInterval(() => this.send("stats", [this.world.stats()]), 1000));
    if (stepEveryMs > 0) this.#timers.push(setInterval(() => this.step(), stepEveryMs));
    if (wall) this.#timers.push(setInterval(() => this.send("readings", wall.readings()), WALL_EVERY_MS));
  }

  /** Advances event time by an hour and sends what changed to the clients. */
  step(): void {
    const { devices, readings, windows, alerts } = this.world.step();
    this.send("devices", devices);
    this.send("readings", readings);
    this.send("windows", windows);
    if (alerts.length > 0) this.send("alerts", alerts);
  }

  /** Sends items to all subscribers of a channel. */
  send(channel: Channel, items: readonly Item[]): void {
    this.#cursor++;
    for (const [client, subscriptions] of this.#clients) {
      for (const subscription of subscriptions.values()) {
        if (subscription.channel !== channel) continue;
        const matching = items.filter((item) => passes(subscription.filter, item));
        this.#sendUpdates(client, subscription.id, paced(subscription, matching));
      }
    }
  }

  /** Ends all feed connections, and refuses new ones until `reconnect`. */
  disconnect(): void {
    this.#refusing = true;
    for (const client of this.#clients.keys()) client.terminate();
  }

  reconnect(): void {
    this.#refusing = false;
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    for (const client of this.#clients.keys()) client.close(CLOSE_SHUTTING_DOWN);
    for (const client of this.#clients.keys()) client.terminate();
    this.#server.closeAllConnections();
    await new Promise<void>((closed) => this.#server.close(() => closed()));
  }

  #onClient(client: WebSocket): void {
    const subscriptions = new Map<string, Subscription>();
    this.#clients.set(client, subscriptions);
    client.on("message", (data) => this.#onFrame(client, subscriptions, JSON.parse(String(data))));
    client.on("close", () => this.#clients.delete(client));
    if (this.#options.token === undefined) this.#welcome(client);
  }

  #onFrame(client: WebSocket, subscriptions: Map<string, Subscription>, message: unknown): void {
    if (!isRecord(message)) return;
    if (message.type === "auth") {
      if (message.token === this.#options.token) this.#welcome(client);
      else client.close(CLOSE_UNAUTHORIZED);
    } else if (message.type === "unsubscribe") {
      subscriptions.delete(String(message.id));
    } else if (message.type === "subscribe") {
      this.#subscribe(client, subscriptions, message);
    }
  }

  #subscribe(client: WebSocket, subscriptions: Map<string, Subscription>, asked: Record<string, unknown>): void {
    const id = String(asked.id);
    const channel = CHANNELS.find((name) => name === asked.channel);
    if (channel === undefined) return;
    const filter = Object.fromEntries(
      Object.entries(isRecord(asked.filter) ? asked.filter : {}).map(([name, value]) => [
        name,
        [value].flat().map(String),
      ]),
    );
    const everyMs = 1000 / Number(asked.maxHz ?? 4);
    subscriptions.set(id, { id, channel, filter, everyMs, waiting: new Map(), sentAtMs: -Infinity });
    // A client that only changes its pace continues from now: it soon gets the next state of each device.
    if (channel === "devices" && asked.cursor !== undefined) return;
    const items = this.#snapshotOf(channel).filter((item) => passes(filter, item));
    const cursor = String(this.#cursor);
    sendFrame(client, { type: "snapshot", id, cursor, items: items.slice(0, ITEMS_PER_FRAME) });
    this.#sendUpdates(client, id, items.slice(ITEMS_PER_FRAME));
  }

  /** The made-up world's items on a channel; nothing on a channel that the page does not use. */
  #snapshotOf(channel: Channel): readonly Item[] {
    const wall = this.#wall;
    const more = this.#options.moreDevices ?? [];
    const items: Readonly<Partial<Record<Channel, () => readonly Item[]>>> = {
      devices: () => [...this.world.devices(), ...more, ...(wall === undefined ? [] : [wall.device()])],
      readings: () => [...this.world.readings(), ...more.flatMap(readingsOf)],
      alerts: () => this.world.alertStates(),
      stats: () => [this.world.stats()],
      windows: () => this.world.windows(),
    };
    return items[channel]?.() ?? [];
  }

  #sendUpdates(client: WebSocket, id: string, items: readonly Item[]): void {
    for (let i = 0; i < items.length; i += ITEMS_PER_FRAME) {
      const part = items.slice(i, i + ITEMS_PER_FRAME);
      sendFrame(client, { type: "update", id, cursor: String(this.#cursor), items: part });
    }
  }

  #welcome(client: WebSocket): void {
    sendFrame(client, { type: "welcome", protocol: SUBPROTOCOL, serverTimeUs: this.#nowUs(), heartbeatMs: 15_000 });
  }
}

function readingsOf({ device, tags, metrics }: DeviceItem): ReadingItem[] {
  return Object.entries(metrics).map(([metric, { atUs, value }]) => ({ device, tags, metric, atUs, value }));
}

function sendFrame(client: WebSocket, frame: ServerFrame): void {
  client.send(JSON.stringify(frame));
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
  // The real gateway's policy, so that the page cannot start to need more.
  response.setHeader("Content-Security-Policy", policyFor(request.headers.host ?? ""));
  if (url.pathname.startsWith("/api/") || url.pathname === "/readyz") {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString("utf8");
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    const refused = { status: 401, value: { detail: "unknown token" } };
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

/** Sends devices at the client's pace, only the newest state of each. Sends other items at once. */
function paced(subscription: Subscription, items: readonly Item[]): readonly Item[] {
  const { channel, waiting, everyMs } = subscription;
  if (channel !== "devices") return items;
  for (const item of items) waiting.set("device" in item ? deviceKey(item) : "", item);
  if (performance.now() - subscription.sentAtMs < everyMs * PACE_SLACK) return [];
  subscription.sentAtMs = performance.now();
  const due = [...waiting.values()];
  waiting.clear();
  return due;
}

function passes(filter: Filter, item: Item): boolean {
  return Object.entries(filter).every(([name, pattern]) =>
    [pattern].flat().some((one) => globMatches(one, labelOf(item, name) ?? "")),
  );
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
