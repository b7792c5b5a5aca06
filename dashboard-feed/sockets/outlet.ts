import type { Channel } from "../../contracts/feed/protocol.ts";
import type { FeedConfig } from "../common/config.ts";
import { type CursorScope, formatCursor, type Position } from "../common/cursor.ts";
import type { FeedEvents } from "../common/events.ts";

export type Limits = FeedConfig["limits"];

/** Sends to one client. */
export interface Outlet {
  /** Bytes that the client has not read yet. */
  readonly unsentBytes: number;
  send(text: string): void;
  /** Sends the bytes of one whole WebSocket frame. */
  sendFrame(parts: readonly Buffer[]): void;
  close(reason: "too-slow" | "error"): void;
}

/** One subscription of a client. */
export interface Subscription {
  readonly channel: Channel;
  /** Sends what is due. Returns the hub's next tick at which something may be due. */
  pump(tick: number): number;
  end(): void;
}

export interface SubscriptionBase {
  readonly id: string;
  readonly channel: Channel;
  readonly logId: () => string;
  readonly cursor?: string;
  readonly outlet: Outlet;
  readonly limits: Limits;
  readonly events: FeedEvents;
  /** Whether the log has reached a sequence. A cursor may be ahead of the view. */
  readonly logReached: (sequence: number) => Promise<boolean>;
}

/** The text of a frame whose items are already JSON. */
export function itemsFrame(
  kind: "snapshot" | "update",
  to: CursorScope & { readonly id: string },
  items: { readonly position: Position; readonly text: string },
): string {
  return itemsFrameStart(kind, to, items.position) + items.text + itemsFrameEnd;
}

/** The frame up to its items. */
export function itemsFrameStart(
  kind: "snapshot" | "update",
  to: CursorScope & { readonly id: string },
  position: Position,
): string {
  const cursor = formatCursor(to, position);
  return `{"type":"${kind}","id":${JSON.stringify(to.id)},"cursor":"${cursor}","items":[`;
}

export const itemsFrameEnd = "]}";

/** Names items that left; `text` has them as JSON, joined by commas. */
export function removedFrame(
  to: CursorScope & { readonly id: string },
  removed: { readonly position: Position; readonly text: string },
): string {
  return `${itemsFrameStart("update", to, removed.position)}],"removed":[${removed.text}]}`;
}

export function gapFrame(
  to: CursorScope & { readonly id: string },
  gap: { readonly position: Position; readonly missed: number },
): string {
  return JSON.stringify({
    type: "gap",
    id: to.id,
    cursor: formatCursor(to, gap.position),
    missed: gap.missed,
  });
}
