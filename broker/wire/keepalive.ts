import type { BrokerEvents } from "../common/events.ts";
import type { Link } from "./link.ts";

const SWEEP_MS = 500;

/**
 * Closes connections that are silent for one and a half times their keep-alive [MQTT-3.1.2-24]. Aedes' own timers
 * would also close connections that the broker has stopped reading from. Also closes connections whose client does
 * not read: Aedes checks only its own writes. Returns a function that stops it.
 */
export function startKeepalive(options: {
  readonly links: ReadonlySet<Link>;
  readonly events: BrokerEvents;
  readonly drainTimeoutMs: number;
  readonly nowMs: () => number;
}): () => void {
  const { links, events, drainTimeoutMs, nowMs } = options;
  function drop(link: Link, reason: "keepalive" | "drain-timeout"): void {
    if (link.droppedFor !== undefined) return;
    events.connectionDropped(reason, link.clientId);
    link.drop(reason);
  }
  function sweep(): void {
    const now = nowMs();
    for (const link of links) {
      if (link.stalled) link.answerPings();
      if (link.fullForMs(now) > drainTimeoutMs) drop(link, "drain-timeout");
      if (link.heard || link.stalled) {
        link.heard = false;
        link.heardAtMs = now;
      } else if (link.silenceMsMax > 0 && now - link.heardAtMs > link.silenceMsMax) {
        drop(link, "keepalive");
      }
    }
  }
  const timer = setInterval(sweep, SWEEP_MS);
  timer.unref();
  return () => clearInterval(timer);
}
