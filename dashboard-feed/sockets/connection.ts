import type { Duplex } from "node:stream";
import type { RawData, WebSocket } from "ws";
import { isDeliveredAs } from "../../contracts/feed/channels.ts";
import {
  CLOSE_SHUTTING_DOWN,
  CLOSE_TOO_SLOW,
  CLOSE_UNAUTHORIZED,
  type ClientFrame,
  type ErrorCode,
  type ServerFrame,
} from "../../contracts/feed/protocol.ts";
import { US_PER_MS } from "../../domain/time.ts";
import type { Grant } from "../common/access.ts";
import type { CloseReason, FeedEvents } from "../common/events.ts";
import { parseClientFrame } from "./client-frame.ts";
import type { Limits, Outlet, Subscription } from "./outlet.ts";
import { TokenBucket } from "./token-bucket.ts";

type SubscribeFrame = Extract<ClientFrame, { type: "subscribe" }>;

/** A client that sends more bad frames than this is closed. */
const REFUSALS_MAX = 100;
/** A client that does not answer the close frame in this time is terminated. */
const CLOSE_PATIENCE_MS = 5_000;
const POLICY_VIOLATION = 1008;
const INTERNAL_ERROR = 1011;

export interface ConnectionOptions {
  readonly socket: WebSocket;
  /** The stream that the WebSocket writes to. */
  readonly raw: Duplex;
  readonly remote: string;
  /** Undefined until the client sends a token. */
  readonly grant: Grant | undefined;
  readonly grantFor: (token: string) => Grant | undefined;
  readonly limits: Limits;
  readonly heartbeatMs: number;
  readonly events: FeedEvents;
  readonly subscribe: (frame: SubscribeFrame, grant: Grant, outlet: Outlet) => Subscription;
  /** The hub's present tick. */
  readonly tick: () => number;
  readonly nowUs: () => number;
  readonly onClosed: (connection: Connection) => void;
}

/** One client and its subscriptions. */
export class Connection implements Outlet {
  readonly #options: ConnectionOptions;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #frames: TokenBucket;
  #grant: Grant | undefined;
  #authTimer: NodeJS.Timeout | undefined;
  #alertSubscriptions = 0;
  /** The hub's tick before which nothing is due. */
  #nextTick = Number.POSITIVE_INFINITY;
  #refusals = 0;
  #answered = true;
  #closed = false;
  #reason: CloseReason = "left";

  constructor(options: ConnectionOptions) {
    const { limits } = options;
    this.#options = options;
    this.#grant = options.grant;
    const capacity = limits.subscriptions_max * 2 + 2;
    this.#frames = new TokenBucket({ capacity, perSecond: limits.subscribes_per_second_max, nowMs: performance.now() });
  }

