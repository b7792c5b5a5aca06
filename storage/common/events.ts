import type { Logger } from "pino";
import type { Metrics } from "../../platform/metrics.ts";
import type { StoredStream, WriteReport } from "./store.ts";

const WRITE_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Warns when less time than this is left. */
const SECONDS_LEFT_WARN = 3600;

type Figures = ReturnType<typeof figuresOf>;

/** The figures of all stores. The label `store` is set only where there are several. */
function figuresOf(metrics: Metrics) {
  return {
    points: metrics.counter("weir_storage_points_total", "Points stored.", ["measurement", "store"]),
    lag: metrics.gauge("weir_storage_lag_messages", "Log messages not stored yet.", ["stream", "store"]),
    seconds: metrics.histogram("weir_storage_write_seconds", "Duration of a write.", WRITE_SECONDS),
    retries: metrics.counter("weir_storage_retries_total", "Writes that were retried.", ["store"]),
    deadLetters: metrics.counter(
      "weir_storage_dead_letters_total",
      "Points and entries that cannot be stored, kept as dead letters.",
      ["store"],
    ),
    duplicates: metrics.counter("weir_storage_duplicates_total", "Readings that were already stored.", ["store"]),
    dropped: metrics.counter("weir_storage_dropped_total", "Points that were not stored, by reason.", [
      "reason",
      "store",
    ]),
    missed: metrics.counter(
      "weir_storage_missed_messages_total",
      "Messages that the log deleted before they were stored.",
      ["stream", "store"],
    ),
    left: metrics.gauge(
      "weir_storage_retention_seconds_left",
      "Time until the log deletes messages that are not stored yet.",
      ["stream", "store"],
    ),
    questions: metrics.counter("weir_storage_questions_total", "History questions.", ["result"]),
  };
}

/** Logs and counts storage events in one place. */
export class StorageEvents {
  readonly #logger: Logger;
  readonly #figures: Figures;
  readonly #store: { readonly store?: string };
  #downSinceMs: number | undefined;
  #downBecause = "";
  #failing = 0;
  readonly #warned = new Set<StoredStream>();

  constructor(logger: Logger, metrics: Metrics | Figures, store?: string) {
    this.#logger = logger;
    this.#figures = "registry" in metrics ? figuresOf(metrics) : metrics;
    this.#store = store === undefined ? {} : { store };
  }

  /** The events of one store of several. */
  ofStore(store: string): StorageEvents {
    return new StorageEvents(this.#logger.child({ store }), this.#figures, store);
  }

  started(stores: readonly string[]): void {
    this.#logger.info({ stores }, "storage started");
  }

  migrationBegan(store: string, versions: { readonly from: number; readonly to: number }): void {
    this.#logger.info({ store, ...versions }, "the store has an older schema; migrating it may take some time");
  }

  batchWritten(stream: StoredStream, report: WriteReport, tookSeconds: number): void {
    this.#figures.points.inc({ measurement: stream.toLowerCase(), ...this.#store }, report.points);
    this.#figures.duplicates.inc(this.#store, report.duplicates);
    this.#figures.seconds.observe(tookSeconds);
  }

  /** Logs once when the store becomes unavailable, and once for each new reason; not for every attempt. */
  writeFailed(detail: string, failure: { readonly error: unknown; readonly firstTry: boolean }): void {
    this.#figures.retries.inc(this.#store);
    if (failure.firstTry) this.#failing++;
    if (this.#downSinceMs !== undefined && this.#downBecause === detail) return;
    this.#downSinceMs ??= performance.now();
    this.#downBecause = detail;
    this.#logger.error({ err: failure.error }, `the store is unavailable: ${detail}; results wait in the log`);
  }

  /** A retry succeeded. Other writes may still fail. */
  writeRecovered(): void {
    this.#failing--;
    if (this.#failing > 0 || this.#downSinceMs === undefined) return;
    const awaySeconds = (performance.now() - this.#downSinceMs) / 1000;
    this.#downSinceMs = undefined;
    this.#logger.info(`the store is available again after ${awaySeconds.toFixed(1)} s`);
  }

  /** Why the store cannot be written to; undefined when it can. */
  away(): string | undefined {
    return this.#downSinceMs === undefined ? undefined : this.#downBecause;
  }

  pointRefused(line: string, detail: string): void {
    this.#figures.deadLetters.inc(this.#store);
    this.#logger.warn({ line: line.slice(0, 200) }, `the store refused a point, which became a dead letter: ${detail}`);
  }

  batchSplit(stream: StoredStream, rows: number): void {
    this.#logger.debug({ stream, rows }, "a batch is written in parts");
  }

  pointsDropped(reason: string, count: number): void {
    this.#figures.dropped.inc({ reason, ...this.#store }, count);
    this.#logger.debug({ reason, count }, "points dropped");
  }

  entrySetAside(stream: StoredStream, sequence: number, error: unknown): void {
    this.#figures.deadLetters.inc(this.#store);
    this.#logger.error(
      { err: error, stream, sequence },
      "an entry of the log cannot be stored and became a dead letter",
    );
  }

  deadLetterLost(error: unknown): void {
    this.#figures.dropped.inc({ reason: "no-dead-letter", ...this.#store });
    this.#logger.error({ err: error }, "a dead letter could not be kept");
  }

  logReplaced(stream: StoredStream, sequence: number): void {
    this.#logger.warn({ stream, sequence }, "the log is not the same as before; storing it from its start");
  }

  messagesMissed(stream: StoredStream, count: number): void {
    this.#figures.missed.inc({ stream, ...this.#store }, count);
    this.#logger.error({ stream, count }, "the log deleted messages before they were stored");
  }

  batchFailed(stream: StoredStream, error: unknown): void {
    this.#logger.error({ err: error, stream }, "a batch could not be written; it is read from the log again");
  }

  readFailed(stream: StoredStream, error: unknown): void {
    this.#logger.error({ err: error, stream }, "reading the log failed; it is retried");
  }

  positionContested(stream: StoredStream): void {
    this.#logger.warn({ stream }, "another storage service writes to the same bucket; stop one of them");
  }

  positionNotSaved(stream: StoredStream, error: unknown): void {
    this.#logger.warn({ err: error, stream }, "the position was not saved; it is retried");
  }

  lagMeasured(stream: StoredStream, messages: number, secondsLeft: number | undefined): void {
    this.#figures.lag.set({ stream, ...this.#store }, messages);
    if (secondsLeft === undefined) return;
    this.#figures.left.set({ stream, ...this.#store }, secondsLeft);
    const low = messages > 0 && secondsLeft < SECONDS_LEFT_WARN;
    if (low && !this.#warned.has(stream)) {
      this.#logger.warn(
        { stream, messages, secondsLeft: Math.round(secondsLeft) },
        "storage lags; the log will soon delete messages that are not stored",
      );
    }
    if (low) this.#warned.add(stream);
    else this.#warned.delete(stream);
  }

  questionAnswered(): void {
    this.#figures.questions.inc({ result: "answered" });
  }

  questionFailed(subject: string, error: unknown): void {
    this.#figures.questions.inc({ result: "failed" });
    this.#logger.warn({ err: error, subject }, "a history query failed");
  }

  retentionApplied(atUs: number): void {
    this.#logger.debug({ atUs }, "old results deleted");
  }

  retentionFailed(error: unknown): void {
    this.#logger.warn({ err: error }, "old results were not deleted; this is retried later");
  }
}
