import type { AlertChange } from "../../domain/alert.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import {
  type Channel,
  type ClientFrame,
  type DeviceItem,
  type ErrorCode,
  type Filter,
  type ReadingItem,
  type ServerFrame,
  type StatsItem,
  SUBPROTOCOL,
} from "../protocol.ts";

/** What the items of each channel are. */
export interface ItemOfChannel {
  readonly windows: WindowResult;
  readonly alerts: AlertChange;
  readonly readings: ReadingItem;
  readonly devices: DeviceItem;
  readonly stats: StatsItem;
}

export interface SubscribeRequest<C extends Channel = Channel> {
  readonly channel: C;
  readonly filter?: Filter;
  /** Updates a second, at most (0.1 to 20; the server's default is 4). */
  readonly maxHz?: number;
}

export interface SubscriptionHandlers<T> {
  /** The state from here on: forget what came before. A long snapshot goes on in the updates that follow it. */
  onSnapshot(items: readonly T[]): void;
  /** Newer items, to be merged by their key. Also what was missed while the connection was away. */
  onUpdate(items: readonly T[]): void;
  /** Changes are lost to this subscription (-1: not known how many). A snapshot follows. */
  onGap?(missed: number): void;
  /** The server refused the subscription; it is asked for again at the next connection. */
  onRefused?(code: ErrorCode, message: string): void;
}

export interface FeedStatus {
  readonly state: "connecting" | "open" | "closed";
  /** When this state began, as `Date.now()`. */
  readonly sinceMs: number;
  /** Connections tried since the last one that opened: 1 for the first. */
  readonly attempt: number;
  /** Why the last connection ended, where it is known: the close code of the WebSocket. */
  readonly closeCode?: number;
}

/** The part of a WebSocket that the client needs: the browser's own, Node's (22 and later), or that of `ws`. */
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
  /** Goes along as a subprotocol, since a browser cannot set headers. */
  readonly token?: string;
  /** The global one when left out. */
  readonly WebSocket?: WebSocketConstructor;
  onStatus?(status: FeedStatus): void;
  /** The server's clock, each time that it tells it (every 15 s). */
  onServerTime?(serverTimeUs: number): void;
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
  /** A connection without a word for this long is given up (the server speaks every 15 s). Default 45 s. */
  readonly silenceMs?: number;
}

export interface FeedClient {
  /** Stays subscribed over reconnects, going on where it was. Returns how to end it. */
  subscribe<C extends Channel>(
    request: SubscribeRequest<C>,
    handlers: SubscriptionHandlers<ItemOfChannel[C]>,
  ): () => void;
  status(): FeedStatus;
  /** Ends all subscriptions and the connection, for good. */
  close(): void;
}

type SubscriptionFrame = Exclude<ServerFrame, { readonly type: "welcome" }>;

interface Subscription {
  readonly id: string;
  readonly request: SubscribeRequest;
  readonly handlers: SubscriptionHandlers<never>;
  cursor?: string;
}

const BACKOFF = { firstMs: 500, maxMs: 15_000 };
const SILENCE_MS = 45_000;

