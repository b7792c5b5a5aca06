import type { Logger } from "pino";
import type { Metrics } from "../../platform/metrics.ts";

const TOPIC_CHARACTERS_LOGGED = 300;

/** Logs and counts ingest events in one place. */
// Long: one counter and one line for each event.
export function createIngestEvents(logger: Logger, metrics: Metrics) {
  const messages = metrics.counter("weir_ingest_messages_total", "Messages that arrived.");
  const readings = metrics.counter("weir_ingest_readings_total", "Readings put into frames.");
  const frames = metrics.counter("weir_ingest_frames_total", "Frames sent to the log.");
  const frameBytes = metrics.counter("weir_ingest_frame_bytes_total", "Bytes of these frames.");
  const stored = metrics.counter("weir_ingest_stored_total", "Messages whose readings are in the log.");
  const deadLetters = metrics.counter(
    "weir_ingest_dead_letters_total",
    "Messages kept as dead letters since the start.",
    ["reason"],
  );
  const lettersKept = metrics.gauge(
    "weir_ingest_dead_letters_kept",
    "Dead letters in the log, from all gateways and all starts. The same at each gateway: do not add them up.",
    ["reason"],
  );
  const dropped = metrics.counter("weir_ingest_dropped_total", "Messages that contain nothing to keep.", ["reason"]);
  const clockAhead = metrics.counter("weir_ingest_clock_ahead_total", "Readings from too far in the future.");
  const clockBehind = metrics.counter(
    "weir_ingest_clock_behind_total",
    "Readings whose time cannot be right: before clock.not_before or max_behind of their source, or unreadable.",
  );
  const localTimesGuessed = metrics.counter(
    "weir_ingest_local_times_guessed_total",
    "Local times in the hour that autumn brings twice. The order of arrival says which one they are.",
  );
  const sourceWarnings = metrics.gauge(
    "weir_ingest_source_warnings",
    "Sources that are probably wrong: their time's field was never seen, or they give no readings.",
    ["warning"],
  );
  const refused = metrics.counter(
    "weir_ingest_unkept_total",
    "Messages that could not be kept, and were not acknowledged.",
  );
  const retries = metrics.counter("weir_ingest_retries_total", "Dead letters that were retried.", ["outcome"]);
  const dismissed = metrics.counter("weir_ingest_dismissed_total", "Dead letters that were dismissed: deleted.");
  const rebirths = metrics.counter(
    "weir_ingest_rebirths_total",
    "Nodes of Sparkplug that were asked for their births.",
  );
  const deaths = metrics.counter("weir_ingest_deaths_total", "Sessions of Sparkplug nodes and devices that ended.");
  let quietUntilMs = 0;

  return {
    messageReceived: () => messages.inc(),
    frameSent(count: number, bytes: number) {
      readings.inc(count);
      frames.inc();
      frameBytes.inc(bytes);
    },
    messageStored: () => stored.inc(),
    messageDeadLettered(letter: { readonly reason: string; readonly topic: string; readonly detail: string }) {
      deadLetters.inc({ reason: letter.reason });
      // One line a second is enough: the log has every letter.
      const nowMs = performance.now();
      if (nowMs < quietUntilMs) return;
      quietUntilMs = nowMs + 1000;
      const topic = letter.topic.slice(0, TOPIC_CHARACTERS_LOGGED);
      logger.warn({ topic, reason: letter.reason }, `message became a dead letter: ${letter.detail}`);
    },
    lettersKept(counts: Readonly<Record<string, number>>) {
      lettersKept.reset();
      for (const [reason, count] of Object.entries(counts)) lettersKept.set({ reason }, count);
    },
    messageDropped: (reason: string) => dropped.inc({ reason }),
    clockRanAhead: (readings: number) => clockAhead.inc(readings),
    clockFellBehind: (readings: number) => clockBehind.inc(readings),
    localTimesGuessed(times: number) {
      if (times > 0) localTimesGuessed.inc(times);
    },
    sourceWarned(source: string, { code, message }: { readonly code: string; readonly message: string }) {
      logger.warn(
        { source: source.slice(0, TOPIC_CHARACTERS_LOGGED), warning: code },
        `a source of weir.yaml: ${message}`,
      );
    },
    sourcesWarned(counts: Readonly<Record<string, number>>) {
      sourceWarnings.reset();
      for (const [warning, count] of Object.entries(counts)) sourceWarnings.set({ warning }, count);
    },
    messageNotKept(error: Error) {
      refused.inc();
      logger.error({ err: error }, "a message could not be kept, and its sender gets no acknowledgement");
    },
    letterRetried(sequence: number, outcome: string, by: string) {
      retries.inc({ outcome });
      logger.info({ letter: sequence, outcome, by }, "a dead letter was retried");
    },
    lettersDismissed(count: number, by: string) {
      dismissed.inc(count);
      logger.info({ count, by }, "dead letters were dismissed, and are deleted");
    },
    dismissalRefused: (error: unknown) => logger.warn({ err: error }, "a request to dismiss dead letters was refused"),
    trialRefused: (error: unknown) => logger.warn({ err: error }, "a dead letter could not be tried on the sources"),
    retryRefused: (error: unknown) => logger.warn({ err: error }, "a request to retry dead letters was refused"),
    rebirthAsked(node: string, reason: string) {
      rebirths.inc();
      logger.debug({ node, reason }, "a node of Sparkplug is asked for its births");
    },
    nodeDied(node: string, devices: number) {
      deaths.inc();
      logger.info({ node, devices }, "the session of a node or device of Sparkplug has ended");
    },
    nodesNotKept: (error: unknown) =>
      logger.warn(
        { err: error },
        "what a node of Sparkplug said at its birth could not be kept; it is asked again after a restart",
      ),
    registryRefused: (error: unknown) => logger.warn({ err: error }, "a request to the schema registry failed"),
  };
}

export type IngestEvents = ReturnType<typeof createIngestEvents>;
