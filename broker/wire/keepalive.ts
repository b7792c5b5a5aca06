import type { BrokerEvents } from "../common/events.ts";
import type { Link } from "./link.ts";
import { REASON } from "./packets/reason-codes.ts";

const SWEEP_MS = 500;

/**
 * Closes connections that are silent for one and a half times their keep-alive [MQTT-3.1.2-22], but not those that the
 * broker has stopped reading from. Also closes connections without a CONNECT for too long, and those whose client does
 * not read. Returns a function that stops it.
 */
export function startKeepalive(options: {
  readonly links: ReadonlySet<Link>;
  readonly events: BrokerEvents;
  readonly connectTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly nowMs: () => number;
}): () => void {
  const { links, events, connectTimeoutMs, drainTimeoutMs, nowMs } = options;
  const sweepMs = Math.min(SWEEP_MS, connectTimeoutMs);
  function dropDeaf(link: Link): void {
    if (link.droppedFor === undefined) events.connectionDropped("drain-timeout", link.clientId);
    link.drop("drain-timeout");
  }
  function sweep(): void {
    const now = nowMs();
    for (const link of links) {
      if (link.stalled) link.answerPings();
      if (!link.hasConnect && now - link.sinceMs > connectTimeoutMs) link.drop("connect-timeout");
      if (link.fullForMs(now) > drainTimeoutMs) dropDeaf(link);
      if (link.heard || link.stalled) {
        link.heard = false;
        link.heardAtMs = now;
      } else if (link.silenceMsMax > 0 && now - link.heardAtMs > link.silenceMsMax) {
        if (link.droppedFor === undefined) events.connectionDropped("keepalive", link.clientId);
        link.handler?.end("keepalive", REASON.keepaliveTimeout);
      }
    }
  }
  const timer = setInterval(sweep, sweepMs);
  timer.unref();
  return () => clearInterval(timer);
}
