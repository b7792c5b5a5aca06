import type { FeedConfig } from "../config.ts";
import { formatCursor, type Position } from "../cursor.ts";
import type { FeedEvents } from "../events.ts";
import type { Channel } from "../protocol.ts";

export type Limits = FeedConfig["limits"];

/** The way to one client. */
export interface Outlet {
  /** What the client has not taken yet. */
  readonly unsentBytes: number;
  send(frame: Buffer | string): void;
  close(reason: "too-slow" | "error"): void;
}

/** What one client asked to see of one channel. */
export interface Subscription {
  readonly channel: Channel;
  /** Sends what is due. Called at every tick of the hub, and when there may be something at once. */
  pump(tick: number): void;
  end(): void;
}

export interface SubscriptionBase {
  readonly id: string;
  readonly channel: Channel;
  readonly cursor?: string;
  readonly outlet: Outlet;
  readonly limits: Limits;
  readonly events: FeedEvents;
  /** Whether the log is at or beyond a sequence, when a cursor is ahead of the view. */
  readonly logReached: (sequence: number) => Promise<boolean>;
}

/** Text of a frame whose items are JSON already. */
export function itemsFrame(
  kind: "snapshot" | "update",
  to: { readonly id: string; readonly channel: Channel },
  items: { readonly position: Position; readonly text: string },
): string {
  const cursor = formatCursor(to.channel, items.position);
  return `{"type":"${kind}","id":${JSON.stringify(to.id)},"cursor":"${cursor}","items":[${items.text}]}`;
}

export function gapFrame(
  to: { readonly id: string; readonly channel: Channel },
  gap: { readonly position: Position; readonly missed: number },
): string {
  return JSON.stringify({
    type: "gap",
    id: to.id,
    cursor: formatCursor(to.channel, gap.position),
    missed: gap.missed,
  });
}