  start(): void {
    const { socket, limits } = this.#options;
    socket.on("message", (data, isBinary) => this.#receive(data, isBinary));
    socket.on("pong", () => {
      this.#answered = true;
    });
    // The close event follows, and reports the error.
    socket.on("error", () => {
      if (this.#reason === "left") this.#reason = "error";
    });
    socket.on("close", () => this.#end());
    if (this.#grant !== undefined) this.#welcome();
    else this.#authTimer = setTimeout(() => this.#close("unauthorized"), limits.auth_wait_max / US_PER_MS);
  }

  get authenticated(): boolean {
    return this.#grant !== undefined;
  }

  get unsentBytes(): number {
    return this.#options.socket.bufferedAmount;
  }

  send(text: string): void {
    const { socket } = this.#options;
    if (socket.readyState === socket.OPEN) socket.send(text);
  }

  /** Writes straight to the stream: the WebSocket would frame the same bytes again for every client. */
  sendFrame(parts: readonly Buffer[]): void {
    const { socket, raw } = this.#options;
    if (socket.readyState !== socket.OPEN || !raw.writable) return;
    for (const part of parts) raw.write(part);
  }

  /** Sends a sign of life with the server's time. */
  heartbeat(): void {
    // A client with this many unsent bytes already gets enough signs of life.
    if (!this.authenticated || this.unsentBytes > this.#options.limits.buffered_size_coalesce) return;
    this.#sendFrame({ type: "heartbeat", serverTimeUs: this.#options.nowUs() });
  }

  pump(tick: number): void {
    if (tick < this.#nextTick) return;
    const { raw } = this.#options;
    let next = Number.POSITIVE_INFINITY;
    // One system call sends everything that is due.
    raw.cork();
    for (const subscription of this.#subscriptions.values()) next = Math.min(next, subscription.pump(tick));
    raw.uncork();
    this.#nextTick = next;
  }

  pumpAlerts(tick: number): void {
    if (this.#alertSubscriptions === 0) return;
    for (const subscription of this.#subscriptions.values()) {
      if (isDeliveredAs(subscription.channel, "changes"))
        this.#nextTick = Math.min(this.#nextTick, subscription.pump(tick));
    }
  }

  /** Pings the client, or ends the connection if the last ping was not answered. */
  ping(): void {
    if (!this.#answered) {
      this.#reason = "silent";
      this.#options.socket.terminate();
      return;
    }
    this.#answered = false;
    this.#options.socket.ping();
  }

  close(reason: "too-slow" | "shutting-down" | "error"): void {
    this.#close(reason);
  }

  terminate(): void {
    this.#options.socket.terminate();
  }

  #close(reason: keyof typeof CLOSE_CODES): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reason = reason;
    clearTimeout(this.#authTimer);
    this.#endSubscriptions();
    const { socket } = this.#options;
    socket.close(CLOSE_CODES[reason], CLOSE_TEXTS[reason]);
    const timer = setTimeout(() => socket.terminate(), CLOSE_PATIENCE_MS);
    timer.unref();
    socket.once("close", () => clearTimeout(timer));
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#closed) return;
    // Any frame shows that the client is alive.
    this.#answered = true;
    if (isBinary) {
      this.#refuse({ code: "bad-frame", message: "send frames as text" });
      return;
    }
    const parsed = parseClientFrame(data.toString());
    if (!parsed.ok) {
      const { ok: _, ...refusal } = parsed;
      this.#refuse(refusal);
      return;
    }
    const { frame } = parsed;
    if (!this.#frames.take(performance.now())) {
      const message = `at most ${this.#options.limits.subscribes_per_second_max} frames a second: try again later`;
      this.#refuse({ ...("id" in frame ? { id: frame.id } : {}), code: "too-many-requests", message });
      return;
    }
    this.#take(frame);
  }

  #take(frame: ClientFrame): void {
    const grant = this.#grant;
    if (grant === undefined) {
      if (frame.type === "auth") this.#authenticate(frame.token);
      else this.#rejectToken('send a token first: {"type":"auth","token":"..."}');
      return;
    }
    switch (frame.type) {
      case "auth":
        // A connection's grant never changes.
        this.#refuse({
          code: "bad-frame",
          message: "this connection has a token already; connect again to use another",
        });
        return;
      case "subscribe":
        this.#subscribe(frame, grant);
        return;
      case "unsubscribe":
        this.#unsubscribe(frame.id);
        return;
      case "ping":
        this.#sendFrame({ type: "heartbeat", serverTimeUs: this.#options.nowUs() });
    }
  }

  #authenticate(token: string): void {
    this.#grant = this.#options.grantFor(token);
    if (this.#grant === undefined) {
      this.#rejectToken("the token is unknown");
      return;
    }
    clearTimeout(this.#authTimer);
    this.#welcome();
  }

  #rejectToken(message: string): void {
    this.#refuse({ code: "unauthorized", message });
    this.#close("unauthorized");
  }

  #welcome(): void {
    const { nowUs, heartbeatMs } = this.#options;
    this.#sendFrame({ type: "welcome", protocol: "weir.v1", serverTimeUs: nowUs(), heartbeatMs });
  }

  #subscribe(frame: SubscribeFrame, grant: Grant): void {
    const { limits, subscribe, events, tick } = this.#options;
    const { id, channel } = frame;
    if (!grant.channels.has(channel)) {
      this.#refuse({ id, code: "forbidden", message: `the token "${grant.name}" does not show ${channel}` });
    } else if (this.#subscriptions.has(id)) {
      this.#refuse({ id, code: "bad-frame", message: "a subscription has this id already; unsubscribe it first" });
    } else if (this.#subscriptions.size >= limits.subscriptions_max) {
      const message = `at most ${limits.subscriptions_max} subscriptions`;
      this.#refuse({ id, code: "too-many-subscriptions", message });
    } else {
      const subscription = subscribe(frame, grant, this);
      this.#subscriptions.set(id, subscription);
      if (isDeliveredAs(channel, "changes")) this.#alertSubscriptions++;
      events.subscribed(channel);
      this.#nextTick = Math.min(this.#nextTick, subscription.pump(tick()));
    }
  }

  #unsubscribe(id: string): void {
    const subscription = this.#subscriptions.get(id);
    if (subscription === undefined) {
      this.#refuse({ id, code: "unknown-subscription", message: "there is no subscription with this id" });
      return;
    }
    this.#subscriptions.delete(id);
    if (isDeliveredAs(subscription.channel, "changes")) this.#alertSubscriptions--;
    subscription.end();
    this.#options.events.subscriptionEnded(subscription.channel);
  }

  #refuse(error: { readonly id?: string; readonly code: ErrorCode; readonly message: string }): void {
    this.#options.events.frameRefused(error.code);
    this.#sendFrame({ type: "error", ...error });
    if (++this.#refusals > REFUSALS_MAX) this.#close("bad-frames");
  }

  #sendFrame(frame: ServerFrame): void {
    this.send(JSON.stringify(frame));
  }

  #endSubscriptions(): void {
    for (const subscription of this.#subscriptions.values()) {
      subscription.end();
      this.#options.events.subscriptionEnded(subscription.channel);
    }
    this.#subscriptions.clear();
    this.#alertSubscriptions = 0;
  }

  #end(): void {
    this.#closed = true;
    clearTimeout(this.#authTimer);
    this.#endSubscriptions();
    this.#options.events.clientClosed(this.#reason, this.#options.remote);
    this.#options.onClosed(this);
  }
}

const CLOSE_CODES = {
  "too-slow": CLOSE_TOO_SLOW,
  "shutting-down": CLOSE_SHUTTING_DOWN,
  unauthorized: CLOSE_UNAUTHORIZED,
  "bad-frames": POLICY_VIOLATION,
  error: INTERNAL_ERROR,
} as const;

const CLOSE_TEXTS = {
  "too-slow": "too slow for its alerts",
  "shutting-down": "the server is shutting down",
  unauthorized: "no token or an unknown one",
  "bad-frames": "too many frames were refused",
  error: "internal error of the server",
} as const;
