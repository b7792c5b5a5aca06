import { Backoff } from "../../domain/backoff.ts";
import type { Channel, ItemOfChannel } from "../feed/channels.ts";
import {
  type ClientFrame,
  type ErrorCode,
  type Filter,
  type RemovedItem,
  type ServerFrame,
  SUBPROTOCOL,
} from "../feed/protocol.ts";

export interface SubscribeRequest<C extends Channel = Channel> {
  readonly channel: C;
  readonly filter?: Filter;
  /** Updates a second, at most (0.1 to 20; the server's default is 4). */
  readonly maxHz?: number;
}

export interface SubscriptionHandlers<T> {
  /** The present state: discard everything before it. A long snapshot continues in the updates that follow. */
  onSnapshot(items: readonly T[]): void;
  /** Newer items, to merge by their key, including those missed while the connection was lost. */
  onUpdate(items: readonly T[]): void;
  /** The server no longer has these items: they were silent for long. */
  onRemoved?(items: readonly RemovedItem[]): void;
  /**
   * This subscription lost `missed` changes (-1: unknown). A snapshot follows when the state must start over; otherwise
   * the updates continue.
   */
  onGap?(missed: number): void;
  /** The server refused the subscription. The client retries at the next connection, or soon if it was too fast. */
  onRefused?(code: ErrorCode, message: string): void;
}

export interface FeedStatus {
  readonly state: "connecting" | "open" | "closed";
  /**
   * Since when it is connected (`open`) or disconnected, as `Date.now()`. All attempts to reconnect are one absence.
   */
  readonly sinceMs: number;
  /** Attempts since the last connection that opened; the first is 1. */
  readonly attempt: number;
  /** The close code of the last connection, where it is known. */
  readonly closeCode?: number;
}

/** The part of a WebSocket that the client needs. The browser's, Node's (22 and later) and that of `ws` have it. */
export interface WebSocketLike {
  send(text: string): void;
  close(code?: number): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export interface FeedClientOptions {
  /** `ws://host:8080/feed` */
  readonly url: string;
  /** Sent in the first frame of each connection, since a browser cannot set headers. A function is called each time. */
  readonly token?: string | (() => string | Promise<string>);
  /** Default: the global one. */
  readonly WebSocket?: WebSocketConstructor;
  onStatus?(status: FeedStatus): void;
  /** Receives the server's clock whenever the server sends it (every 15 s). */
  onServerTime?(serverTimeUs: number): void;
  /** Receives errors that are not about a subscription, above all `unauthorized` for an unknown token. */
  onError?(code: ErrorCode, message: string): void;
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
  /** A connection that is silent for this long counts as lost (the server sends something every 15 s). Default 45 s. */
  readonly silenceMs?: number;
}

export interface FeedSubscription {
  /** Changes the pace from now on, without a snapshot: for example for items outside the visible page. */
  setMaxHz(maxHz: number): void;
  end(): void;
}

export interface FeedClient {
  /** Stays subscribed across reconnects, and resumes where it stopped. */
  subscribe<C extends Channel>(
    request: SubscribeRequest<C>,
    handlers: SubscriptionHandlers<ItemOfChannel[C]>,
  ): FeedSubscription;
  status(): FeedStatus;
  /** Asks the server for a heartbeat, to detect a dead connection soon: for example after a sleep. */
  check(): void;
  /** Ends all subscriptions and the connection, for good. */
  close(): void;
}

type SubscriptionFrame = Exclude<ServerFrame, { readonly type: "welcome" | "heartbeat" }>;

interface Subscription {
  id: string;
  request: SubscribeRequest;
  readonly handlers: SubscriptionHandlers<never>;
  cursor?: string;
}

const BACKOFF = { firstMs: 500, maxMs: 15_000 };
const SILENCE_MS = 45_000;
const CHECK_MS = 5_000;
/** A connection that lasted this long was good: the first attempt after it is made soon. */
const LASTING_MS = 5_000;
/** The pause after the server says that the client is too fast. */
const SLOWER_MS = 1_000;

/**
 * Connects to the dashboard feed and reconnects automatically. Each subscription keeps the cursor of its last frame
 * and resumes from it. So a lost connection neither loses nor repeats a change, except where the server reports a
 * gap. Needs only a WebSocket. The protocol is `../feed/protocol.ts`.
 */
export function createFeedClient(options: FeedClientOptions): FeedClient {
  const client = new ReconnectingClient(options);
  client.connect(1);
  return client;
}

class ReconnectingClient implements FeedClient {
  readonly #options: FeedClientOptions;
  readonly #WebSocket: WebSocketConstructor;
  readonly #silenceMs: number;
  readonly #backoff: Backoff;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #retries = new Set<ReturnType<typeof setTimeout>>();
  #socket: WebSocketLike | undefined;
  /** Frames can be sent: the token, if any, has been sent before them. */
  #writable = false;
  #status: FeedStatus = { state: "connecting", sinceMs: Date.now(), attempt: 1 };
  #nextId = 1;
  #closed = false;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #silenceTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: FeedClientOptions) {
    this.#options = options;
    this.#WebSocket = options.WebSocket ?? globalWebSocket();
    this.#silenceMs = options.silenceMs ?? SILENCE_MS;
    this.#backoff = new Backoff(options.backoff ?? BACKOFF, Math.random);
  }

