import type { Logger } from "pino";
import type { Channel } from "../../contracts/feed/channels.ts";
import type { ErrorCode } from "../../contracts/feed/protocol.ts";
import type { StreamName } from "../../domain/subjects.ts";
import { US_PER_SECOND } from "../../domain/time.ts";
import { counter, createFigures, type Figures, gauge } from "../../platform/figures.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import type { Metrics } from "../../platform/metrics.ts";
import { QuietLag } from "../../platform/quiet-lag.ts";

export type CloseReason = "left" | "unauthorized" | "too-slow" | "silent" | "bad-frames" | "shutting-down" | "error";

/** Bad messages and refusals come in floods. Each kind is always counted, but logged only once in this time. */
const QUIET_MS = 10_000;

export const FIGURES = {
  clients: gauge("weir_feed_clients", "WebSocket clients connected now."),
  subscriptions: gauge("weir_feed_subscriptions", "Subscriptions now.", ["channel"]),
  sent: counter("weir_feed_sent_total", "Items sent to clients.", ["channel"]),
  conflated: counter(
    "weir_feed_conflated_total",
    "Updates delayed for a slow client, which got only the newest values later.",
  ),
  unsent: gauge("weir_feed_unsent_bytes", "Unread bytes of all clients together."),
  unsentMost: gauge("weir_feed_unsent_bytes_most", "Unread bytes of the slowest client."),
  closed: counter("weir_feed_closed_total", "Connections ended.", ["reason"]),
  refused: counter("weir_feed_refused_total", "Connections refused.", ["reason"]),
  badFrames: counter("weir_feed_bad_frames_total", "Client frames answered with an error.", ["code"]),
  gaps: counter("weir_feed_gaps_total", "Gaps sent to clients that missed items.", ["channel"]),
  resumes: counter("weir_feed_resumed_total", "Subscriptions resumed from a cursor.", ["channel"]),
  lag: gauge(
    "weir_feed_lag_seconds",
    "Age of the newest log entry when it was applied; 0 when none came for a while.",
    ["stream"],
  ),
  bad: counter("weir_feed_bad_messages_total", "Messages that could not be read and were skipped.", ["stream"]),
  repeated: counter("weir_feed_repeated_frames_total", "Repeated frames of windows, which were skipped."),
  readFailures: counter("weir_feed_read_failures_total", "Failed attempts to read the log.", ["stream"]),
  overflow: counter("weir_feed_overflow_total", "Items left out because the views were full.", ["what"]),
  evicted: counter("weir_feed_evicted_total", "Silent items that made room for new ones in full views.", ["what"]),
  requests: counter("weir_feed_requests_total", "HTTP requests answered.", ["route", "status"]),
};

type FeedFigures = Figures<typeof FIGURES>;
/** Writes a log line unless one of the same kind was just written. */
type Rarely = (kind: string, write: () => void) => void;

export type FeedEvents = ReturnType<typeof createFeedEvents>;

/** The one place where events in the dashboard feed are logged and counted. */
export function createFeedEvents(logger: Logger, metrics: Metrics) {
  const figures = createFigures(metrics, FIGURES);
  const rarely = rareLines();
  return {
    ...connectionEvents(logger, figures, rarely),
    ...subscriptionEvents(logger, figures),
    ...viewEvents(logger, figures, rarely),
    ...requestEvents(logger, figures, rarely),
  };
}

/** Clients that connect and disconnect. */
function connectionEvents(logger: Logger, figures: FeedFigures, rarely: Rarely) {
  return {
    listened: (address: string) => logger.info({ address }, "the dashboard feed listens"),
    clientConnected(remote: string) {
      figures.clients.inc();
      logger.debug({ remote }, "feed client connected");
    },
    clientRefused(reason: string, remote: string) {
      figures.refused.inc({ reason });
      rarely(`refused ${reason}`, () => logger.warn({ reason, remote }, "feed client refused"));
    },
    clientClosed(reason: CloseReason, remote: string) {
      figures.clients.dec();
      figures.closed.inc({ reason });
      if (reason === "too-slow") logger.warn({ remote }, "feed client closed: it was too slow for its alerts");
      else logger.debug({ remote, reason }, "feed client disconnected");
    },
    /** The unread bytes of all clients together, and of the slowest one. */
    unsentMeasured({ total, most }: { readonly total: number; readonly most: number }) {
      figures.unsent.set(total);
      figures.unsentMost.set(most);
    },
    frameRefused: (code: ErrorCode) => figures.badFrames.inc({ code }),
  };
}

