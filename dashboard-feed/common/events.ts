import type { Logger } from "pino";
import type { Channel } from "../../contracts/feed/channels.ts";
import type { ErrorCode } from "../../contracts/feed/protocol.ts";
import type { StreamName } from "../../domain/subjects.ts";
import { US_PER_SECOND } from "../../domain/time.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import type { Metrics } from "../../platform/metrics.ts";

export type CloseReason = "left" | "unauthorized" | "too-slow" | "silent" | "bad-frames" | "shutting-down" | "error";

/** Bad messages and refusals come in floods: each kind is logged once in this time, and always counted. */
const QUIET_MS = 10_000;

/** What happens in the dashboard feed, both logged and counted. */
export interface FeedEvents {
  listened(address: string): void;
  clientConnected(remote: string): void;
  clientRefused(reason: string, remote: string): void;
  clientClosed(reason: CloseReason, remote: string): void;
  subscribed(channel: Channel): void;
  subscriptionEnded(channel: Channel): void;
  frameRefused(code: ErrorCode): void;
  /** Counted when the turn ends: it happens too often for a metric each time. */
  itemsSent(channel: Channel, count: number): void;
  turnEnded(): void;
  /** A flush was put off because the client was slow: it gets only the newest later. */
  flushConflated(): void;
  /** What all clients together have not taken yet, and the slowest of them. */
  unsentMeasured(bytes: { readonly total: number; readonly most: number }): void;
  gapTold(channel: Channel, missed: number): void;
  resumed(channel: Channel): void;
  entryApplied(stream: StreamName, lagUs: number): void;
  badMessageSkipped(stream: StreamName, message: LogMessage, error: unknown): void;
  badReportSkipped(subject: string): void;
  repeatedFrameSkipped(): void;
  readFailed(stream: StreamName, error: unknown): void;
  /** Nothing can be shown until it is. */
  logNotIdentified(error: unknown): void;
  /** The rules are shown all the same, until the next start. */
  rulesNotKept(error: unknown): void;
  overflowed(what: "series" | "devices" | "incidents"): void;
  requestServed(route: string, status: number): void;
  requestFailed(route: string, error: unknown): void;
}

export function createFeedEvents(deps: { readonly logger: Logger; readonly metrics: Metrics }): FeedEvents {
  const { logger, metrics } = deps;
  const clients = metrics.gauge("weir_feed_clients", "WebSocket clients connected now.");
  const subscriptions = metrics.gauge("weir_feed_subscriptions", "Subscriptions now.", ["channel"]);
  const sent = metrics.counter("weir_feed_sent_total", "Items sent to clients.", ["channel"]);
  const conflated = metrics.counter(
    "weir_feed_conflated_total",
    "Updates put off because a client was slow; it got only the newest values later.",
  );
  const unsent = metrics.gauge("weir_feed_unsent_bytes", "Bytes that clients have not taken yet, all together.");
  const unsentMost = metrics.gauge("weir_feed_unsent_bytes_most", "Bytes that the slowest client has not taken yet.");
  const closed = metrics.counter("weir_feed_closed_total", "Connections ended.", ["reason"]);
  const refused = metrics.counter("weir_feed_refused_total", "Connections refused.", ["reason"]);
  const badFrames = metrics.counter("weir_feed_bad_frames_total", "Client frames answered with an error.", ["code"]);
  const gaps = metrics.counter("weir_feed_gaps_total", "Clients told that they missed something.", ["channel"]);
  const resumes = metrics.counter("weir_feed_resumed_total", "Subscriptions resumed from a cursor.", ["channel"]);
  const lag = metrics.gauge("weir_feed_lag_seconds", "Age of the log entry applied last, when it was applied.", [
    "stream",
  ]);
  const bad = metrics.counter("weir_feed_bad_messages_total", "Messages that could not be read and were skipped.", [
    "stream",
  ]);
  const repeated = metrics.counter(
    "weir_feed_repeated_frames_total",
    "Frames of windows that came again and were skipped.",
  );
  const readFailures = metrics.counter("weir_feed_read_failures_total", "Times that reading the log failed.", [
    "stream",
  ]);
  const overflow = metrics.counter("weir_feed_overflow_total", "What no longer fitted into the views.", ["what"]);
  const requests = metrics.counter("weir_feed_requests_total", "HTTP requests answered.", ["route", "status"]);
  const sentNow = new Map<Channel, number>();
  const loggedAtMs = new Map<string, number>();

  /** Kinds are few, so the map stays small. */
  function seldom(kind: string, write: () => void): void {
    const nowMs = performance.now();
    if (nowMs - (loggedAtMs.get(kind) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return;
    loggedAtMs.set(kind, nowMs);
    write();
  }

  return {
    listened(address) {
      logger.info({ address }, "the dashboard feed listens");
    },
    clientConnected(remote) {
      clients.inc();
      logger.debug({ remote }, "a feed client connected");
    },
    clientRefused(reason, remote) {
      refused.inc({ reason });
      seldom(`refused ${reason}`, () => logger.warn({ reason, remote }, "a feed client was refused"));
    },
    clientClosed(reason, remote) {
      clients.dec();
      closed.inc({ reason });
      if (reason === "too-slow") logger.warn({ remote }, "a feed client was too slow for its alerts and was closed");
      else logger.debug({ remote, reason }, "a feed client is gone");
    },
    subscribed(channel) {
      subscriptions.inc({ channel });
    },
    subscriptionEnded(channel) {
      subscriptions.dec({ channel });
    },
    frameRefused(code) {
      badFrames.inc({ code });
    },
    itemsSent(channel, count) {
      sentNow.set(channel, (sentNow.get(channel) ?? 0) + count);
    },
    turnEnded() {
      for (const [channel, count] of sentNow) sent.inc({ channel }, count);
      sentNow.clear();
    },
    flushConflated() {
      conflated.inc();
    },
    unsentMeasured({ total, most }) {
      unsent.set(total);
      unsentMost.set(most);
    },
    gapTold(channel, missed) {
      gaps.inc({ channel });
      logger.info({ channel, missed }, "a feed client came back too late to miss nothing");
    },
    resumed(channel) {
      resumes.inc({ channel });
    },
    entryApplied(stream, lagUs) {
      lag.set({ stream }, lagUs / US_PER_SECOND);
    },
    badMessageSkipped(stream, { subject, sequence }, error) {
      bad.inc({ stream });
      seldom(`bad ${stream}`, () => logger.error({ subject, sequence, err: error }, "a log message was no valid one"));
    },
    badReportSkipped(subject) {
      bad.inc({ stream: "stats" });
      seldom("bad stats", () => logger.warn({ subject }, "a stats report was no valid one"));
    },
    repeatedFrameSkipped() {
      repeated.inc();
    },
    readFailed(stream, error) {
      readFailures.inc({ stream });
      logger.error({ stream, err: error }, "reading the log failed and is tried again");
    },
    logNotIdentified(error) {
      seldom("log id", () => logger.error({ err: error }, "the log's name could not be read; it is tried again"));
    },
    rulesNotKept(error) {
      logger.debug({ err: error }, "the newest rules could not be kept for the next start");
    },
    overflowed(what) {
      overflow.inc({ what });
      seldom(`overflow ${what}`, () => logger.warn({ what }, "the feed's views are full: some are not shown"));
    },
    requestServed(route, status) {
      requests.inc({ route, status });
    },
    requestFailed(route, error) {
      seldom(`request ${route}`, () => logger.error({ route, err: error }, "an HTTP request failed"));
    },
  };
}
