import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { CHANNEL_KINDS, isDeliveredAs } from "../../contracts/feed/channels.ts";
import { type ClientFrame, SUBPROTOCOL } from "../../contracts/feed/protocol.ts";
import { PROBLEM_TYPE } from "../../contracts/http/problem.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Log } from "../../platform/log/port.ts";
import { type Access, type Grant, offeredProtocols } from "../common/access.ts";
import type { FeedConfig } from "../common/config.ts";
import type { FeedEvents } from "../common/events.ts";
import { compileFilter } from "../common/filter.ts";
import { problemText } from "../http/problem.ts";

import type { Views } from "../views/views.ts";
import { AlertSubscription } from "./alert-subscription.ts";
import { Connection } from "./connection.ts";
import type { Outlet, Subscription } from "./outlet.ts";
import { SharedFrames } from "./shared-frames.ts";
import { StateSubscription } from "./state-subscription.ts";

const TICK_MS = 50;
const TICKS_PER_SECOND = 1000 / TICK_MS;
const HEARTBEAT_MS = 15_000;
const HEARTBEAT_TICKS = HEARTBEAT_MS / TICK_MS;
const PING_TICKS = 30 * TICKS_PER_SECOND;
const DEFAULT_HZ = 4;
const STOP_PATIENCE_MS = 2_000;

export interface HubOptions {
  readonly config: FeedConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly views: Views;
  readonly access: Access;
  readonly events: FeedEvents;
}

/**
 * All WebSocket clients. 20 times a second each connection sends what is due. The cost depends on the number of
 * different filters more than on the number of clients, because `SharedFrames` encodes a change once for all clients
 * that want it. A slow client never makes others wait: its states are conflated, and it is closed when it is too slow
 * for alerts. Read on in `connection.ts`, `state-subscription.ts` and `alert-subscription.ts`.
 */
export class Hub {
  readonly #options: HubOptions;
  readonly #server: WebSocketServer;
  readonly #connections = new Set<Connection>();
  readonly #shared: SharedFrames;
  #connected = 0;
  #timer: NodeJS.Timeout | undefined;
  #tick = 0;
  #stopping = false;

  constructor(options: HubOptions) {
    this.#options = options;
    this.#shared = new SharedFrames(options.views.logId);
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.config.limits.frame_size_max,
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
    // Without a listener, an error before the handshake would end the process.
    socket.on("error", () => {});
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) {
      this.#options.events.clientRefused(refusal.reason, remote);
      refuse(socket, refusal.status, refusal.reason);
      return;
    }
    const { access, config, events, clock } = this.#options;
    const shown = access.shownBy(request);
    if (shown.state === "unknown") {
      events.clientRefused("token", remote);
      refuse(socket, "401 Unauthorized", "token", 'WWW-Authenticate: Bearer realm="weir"\r\n');
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      const phase = this.#connected++;
      const connection = new Connection({
        socket: webSocket,
        raw: socket,
        remote,
        grant: shown.state === "granted" ? shown.grant : undefined,
        grantFor: (token) => access.grantFor(token),
        limits: config.limits,
        heartbeatMs: HEARTBEAT_MS,
        events,
        subscribe: (frame, grant, outlet) => this.#subscribe(frame, { grant, outlet, phase }),
        tick: () => this.#tick,
        nowUs: () => clock.nowUs(),
        onClosed: (closed) => this.#connections.delete(closed),
      });
      this.#connections.add(connection);
      events.clientConnected(remote);
      connection.start();
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
    const { clients_max: clientsMax, unauthenticated_max: unauthenticatedMax } = config.limits;
    if (this.#stopping || this.#connections.size >= clientsMax) {
      return { status: "503 Service Unavailable", reason: "clients" };
    }
    if (access.shownBy(request).state !== "none") return undefined;
    const strangers = [...this.#connections].filter((connection) => !connection.authenticated).length;
    return strangers < unauthenticatedMax ? undefined : { status: "503 Service Unavailable", reason: "strangers" };
  }

  /** The view has new alert changes. Sends them at once. */
  alertsChanged(): void {
    for (const connection of this.#connections) connection.pumpAlerts(this.#tick);
  }

  #turn(): void {
    this.#tick++;
    this.#shared.clear();
    const heartbeat = this.#tick % HEARTBEAT_TICKS === 0;
    const ping = this.#tick % PING_TICKS === 0;
    for (const connection of this.#connections) {
      connection.pump(this.#tick);
      if (heartbeat) connection.heartbeat();
      if (ping) connection.ping();
    }
    if (this.#tick % TICKS_PER_SECOND === 0) this.#measureUnsent();
    this.#options.events.turnEnded();
  }

  #measureUnsent(): void {
    let total = 0;
    let most = 0;
    for (const { unsentBytes } of this.#connections) {
      total += unsentBytes;
      most = Math.max(most, unsentBytes);
    }
    this.#options.events.unsentMeasured({ total, most });
  }

  #subscribe(
    frame: Extract<ClientFrame, { type: "subscribe" }>,
    by: { readonly grant: Grant; readonly outlet: Outlet; readonly phase: number },
  ): Subscription {
    const { config, events, log, views } = this.#options;
    const { id, channel, cursor, maxHz } = frame;
    const kind = CHANNEL_KINDS[channel];
    // Items about all sites have no site to filter by, so the grant decides.
    const filter = compileFilter(frame.filter ?? {}, kind.allSitesOnly ? undefined : by.grant.sites);
    const shared = this.#shared;
    const base = {
      id,
      logId: views.logId,
      ...(cursor === undefined ? {} : { cursor }),
      outlet: by.outlet,
      limits: config.limits,
      events,
      logReached: async (sequence: number) =>
        kind.stream !== undefined && (await log.bounds(kind.stream)).lastSequence >= sequence,
    };
    if (isDeliveredAs(channel, "changes")) {
      const nowMs = () => performance.now();
      return new AlertSubscription({ ...base, channel, log, view: views[channel], filter, shared, nowMs });
    }
    return new StateSubscription({
      ...base,
      channel,
      interest: shared.interest(channel, views[channel], filter),
      shared,
      everyTicks: Math.max(1, Math.round(TICKS_PER_SECOND / (maxHz ?? DEFAULT_HZ))),
      phase: by.phase,
      missedSince: (position) => views.missedSince(channel, position),
      snapshotAlways: kind.stream === undefined,
    });
  }
}

function refuse(socket: Duplex, status: string, reason: string, headers = ""): void {
  const body = problemText({ status: Number(status.slice(0, 3)), code: reason, message: REFUSALS[reason] ?? reason });
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: ${PROBLEM_TYPE}\r\n${headers}` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const REFUSALS: Readonly<Record<string, string>> = {
  path: "the feed is at /feed",
  host: "this server does not answer to that host name",
  origin: "pages from this origin may not connect; see feed.allowed_origins",
  subprotocol: `the subprotocol is ${SUBPROTOCOL}`,
  clients: "too many clients are connected; try again later",
  strangers: "too many clients have not sent their token yet; try again later",
  token: "the token is unknown",
};
