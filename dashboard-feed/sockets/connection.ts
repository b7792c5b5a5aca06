import type { RawData, WebSocket } from "ws";
import type { Grant } from "../access.ts";
import type { CloseReason, FeedEvents } from "../events.ts";
import { parseClientFrame } from "../frames.ts";
import {
  CLOSE_SHUTTING_DOWN,
  CLOSE_TOO_SLOW,
  type ClientFrame,
  type ErrorCode,
  type ServerFrame,
} from "../protocol.ts";
import type { Limits, Outlet, Subscription } from "./outlet.ts";

type SubscribeFrame = Extract<ClientFrame, { type: "subscribe" }>;

/** More refused frames than this, and the client is beyond help. */
const REFUSALS_MAX = 100;
/** A client that does not take the close frame is cut off. */
const CLOSE_PATIENCE_MS = 5_000;
const POLICY_VIOLATION = 1008;
const INTERNAL_ERROR = 1011;

export interface ConnectionOptions {
  readonly socket: WebSocket;
  readonly remote: string;
  readonly grant: Grant;
  readonly limits: Limits;
  readonly events: FeedEvents;
  readonly subscribe: (frame: SubscribeFrame, outlet: Outlet) => Subscription;
  /** The hub's present tick. */
  readonly tick: () => number;
  readonly onClosed: (connection: Connection) => void;
}

/** One client and its subscriptions. */
export class Connection implements Outlet {
  readonly #options: ConnectionOptions;
  readonly #subscriptions = new Map<string, Subscription>();
  #refusals = 0;
  #answered = true;
  #closed = false;
  #reason: CloseReason = "left";

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  start(nowUs: number): void {
    const { socket } = this.#options;
    socket.on("message", (data, isBinary) => this.#receive(data, isBinary));
    socket.on("pong", () => {
      this.#answered = true;
    });
    // The close event follows, and says it.
    socket.on("error", () => {
      if (this.#reason === "left") this.#reason = "error";
    });
    socket.on("close", () => this.#end());
    this.greet(nowUs);
  }

  get unsentBytes(): number {
    return this.#options.socket.bufferedAmount;
  }

  send(frame: Buffer | string): void {
    const { socket } = this.#options;
    if (socket.readyState === socket.OPEN) socket.send(frame, { binary: false });
  }

  /** At connection and from time to time: a sign of life that carries the server's time. */
  greet(nowUs: number): void {
    // Behind so much there is life enough, and it would only add to it.
    if (this.unsentBytes > this.#options.limits.bufferedBytesCoalesce) return;
    this.#sendFrame({ type: "welcome", protocol: "weir.v1", serverTimeUs: nowUs });
  }

  pump(tick: number): void {
    for (const subscription of this.#subscriptions.values()) subscription.pump(tick);
  }

  pumpAlerts(tick: number): void {
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.channel === "alerts") subscription.pump(tick);
    }
  }

  /** Ends the connection when the last ping had no answer. */
  ping(): void {
    if (!this.#answered) {
      this.#reason = "silent";
      this.#options.socket.terminate();
      return;
    }
    this.#answered = false;
    this.#options.socket.ping();
  }

  close(reason: "too-slow" | "shutting-down" | "bad-frames" | "error"): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reason = reason;
    this.#endSubscriptions();
    const { socket } = this.#options;
    socket.close(CLOSE_CODES[reason], CLOSE_TEXTS[reason]);
    const timer = setTimeout(() => socket.terminate(), CLOSE_PATIENCE_MS);
    timer.unref();
    socket.once("close", () => clearTimeout(timer));
  }

  terminate(): void {
    this.#options.socket.terminate();
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#closed) return;
    if (isBinary) {
      this.#refuse({ code: "bad-frame", message: "frames are text" });
      return;
    }
    const parsed = parseClientFrame(data.toString());
    if (!parsed.ok) {
      const { ok: _, ...refusal } = parsed;
      this.#refuse(refusal);
      return;
    }
    switch (parsed.frame.type) {
      case "subscribe":
        this.#subscribe(parsed.frame);
        return;
      case "unsubscribe":
        this.#unsubscribe(parsed.frame.id);
    }
  }

  #subscribe(frame: SubscribeFrame): void {
    const { grant, limits, subscribe, events, tick } = this.#options;
    const { id, channel } = frame;
    if (!grant(channel)) {
      this.#refuse({ id, code: "forbidden", message: `the token does not allow ${channel}` });
    } else if (this.#subscriptions.has(id)) {
      this.#refuse({ id, code: "bad-frame", message: "there is a subscription with this id: unsubscribe it first" });
    } else if (this.#subscriptions.size >= limits.subscriptionsMax) {
      const message = `at most ${limits.subscriptionsMax} subscriptions`;
      this.#refuse({ id, code: "too-many-subscriptions", message });
    } else {
      const subscription = subscribe(frame, this);
      this.#subscriptions.set(id, subscription);
      events.subscribed(channel);
      subscription.pump(tick());
    }
  }

  #unsubscribe(id: string): void {
    const subscription = this.#subscriptions.get(id);
    if (subscription === undefined) {
      this.#refuse({ id, code: "unknown-subscription", message: "there is no subscription with this id" });
      return;
    }
    this.#subscriptions.delete(id);
    subscription.end();
    this.#options.events.subscriptionEnded(subscription.channel);
  }

  #refuse(error: { readonly id?: string; readonly code: ErrorCode; readonly message: string }): void {
    this.#options.events.frameRefused(error.code);
    this.#sendFrame({ type: "error", ...error });
    if (++this.#refusals > REFUSALS_MAX) this.close("bad-frames");
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
  }

  #end(): void {
    this.#closed = true;
    this.#endSubscriptions();
    this.#options.events.clientClosed(this.#reason, this.#options.remote);
    this.#options.onClosed(this);
  }
}

const CLOSE_CODES = {
  "too-slow": CLOSE_TOO_SLOW,
  "shutting-down": CLOSE_SHUTTING_DOWN,
  "bad-frames": POLICY_VIOLATION,
  error: INTERNAL_ERROR,
} as const;

const CLOSE_TEXTS = {
  "too-slow": "too slow for the alerts",
  "shutting-down": "the server is shutting down",
  "bad-frames": "too many frames were refused",
  error: "something failed on the server",
} as const;