/** What the feed sends to clients. */
function subscriptionEvents(logger: Logger, figures: FeedFigures) {
  const { subscriptions, sent } = figures;
  const sentNow = new Map<Channel, number>();
  return {
    subscribed: (channel: Channel) => subscriptions.inc({ channel }),
    subscriptionEnded: (channel: Channel) => subscriptions.dec({ channel }),
    /** Counted at the end of the turn: updating a metric for each item would cost too much. */
    itemsSent(channel: Channel, count: number) {
      sentNow.set(channel, (sentNow.get(channel) ?? 0) + count);
    },
    turnEnded() {
      for (const [channel, count] of sentNow) sent.inc({ channel }, count);
      sentNow.clear();
    },
    /** An update waits because the client is slow. The client gets only the newest state later. */
    flushConflated: () => figures.conflated.inc(),
    gapSent(channel: Channel, missed: number) {
      figures.gaps.inc({ channel });
      logger.info({ channel, missed }, "feed client missed changes that are no longer available");
    },
    resumed: (channel: Channel) => figures.resumes.inc({ channel }),
  };
}

/** What the views read from the log and the bus. */
function viewEvents(logger: Logger, figures: FeedFigures, rarely: Rarely) {
  const lag = new QuietLag(figures.lag);
  return {
    entryApplied: (stream: StreamName, lagUs: number) => lag.measured(stream, lagUs / US_PER_SECOND),
    badMessageSkipped(stream: StreamName, { subject, sequence }: LogMessage, error: unknown) {
      figures.bad.inc({ stream });
      rarely(`bad ${stream}`, () =>
        logger.error({ subject, sequence, err: error }, "a log message cannot be read; it is skipped"),
      );
    },
    badReportSkipped(subject: string) {
      figures.bad.inc({ stream: "stats" });
      rarely("bad stats", () => logger.warn({ subject }, "a report of metrics cannot be read; it is skipped"));
    },
    repeatedFrameSkipped: () => figures.repeated.inc(),
    readFailed(stream: StreamName, error: unknown) {
      figures.readFailures.inc({ stream });
      logger.error({ stream, err: error }, "reading the log failed; trying again");
    },
    /** The feed shows nothing until the log is identified. */
    logNotIdentified(error: unknown) {
      rarely("log id", () => logger.error({ err: error }, "cannot read the log's id; trying again"));
    },
    /** The feed shows these rules until its next start. */
    rulesNotKept: (error: unknown) => logger.debug({ err: error }, "cannot save the newest rules for the next start"),
    /** After a start, devices are missing that are behind the entries that the feed reads back. */
    seriesNotKept: (error: unknown) =>
      logger.warn({ err: error }, "cannot save or read the newest value of each series for the next start"),
    evicted(what: "series" | "devices") {
      figures.evicted.inc({ what });
      rarely(`evicted ${what}`, () =>
        logger.warn({ what }, "the feed's views are full: those that were silent longest make room for new ones"),
      );
    },
    overflowed(what: "series" | "devices" | "incidents") {
      figures.overflow.inc({ what });
      rarely(`overflow ${what}`, () => logger.warn({ what }, "the feed's views are full: some items are not shown"));
    },
  };
}

/** HTTP. */
function requestEvents(logger: Logger, figures: FeedFigures, rarely: Rarely) {
  return {
    requestServed: (route: string, status: number) => figures.requests.inc({ route, status }),
    requestFailed(route: string, error: unknown) {
      rarely(`request ${route}`, () => logger.error({ route, err: error }, "an HTTP request failed"));
    },
  };
}

/** There are few kinds, so the map stays small. */
function rareLines(): Rarely {
  const writtenAtMs = new Map<string, number>();
  return (kind, write) => {
    const nowMs = performance.now();
    if (nowMs - (writtenAtMs.get(kind) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return;
    writtenAtMs.set(kind, nowMs);
    write();
  };
}