/** A connection to the dashboard feed that heals itself. Needs nothing but a WebSocket. */
export function createFeedClient(options: FeedClientOptions): FeedClient {
  const { firstMs, maxMs } = options.backoff ?? BACKOFF;
  const silenceMs = options.silenceMs ?? SILENCE_MS;
  const WebSocket = options.WebSocket ?? globalWebSocket();
  const protocols = options.token === undefined ? [SUBPROTOCOL] : [SUBPROTOCOL, bearerProtocol(options.token)];
  const subscriptions = new Map<string, Subscription>();
  let socket: WebSocketLike | undefined;
  let status: FeedStatus = { state: "connecting", sinceMs: Date.now(), attempt: 1 };
  let nextId = 1;
  let ended = false;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let silenceTimer: ReturnType<typeof setTimeout> | undefined;

  function become(next: Omit<FeedStatus, "sinceMs">): void {
    // Waiting and trying again is one long absence to a person: it began when the connection was lost.
    const sinceMs = next.state === "open" || status.state === "open" || ended ? Date.now() : status.sinceMs;
    status = { ...next, sinceMs };
    options.onStatus?.(status);
  }

  function connect(attempt: number): void {
    become({ ...status, state: "connecting", attempt });
    const mine = new WebSocket(options.url, protocols);
    socket = mine;
    listenAgain(mine, attempt);
    mine.onopen = () => {
      if (socket !== mine) return;
      become({ state: "open", attempt });
      for (const subscription of subscriptions.values()) sendSubscribe(mine, subscription);
    };
    mine.onmessage = (event: { readonly data: unknown }) => {
      if (socket !== mine) return;
      listenAgain(mine, attempt);
      receive(event.data);
    };
    mine.onclose = (event: { readonly code?: number }) => lose(mine, attempt, event.code);
    // A close event always follows; without a listener `ws` would throw.
    mine.onerror = () => {};
  }

  function lose(lost: WebSocketLike, attempt: number, closeCode?: number): void {
    if (socket !== lost || ended) return;
    const next = status.state === "open" ? 1 : attempt + 1;
    socket = undefined;
    clearTimeout(silenceTimer);
    become({ state: "closed", attempt: next, ...(closeCode === undefined ? {} : { closeCode }) });
    const ceilingMs = Math.min(maxMs, firstMs * 2 ** Math.min(next - 1, 20));
    // Half fixed, half random: clients that lost the same server do not come back together.
    retryTimer = setTimeout(() => connect(next), ceilingMs / 2 + (Math.random() * ceilingMs) / 2);
  }

  function listenAgain(current: WebSocketLike, attempt: number): void {
    clearTimeout(silenceTimer);
    silenceTimer = setTimeout(() => {
      current.close();
      // The close event of a dead connection may be minutes away.
      lose(current, attempt);
    }, silenceMs);
  }

  function receive(data: unknown): void {
    const frame = JSON.parse(String(data)) as ServerFrame;
    if (frame.type === "welcome") {
      options.onServerTime?.(frame.serverTimeUs);
      return;
    }
    const subscription = frame.id === undefined ? undefined : subscriptions.get(frame.id);
    if (subscription === undefined) return;
    deliver(frame, subscription);
  }

  function deliver(frame: SubscriptionFrame, subscription: Subscription): void {
    const handlers = subscription.handlers as SubscriptionHandlers<unknown>;
    switch (frame.type) {
      case "snapshot":
        subscription.cursor = frame.cursor;
        handlers.onSnapshot(frame.items);
        return;
      case "update":
        subscription.cursor = frame.cursor;
        if (frame.items.length > 0) handlers.onUpdate(frame.items);
        return;
      case "gap":
        // The snapshot that follows brings the next cursor; until then there is none worth keeping.
        delete subscription.cursor;
        handlers.onGap?.(frame.missed);
        return;
      case "error":
        handlers.onRefused?.(frame.code, frame.message);
    }
  }

  connect(1);

  return {
    subscribe(request, handlers) {
      const subscription: Subscription = { id: String(nextId++), request, handlers };
      subscriptions.set(subscription.id, subscription);
      if (socket !== undefined && status.state === "open") sendSubscribe(socket, subscription);
      return () => {
        if (!subscriptions.delete(subscription.id)) return;
        if (socket !== undefined && status.state === "open") {
          send(socket, { type: "unsubscribe", id: subscription.id });
        }
      };
    },
    status: () => status,
    close() {
      if (ended) return;
      ended = true;
      clearTimeout(retryTimer);
      clearTimeout(silenceTimer);
      subscriptions.clear();
      socket?.close(1000);
      socket = undefined;
      become({ state: "closed", attempt: status.attempt });
    },
  };
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

/** The subprotocol that carries a token: a subprotocol may hold few characters, so it is coded as base64url. */
export function bearerProtocol(token: string): string {
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  return `weir.bearer.${btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

function globalWebSocket(): WebSocketConstructor {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketConstructor };
  if (WebSocket === undefined) throw new TypeError("there is no global WebSocket: pass one in the options");
  return WebSocket;
}
