import type { Tags } from "../../domain/reading.ts";
import type { Channel, Item } from "./channels.ts";

// The frames of the feed. `frames.ts` has their schemas, `channels.ts` the channels; the server reads both. This file
// and the client need no library, so that a page stays small. `docs/asyncapi.yaml` describes the protocol for others.

export type { Channel, Item } from "./channels.ts";
export type { DeviceItem, DeviceMetric, ReadingItem, StatsItem } from "./items.ts";

/** The WebSocket subprotocol. Frames are JSON text. */
export const SUBPROTOCOL = "weir.v1";

/**
 * Every part must match; of a list, one of its patterns. `*` and `?` are wildcards. Names other than rule and
 * severity are labels.
 */
export type Filter = Readonly<Record<string, string | readonly string[]>>;

export type ClientFrame =
  /** The first frame of a client that could send its token neither in a header nor as a subprotocol. */
  | { readonly type: "auth"; readonly token: string }
  | {
      readonly type: "subscribe";
      readonly id: string;
      readonly channel: Channel;
      readonly filter?: Filter;
      /** From an earlier snapshot or update of the same channel: resume there. */
      readonly cursor?: string;
      /** Updates a second for this subscription, at most (0.1 to 20; default 4). Alerts are sent at once. */
      readonly maxHz?: number;
    }
  | { readonly type: "unsubscribe"; readonly id: string }
  /** Answered with a `heartbeat`. */
  | { readonly type: "ping" };

/** Names an item of the channels `devices` and, with a metric, `readings`. */
export interface RemovedItem {
  readonly device: string;
  readonly metric?: string;
  readonly tags: Tags;
}

export type ServerFrame =
  /** Sent once the client may subscribe. From then on a `heartbeat` follows every `heartbeatMs`. */
  | {
      readonly type: "welcome";
      readonly protocol: typeof SUBPROTOCOL;
      readonly serverTimeUs: number;
      readonly heartbeatMs: number;
    }
  /** A sign that the connection is alive. Unlike a WebSocket ping, a browser can see it. */
  | { readonly type: "heartbeat"; readonly serverTimeUs: number }
  | { readonly type: "snapshot"; readonly id: string; readonly cursor: string; readonly items: readonly Item[] }
  | {
      readonly type: "update";
      readonly id: string;
      readonly cursor: string;
      readonly items: readonly Item[];
      /** Items that the server no longer has: drop them before the items of this frame are added. */
      readonly removed?: readonly RemovedItem[];
    }
  /**
   * This subscription lost changes: `missed` of them (-1: unknown). A snapshot follows when its state must start over;
   * otherwise its updates continue.
   */
  | { readonly type: "gap"; readonly id: string; readonly cursor: string; readonly missed: number }
  | { readonly type: "error"; readonly id?: string; readonly code: ErrorCode; readonly message: string };

/** Why the server refuses a frame. */
export const ERROR_CODES = {
  "bad-frame": "not a frame of this protocol, or an id in use",
  unauthorized: "no token or an unknown one; the connection is closed",
  forbidden: "the token does not allow this channel",
  "unknown-channel": "the channel does not exist",
  "unknown-subscription": "no subscription has this id",
  "too-many-subscriptions": "the connection has the most subscriptions allowed",
  "too-many-requests": "too many frames a second: ask again later",
};
export type ErrorCode = keyof typeof ERROR_CODES;

/** Close codes that Weir defines. */
export const CLOSE_UNAUTHORIZED = 4401;
export const CLOSE_TOO_SLOW = 4008;
export const CLOSE_SHUTTING_DOWN = 1001;
