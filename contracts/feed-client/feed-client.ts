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
} from "../feed/protocol.ts";

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
  /**
   * So many changes are lost to this subscription (-1: not known how many). A snapshot follows when the state must begin
   * anew; otherwise the updates go on.
   */
  onGap?(missed: number): void;
  /** The server refused the subscription. It is asked for again at the next connection, or soon when it was too fast. */
  onRefused?(code: ErrorCode, message: string): void;
}

export interface FeedStatus {
  readonly state: "connecting" | "open" | "closed";
  /** Connected (`open`) or disconnected since then, as `Date.now()`: waiting and trying again is one absence. */
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
  /** Shown in the first frame of each connection, since a browser cannot set headers. Asked for each time. */
  readonly token?: string | (() => string | Promise<string>);
  /** The global one when left out. */
  readonly WebSocket?: WebSocketConstructor;
  onStatus?(status: FeedStatus): void;
  /** The server's clock, each time that it tells it (every 15 s). */
  onServerTime?(serverTimeUs: number): void;
  /** What the server refused that is about no subscription: above all `unauthorized`, when it takes no such token. */
  onError?(code: ErrorCode, message: string): void;
  readonly backoff?: { readonly firstMs: number; readonly maxMs: number };
  /** A connection without a word for this long is given up (the server speaks every 15 s). Default 45 s. */
  readonly silenceMs?: number;
}

export interface FeedSubscription {
  /** Another pace from here on, without a snapshot: for what nobody looks at closely just now. */
  setMaxHz(maxHz: number): void;
  end(): void;
}

export interface FeedClient {
  /** Stays subscribed over reconnects, going on where it was. */
  subscribe<C extends Channel>(
    request: SubscribeRequest<C>,
    handlers: SubscriptionHandlers<ItemOfChannel[C]>,
  ): FeedSubscription;
  status(): FeedStatus;
  /** Asks the server for a sign of life, to learn soon whether the connection still holds: after a sleep, for example. */
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
/** A connection that lasted so long was a good one: after it, the first try comes soon. */
const LASTING_MS = 5_000;
/** When the server finds the client too fast. */
const SLOWER_MS = 1_000;

/** A connection to the dashboard feed that heals itself. Needs nothing but a WebSocket. */
export function createFeedClient(options: FeedClientOptions): FeedClient {
  const { firstMs, maxMs } = options.backoff ?? BACKOFF;
  const silenceMs = options.silenceMs ?? SILENCE_MS;
  const WebSocket = options.WebSocket ?? globalWebSocket();
  const subscriptions = new Map<string, Subscription>();
  const retries = new Set<ReturnType<typeof setTimeout>>();
  let socket: WebSocketLike | undefined;
  /** Whether frames can be sent: the token, if there is one, went before them. */
  let writable = false;
  let status: FeedStatus = { state: "connecting", sinceMs: Date.now(), attempt: 1 };
  let failures = 0;
  let nextId = 1;
  let ended = false;
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let silenceTimer: ReturnType<typeof setTimeout> | undefined;

  function become(next: Omit<FeedStatus, "sinceMs">): void {
    const sinceMs = next.state === "open" || status.state === "open" || ended ? Date.now() : status.sinceMs;
    status = { ...next, sinceMs };
    options.onStatus?.(status);
  }

  function connect(attempt: number): void {
    become({ ...status, state: "connecting", attempt });
    const mine = new WebSocket(options.url, [SUBPROTOCOL]);
    socket = mine;
    writable = false;
    listenAgain(mine);
    mine.onopen = () => {
      // A token that cannot be had is as good as a connection that cannot.
      open(mine).catch(() => drop(mine));
    };
    mine.onmessage = (event: { readonly data: unknown }) => {
      if (socket !== mine) return;
      listenAgain(mine);
      receive(event.data, attempt);
    };
    mine.onclose = (event: { readonly code?: number }) => lose(mine, event.code);
    // A close event always follows; without a listener `ws` would throw.
    mine.onerror = () => {};
  }

  async function open(mine: WebSocketLike): Promise<void> {
    const { token } = options;
    if (token !== undefined) {
      const shown = typeof token === "string" ? token : await token();
      if (socket !== mine) return;
      send(mine, { type: "auth", token: shown });
    }
    if (socket !== mine) return;
    writable = true;
    for (const subscription of subscriptions.values()) sendSubscribe(mine, subscription);
  }

  function lose(lost: WebSocketLike, closeCode?: number): void {
    if (socket !== lost || ended) return;
    const wasOpen = status.state === "open";
    const next = wasOpen ? 1 : status.attempt + 1;
    failures = wasOpen && Date.now() - status.sinceMs >= LASTING_MS ? 0 : failures + 1;
    socket = undefined;
    writable = false;
    clearTimeout(silenceTimer);
    clearRetries();
    become({ state: "closed", attempt: next, ...(closeCode === undefined ? {} : { closeCode }) });
    const ceilingMs = Math.min(maxMs, firstMs * 2 ** Math.min(Math.max(failures - 1, 0), 20));
    // Half fixed, half random: clients that lost the same server do not come back together.
    retryTimer = setTimeout(() => connect(next), ceilingMs / 2 + (Math.random() * ceilingMs) / 2);
  }

  function drop(current: WebSocketLike): void {
    current.close();
    // The close event of a dead connection may be minutes away.
    lose(current);
  }

  function listenAgain(current: WebSocketLike, withinMs = silenceMs): void {
    clearTimeout(silenceTimer);
    silenceTimer = setTimeout(() => drop(current), withinMs);
  }

  function receive(data: unknown, attempt: number): void {
    const frame = JSON.parse(String(data)) as ServerFrame;
    if (frame.type === "welcome" || frame.type === "heartbeat") {
      if (frame.type === "welcome") become({ state: "open", attempt });
      options.onServerTime?.(frame.serverTimeUs);
    } else if (frame.type === "error" && frame.id === undefined) {
      options.onError?.(frame.code, frame.message);
    } else {
      const subscription = subscriptions.get(frame.id ?? "");
      if (subscription !== undefined) deliver(frame, subscription);
    }
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
        // The snapshot or update that follows brings the next cursor; until then there is none worth keeping.
        delete subscription.cursor;
        handlers.onGap?.(frame.missed);
        return;
      case "error":
        handlers.onRefused?.(frame.code, frame.message);
        if (frame.code === "too-many-requests") askAgain(subscription);
    }
  }

