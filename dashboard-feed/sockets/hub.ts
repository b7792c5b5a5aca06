import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { StreamName } from "../../domain/subjects.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Log } from "../../platform/log/port.ts";
import { type Access, offeredProtocols } from "../access.ts";
import type { FeedConfig } from "../config.ts";
import type { FeedEvents } from "../events.ts";
import { type CompiledFilter, compileFilter } from "../filter.ts";
import { type Channel, type ClientFrame, SUBPROTOCOL } from "../protocol.ts";
import type { Matches } from "../views/view.ts";
import type { Views } from "../views/views.ts";
import { AlertSubscription } from "./alert-subscription.ts";
import { Connection } from "./connection.ts";
import type { Outlet, Subscription } from "./outlet.ts";
import { SharedFrames } from "./shared-frames.ts";
import { StateSubscription } from "./state-subscription.ts";

const TICK_MS = 50;
const TICKS_PER_SECOND = 1000 / TICK_MS;
const GREET_TICKS = 15 * TICKS_PER_SECOND;
const PING_TICKS = 30 * TICKS_PER_SECOND;
const DEFAULT_HZ = 4;
const STOP_PATIENCE_MS = 2_000;
/** Answers of filters are kept for so many filters. */
const MATCHERS_MAX = 2_000;

const STREAM_OF: Readonly<Record<Exclude<Channel, "stats">, StreamName>> = {
  windows: "WINDOWS",
  alerts: "ALERTS",
  readings: "READINGS",
  devices: "READINGS",
};

export interface HubOptions {
  readonly config: FeedConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly views: Views;
  readonly access: Access;
  readonly events: FeedEvents;
}

/** All WebSocket clients: takes them in, and lets each send what is due, 20 times a second. */
export class Hub {
  readonly #options: HubOptions;
  readonly #server: WebSocketServer;
  readonly #connections = new Set<Connection>();
  readonly #shared = new SharedFrames();
  readonly #matchers = new Map<string, Matches>();
  #timer: NodeJS.Timeout | undefined;
  #tick = 0;
  #stopping = false;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.config.limits.frameBytesMax,
      handleProtocols: () => SUBPROTOCOL,
    });
  }

  start(): void {
    this.#timer = setInterval(() => this.#turn(), TICK_MS);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#timer);
    for (const connection of this.#connections) connection.close("shutting-down");
    const deadlineMs = performance.now() + STOP_PATIENCE_MS;
    while (this.#connections.size > 0 && performance.now() < deadlineMs) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const connection of this.#connections) connection.terminate();
    this.#server.close();
  }

  /** Answers a request to upgrade to a WebSocket. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const remote = request.socket.remoteAddress ?? "";
    // Between here and the handshake an error would otherwise end the process.
    socket.on("error", () => {});
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) {
      this.#options.events.clientRefused(refusal.reason, remote);
      refuse(socket, refusal.status, refusal.reason);
      return;
    }
    const grant = this.#options.access.grantOf(request);
    if (grant === undefined) {
      this.#options.events.clientRefused("token", remote);
      refuse(socket, "401 Unauthorized", "token", 'WWW-Authenticate: Bearer realm="weir"\r\n');
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      const { config, events, clock } = this.#options;
      const connection = new Connection({
        socket: webSocket,
        remote,
        grant,
        limits: config.limits,
        events,
        subscribe: (frame, outlet) => this.#subscribe(frame, outlet),
        tick: () => this.#tick,
        onClosed: (closed) => this.#connections.delete(closed),
      });
      this.#connections.add(connection);
      events.clientConnected(remote);
      connection.start(clock.nowUs());
    });
  }

  #refusalOf(request: IncomingMessage): { readonly status: string; readonly reason: string } | undefined {
    const { access, config } = this.#options;
    const path = (request.url ?? "").split("?")[0];
    if (path !== "/feed") return { status: "404 Not Found", reason: "path" };
    if (!access.hostAllowed(request)) return { status: "403 Forbidden", reason: "host" };
    if (!access.originAllowed(request)) return { status: "403 Forbidden", reason: "origin" };
    const offered = offeredProtocols(request);
    if (offered.length > 0 && !offered.includes(SUBPROTOCOL)) {
      return { status: "400 Bad Request", reason: "subprotocol" };
    }
    if (this.#stopping || this.#connections.size >= config.limits.clientsMax) {
      return { status: "503 Service Unavailable", reason: "clients" };
    }
    return undefined;
  }

  /** New alert changes are in the view. */
  alertsChanged(): void {
    for (const connection of this.#connections) connection.pumpAlerts(this.#tick);
  }

  #turn(): void {
    this.#tick++;
    this.#shared.clear();
    const greet = this.#tick % GREET_TICKS === 0;
    const ping = this.#tick % PING_TICKS === 0;
    const nowUs = greet ? this.#options.clock.nowUs() : 0;
    for (const connection of this.#connections) {
      connection.pump(this.#tick);
      if (greet) connection.greet(nowUs);
      if (ping) connection.ping();
    }
  }

  #subscribe(frame: Extract<ClientFrame, { type: "subscribe" }>, outlet: Outlet): Subscription {
    const { config, events, log, views } = this.#options;
    const { id, channel, cursor, maxHz } = frame;
    const filter = compileFilter(frame.filter ?? {});
    const base = {
      id,
      ...(cursor === undefined ? {} : { cursor }),
      outlet,
      limits: config.limits,
      events,
      logReached: async (sequence: number) =>
        channel !== "stats" && (await log.bounds(STREAM_OF[channel])).lastSequence >= sequence,
    };
    return channel === "alerts"
      ? new AlertSubscription({ ...base, channel, log, view: views.alerts, filter, nowMs: () => performance.now() })
      : new StateSubscription({
          ...base,
          channel,
          view: views[channel],
          filterKey: filter.key,
          matches: this.#matcher(channel, filter),
          shared: this.#shared,
          everyTicks: Math.max(1, Math.round(TICKS_PER_SECOND / (maxHz ?? DEFAULT_HZ))),
          missedSince: (position) => views.missedSince(channel, position),
          snapshotAlways: channel === "stats",
        });
  }

  /** One for all clients with this filter, since it remembers its answers. */
  #matcher(channel: Exclude<Channel, "alerts">, filter: CompiledFilter): Matches {
    const key = `${channel} ${filter.key}`;
    let matches = this.#matchers.get(key);
    if (matches === undefined) {
      matches = this.#options.views[channel].matcher(filter);
      this.#matchers.set(key, matches);
      const [oldest] = this.#matchers.keys();
      if (this.#matchers.size > MATCHERS_MAX && oldest !== undefined) this.#matchers.delete(oldest);
    }
    return matches;
  }
}

function refuse(socket: Duplex, status: string, reason: string, headers = ""): void {
  const body = JSON.stringify({ error: { code: reason, message: REFUSALS[reason] ?? reason } });
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\n${headers}` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const REFUSALS: Readonly<Record<string, string>> = {
  path: "the feed is at /feed",
  host: "this server is not known by that name",
  origin: "pages of this origin may not connect; see allowedOrigins",
  subprotocol: `the subprotocol is ${SUBPROTOCOL}`,
  clients: "there are too many clients; try again later",
  token: "a bearer token is needed",
};
