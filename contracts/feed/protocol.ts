import type { AlertChange } from "../../domain/alert.ts";
import type { ReadingValue, Tags } from "../../domain/reading.ts";
import type { WindowResult } from "../../domain/window-result.ts";

/** The WebSocket subprotocol. Frames are JSON text. Described for others in `docs/asyncapi.yaml`. */
export const SUBPROTOCOL = "weir.v1";

export const CHANNELS = ["windows", "alerts", "readings", "devices", "stats"] as const;
export type Channel = (typeof CHANNELS)[number];

/**
 * Every given part must match; of a list, one of its patterns. `*` and `?` are wildcards. Names other than rule and
 * severity are labels.
 */
export type Filter = Readonly<Record<string, string | readonly string[]>>;

export type ClientFrame =
  /** The first frame of a client that could show its token neither in a header nor as a subprotocol. */
  | { readonly type: "auth"; readonly token: string }
  | {
      readonly type: "subscribe";
      readonly id: string;
      readonly channel: Channel;
      readonly filter?: Filter;
      /** From an earlier snapshot or update of the same channel: go on from there. */
      readonly cursor?: string;
      /** Updates a second for this subscription, at most (0.1 to 20; default 4). Alerts come at once. */
      readonly maxHz?: number;
    }
  | { readonly type: "unsubscribe"; readonly id: string }
  /** Answered with a `heartbeat`. */
  | { readonly type: "ping" };

export type ServerFrame =
  /** Once the client may subscribe. From then on there is a `heartbeat` every `heartbeatMs`. */
  | {
      readonly type: "welcome";
      readonly protocol: typeof SUBPROTOCOL;
      readonly serverTimeUs: number;
      readonly heartbeatMs: number;
    }
  /** A sign of life that a browser can see, unlike a WebSocket ping. */
  | { readonly type: "heartbeat"; readonly serverTimeUs: number }
  | { readonly type: "snapshot"; readonly id: string; readonly cursor: string; readonly items: readonly Item[] }
  | { readonly type: "update"; readonly id: string; readonly cursor: string; readonly items: readonly Item[] }
  /**
   * Changes are lost to this subscription: `missed` of them (-1: not known how many). A snapshot follows when its state
   * must begin anew, otherwise its updates go on.
   */
  | { readonly type: "gap"; readonly id: string; readonly cursor: string; readonly missed: number }
  | { readonly type: "error"; readonly id?: string; readonly code: ErrorCode; readonly message: string };

export type ErrorCode =
  | "bad-frame"
  | "unauthorized"
  | "too-many-requests"
  | "unknown-channel"
  | "too-many-subscriptions"
  | "unknown-subscription"
  | "forbidden";

export type Item = WindowResult | AlertChange | ReadingItem | DeviceItem | StatsItem;

/** The newest value of a series. */
export interface ReadingItem {
  readonly device: string;
  readonly metric: string;
  readonly tags: Tags;
  readonly atUs: number;
  readonly value: ReadingValue;
}

export interface DeviceItem {
  readonly device: string;
  readonly tags: Tags;
  /** Receive time of its newest reading. */
  readonly lastSeenUs: number;
  readonly readings: number;
  /** Readings whose clock ran ahead of the gateway's. */
  readonly clockAhead: number;
  /** Readings that corrected a closed window, that came too late for any, and that came twice; once there were some. */
  readonly lateApplied?: number | undefined;
  readonly lateDropped?: number | undefined;
  readonly duplicates?: number | undefined;
  readonly metrics: Readonly<Record<string, { readonly atUs: number; readonly value: ReadingValue }>>;
}

/** One process' figures. Counters only grow; a rate is the difference of two items over their time. */
export interface StatsItem {
  readonly instance: string;
  readonly atUs: number;
  /** `name` or `name{label="value"}` as in Prometheus. */
  readonly values: Readonly<Record<string, number>>;
}

/** Close codes of our own. */
export const CLOSE_UNAUTHORIZED = 4401;
export const CLOSE_TOO_SLOW = 4008;
export const CLOSE_SHUTTING_DOWN = 1001;