  subscribe<C extends Channel>(
    request: SubscribeRequest<C>,
    handlers: SubscriptionHandlers<ItemOfChannel[C]>,
  ): FeedSubscription {
    const subscription: Subscription = { id: "", request, handlers };
    this.#begin(subscription);
    return {
      setMaxHz: (maxHz) => {
        if (subscription.request.maxHz === maxHz || !this.#end(subscription)) return;
        subscription.request = { ...subscription.request, maxHz };
        // Under a new id it continues at its cursor, as after a reconnect.
        this.#begin(subscription);
      },
      end: () => void this.#end(subscription),
    };
  }

  status(): FeedStatus {
    return this.#status;
  }

  check(): void {
    if (this.#socket === undefined || !this.#writable) return;
    send(this.#socket, { type: "ping" });
    this.#expectFrame(this.#socket, Math.min(CHECK_MS, this.#silenceMs));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    this.#clearRetries();
    this.#subscriptions.clear();
    this.#socket?.close(1000);
    this.#socket = undefined;
    this.#become({ state: "closed", attempt: this.#status.attempt });
  }

  connect(attempt: number): void {
    this.#become({ ...this.#status, state: "connecting", attempt });
    const socket = new this.#WebSocket(this.#options.url, [SUBPROTOCOL]);
    this.#socket = socket;
    this.#writable = false;
    this.#expectFrame(socket);
    socket.onopen = () => {
      // Without its token the client cannot use the connection.
      this.#open(socket).catch(() => this.#drop(socket));
    };
    socket.onmessage = (event: { readonly data: unknown }) => {
      if (this.#socket !== socket) return;
      this.#expectFrame(socket);
      this.#receive(event.data, attempt);
    };
    socket.onclose = (event: { readonly code?: number }) => this.#lose(socket, event.code);
    // A close event always follows; without a listener `ws` would throw.
    socket.onerror = () => {};
  }

  #become(next: Omit<FeedStatus, "sinceMs">): void {
    const changes = next.state === "open" || this.#status.state === "open" || this.#closed;
    this.#status = { ...next, sinceMs: changes ? Date.now() : this.#status.sinceMs };
    this.#options.onStatus?.(this.#status);
  }

  async #open(socket: WebSocketLike): Promise<void> {
    const { token } = this.#options;
    if (token !== undefined) {
      const shown = typeof token === "string" ? token : await token();
      if (this.#socket !== socket) return;
      send(socket, { type: "auth", token: shown });
    }
    if (this.#socket !== socket) return;
    this.#writable = true;
    for (const subscription of this.#subscriptions.values()) sendSubscribe(socket, subscription);
  }

  #lose(socket: WebSocketLike, closeCode?: number): void {
    if (this.#socket !== socket || this.#closed) return;
    const { state, sinceMs, attempt } = this.#status;
    const next = state === "open" ? 1 : attempt + 1;
    if (state === "open" && Date.now() - sinceMs >= LASTING_MS) this.#backoff.reset();
    this.#socket = undefined;
    this.#writable = false;
    clearTimeout(this.#silenceTimer);
    this.#clearRetries();
    this.#become({ state: "closed", attempt: next, ...(closeCode === undefined ? {} : { closeCode }) });
    this.#retryTimer = setTimeout(() => this.connect(next), this.#backoff.nextMs());
  }

  #drop(socket: WebSocketLike): void {
    socket.close();
    // The close event of a dead connection may be minutes away.
    this.#lose(socket);
  }

  /** Drops the connection unless a frame arrives in time. */
  #expectFrame(socket: WebSocketLike, withinMs = this.#silenceMs): void {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#drop(socket), withinMs);
  }

  #receive(data: unknown, attempt: number): void {
    // The server is trusted to send frames of the protocol; checking each would cost a page a schema library.
    const frame = JSON.parse(String(data)) as ServerFrame;
    if (frame.type === "welcome" || frame.type === "heartbeat") {
      if (frame.type === "welcome") this.#become({ state: "open", attempt });
      this.#options.onServerTime?.(frame.serverTimeUs);
    } else if (frame.type === "error" && frame.id === undefined) {
      this.#options.onError?.(frame.code, frame.message);
    } else {
      const subscription = this.#subscriptions.get(frame.id ?? "");
      if (subscription !== undefined) this.#deliver(frame, subscription);
    }
  }

  #deliver(frame: SubscriptionFrame, subscription: Subscription): void {
    const handlers = subscription.handlers as SubscriptionHandlers<unknown>;
    switch (frame.type) {
      case "snapshot":
        subscription.cursor = frame.cursor;
        handlers.onSnapshot(frame.items);
        return;
      case "update":
        subscription.cursor = frame.cursor;
        if (frame.removed !== undefined) handlers.onRemoved?.(frame.removed);
        if (frame.items.length > 0) handlers.onUpdate(frame.items);
        return;
      case "gap":
        // The next snapshot or update brings a new cursor; the old one is of no use.
        delete subscription.cursor;
        handlers.onGap?.(frame.missed);
        return;
      case "error":
        handlers.onRefused?.(frame.code, frame.message);
        if (frame.code === "too-many-requests") this.#retry(subscription);
    }
  }

  #retry(subscription: Subscription): void {
    const { id } = subscription;
    const timer = setTimeout(
      () => {
        this.#retries.delete(timer);
        if (this.#subscriptions.has(id)) this.#sendSubscribe(subscription);
      },
      SLOWER_MS * (1 + Math.random()),
    );
    this.#retries.add(timer);
  }

  #clearRetries(): void {
    for (const timer of this.#retries) clearTimeout(timer);
    this.#retries.clear();
  }

  #begin(subscription: Subscription): void {
    subscription.id = String(this.#nextId++);
    this.#subscriptions.set(subscription.id, subscription);
    this.#sendSubscribe(subscription);
  }

  /** Returns whether the subscription was active. Frames that are still on their way to it are ignored. */
  #end({ id }: Subscription): boolean {
    if (!this.#subscriptions.delete(id)) return false;
    if (this.#socket !== undefined && this.#writable) send(this.#socket, { type: "unsubscribe", id });
    return true;
  }

  #sendSubscribe(subscription: Subscription): void {
    if (this.#socket !== undefined && this.#writable) sendSubscribe(this.#socket, subscription);
  }
}

function sendSubscribe(socket: WebSocketLike, { id, request, cursor }: Subscription): void {
  const { channel, filter, maxHz } = request;
  send(socket, {
    type: "subscribe",
    id,
    channel,
    ...(filter === undefined ? {} : { filter }),
    ...(maxHz === undefined ? {} : { maxHz }),
    ...(cursor === undefined ? {} : { cursor }),
  });
}

function send(socket: WebSocketLike, frame: ClientFrame): void {
  socket.send(JSON.stringify(frame));
}

/** The subprotocol that carries a token. It is base64url because a subprotocol allows only a few characters. */
export function bearerProtocol(token: string): string {
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  return `weir.bearer.${btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

function globalWebSocket(): WebSocketConstructor {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketConstructor };
  if (WebSocket === undefined) throw new TypeError("there is no global WebSocket: pass one in the options");
  return WebSocket;
}