  function askAgain(subscription: Subscription): void {
    const { id } = subscription;
    const timer = setTimeout(
      () => {
        retries.delete(timer);
        if (socket !== undefined && writable && subscriptions.has(id)) sendSubscribe(socket, subscription);
      },
      SLOWER_MS * (1 + Math.random()),
    );
    retries.add(timer);
  }

  function clearRetries(): void {
    for (const timer of retries) clearTimeout(timer);
    retries.clear();
  }

  function begin(subscription: Subscription): void {
    subscription.id = String(nextId++);
    subscriptions.set(subscription.id, subscription);
    if (socket !== undefined && writable) sendSubscribe(socket, subscription);
  }

  /** Whether it was still going on. What is on its way to it is not taken any more. */
  function end({ id }: Subscription): boolean {
    if (!subscriptions.delete(id)) return false;
    if (socket !== undefined && writable) send(socket, { type: "unsubscribe", id });
    return true;
  }

  connect(1);

  return {
    subscribe(request, handlers) {
      const subscription: Subscription = { id: "", request, handlers };
      begin(subscription);
      return {
        setMaxHz(maxHz) {
          if (subscription.request.maxHz === maxHz || !end(subscription)) return;
          subscription.request = { ...subscription.request, maxHz };
          // Under a new id it goes on at its cursor, like after a reconnect.
          begin(subscription);
        },
        end: () => void end(subscription),
      };
    },
    status: () => status,
    check() {
      if (socket === undefined || !writable) return;
      send(socket, { type: "ping" });
      listenAgain(socket, Math.min(CHECK_MS, silenceMs));
    },
    close() {
      if (ended) return;
      ended = true;
      clearTimeout(retryTimer);
      clearTimeout(silenceTimer);
      clearRetries();
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
