import type { Logger } from "pino";
import type { Metrics } from "../../platform/metrics.ts";
import type { StoredStream, WriteReport } from "./store.ts";

const WRITE_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Less time left than this is worth a warning. */
const SECONDS_LEFT_WARN = 3600;

/** What happens in the storage, logged and counted in one place. */
export function createStorageEvents(logger: Logger, metrics: Metrics) {
  const points = metrics.counter("weir_storage_points_total", "Points stored.", ["measurement"]);
  const lag = metrics.gauge("weir_storage_lag_messages", "Log messages not stored yet.", ["stream"]);
  const seconds = metrics.histogram("weir_storage_write_seconds", "How long a write took.", WRITE_SECONDS);
  const retries = metrics.counter("weir_storage_retries_total", "Writes that were retried.");
  const deadLetters = metrics.counter(
    "weir_storage_dead_letters_total",
    "Points that the store refused, kept as dead letters.",
  );
  const duplicates = metrics.counter("weir_storage_duplicates_total", "Readings that were stored already.");
  const dropped = metrics.counter("weir_storage_dropped_total", "Points that were not stored, by reason.", ["reason"]);
  const missed = metrics.counter(
    "weir_storage_missed_messages_total",
    "Messages that the log deleted before they were stored.",
    ["stream"],
  );
  const left = metrics.gauge(
    "weir_storage_retention_seconds_left",
    "Time until the log deletes messages that are not stored yet.",
    ["stream"],
  );
  const questions = metrics.counter("weir_storage_questions_total", "History questions.", ["result"]);
  let downSinceMs: number | undefined;
  let downBecause = "";
  let failing = 0;
  const warned = new Set<StoredStream>();

  return {
    started: (store: string) => logger.info({ store }, "storage started"),
    migrationBegan: (store: string, versions: { readonly from: number; readonly to: number }) =>
      logger.info({ store, ...versions }, "the store has an older schema and is being migrated, which takes a while"),
    batchWritten(stream: StoredStream, report: WriteReport, tookSeconds: number) {
      points.inc({ measurement: stream.toLowerCase() }, report.points);
      duplicates.inc(report.duplicates);
      seconds.observe(tookSeconds);
    },
    /** One line when the store goes away, and another for each new reason; not one for each attempt. */
    writeFailed(detail: string, failure: { readonly error: unknown; readonly firstTry: boolean }) {
      retries.inc();
      if (failure.firstTry) failing++;
      if (downSinceMs !== undefined && downBecause === detail) return;
      downSinceMs ??= performance.now();
      downBecause = detail;
      logger.error({ err: failure.error }, `the store is unavailable: ${detail}; results wait in the log`);
    },
    /** A write succeeded after it had failed. Others may still fail. */
    writeRecovered() {
      failing--;
      if (failing > 0 || downSinceMs === undefined) return;
      const awaySeconds = (performance.now() - downSinceMs) / 1000;
      downSinceMs = undefined;
      logger.info(`the store is available again after ${awaySeconds.toFixed(1)} s`);
    },
    /** Why the store cannot be written to; undefined when it can. */
    away: () => (downSinceMs === undefined ? undefined : downBecause),
    pointRefused(line: string, detail: string) {
      deadLetters.inc();
      logger.warn({ line: line.slice(0, 200) }, `the store refused a point, which became a dead letter: ${detail}`);
    },
    pointsDropped(reason: string, count: number) {
      dropped.inc({ reason }, count);
      logger.debug({ reason, count }, "points dropped");
    },
    entryUnreadable(stream: StoredStream, sequence: number, error: unknown) {
      deadLetters.inc();
      logger.error({ err: error, stream, sequence }, "an entry of the log could not be read and became a dead letter");
    },
    deadLetterLost(error: unknown) {
      dropped.inc({ reason: "no-dead-letter" });
      logger.error({ err: error }, "a dead letter could not be kept");
    },
    logReplaced(stream: StoredStream, sequence: number) {
      logger.warn({ stream, sequence }, "this is another log than before; storing it from its start");
    },
    messagesMissed(stream: StoredStream, count: number) {
      missed.inc({ stream }, count);
      logger.error({ stream, count }, "the log deleted messages before they were stored");
    },
    batchFailed(stream: StoredStream, error: unknown) {
      logger.error({ err: error, stream }, "a batch could not be written; it is read from the log again");
    },
    readFailed(stream: StoredStream, error: unknown) {
      logger.error({ err: error, stream }, "reading the log failed; it is retried");
    },
    positionContested(stream: StoredStream) {
      logger.warn({ stream }, "another storage service writes to the same bucket; stop one of them");
    },
    positionNotSaved(stream: StoredStream, error: unknown) {
      logger.warn({ err: error, stream }, "the position was not saved; it is retried");
    },
    lagMeasured(stream: StoredStream, messages: number, secondsLeft: number | undefined) {
      lag.set({ stream }, messages);
      if (secondsLeft === undefined) return;
      left.set({ stream }, secondsLeft);
      const low = messages > 0 && secondsLeft < SECONDS_LEFT_WARN;
      if (low && !warned.has(stream)) {
        logger.warn(
          { stream, messages, secondsLeft: Math.round(secondsLeft) },
          "storage lags; the log will soon delete messages that are not stored",
        );
      }
      if (low) warned.add(stream);
      else warned.delete(stream);
    },
    questionAnswered: () => questions.inc({ result: "answered" }),
    questionFailed(subject: string, error: unknown) {
      questions.inc({ result: "failed" });
      logger.warn({ err: error, subject }, "a history question was not answered");
    },
    retentionApplied: (atUs: number) => logger.debug({ atUs }, "old results deleted"),
    retentionFailed: (error: unknown) =>
      logger.warn({ err: error }, "old results were not deleted; this is retried later"),
  };
}

export type StorageEvents = ReturnType<typeof createStorageEvents>;
