import type { Logger } from "pino";
import type { AlertChange } from "../domain/alert.ts";
import type { Metrics } from "../platform/metrics.ts";
import type { Ledger } from "./step/step.ts";

const ALERT_LINES_PER_SECOND_MAX = 5;

/** What happens in the processors, logged and counted in one place. */
export function createProcessorEvents(logger: Logger, metrics: Metrics) {
  const entries = metrics.counter("weir_processor_entries_total", "Log entries processed.");
  const readings = metrics.counter("weir_processor_readings_total", "Readings that a rule wanted.");
  const duplicates = metrics.counter("weir_processor_duplicates_total", "Of these, readings that were there already.");
  const late = metrics.counter("weir_processor_late_total", "Readings for a closed window.", ["fate"]);
  const windows = metrics.counter("weir_processor_windows_total", "Window results published.");
  const alerts = metrics.counter("weir_processor_alerts_total", "Alert changes published.", ["state"]);
  const checkpoints = metrics.counter("weir_processor_checkpoints_total", "Checkpoints saved.");
  const checkpointBytes = metrics.gauge("weir_processor_checkpoint_bytes", "Size of the newest checkpoint.", [
    "partition",
  ]);
  const lag = metrics.gauge("weir_processor_lag_us", "Age of the newest processed entry when it was processed.", [
    "partition",
  ]);
  const keys = metrics.gauge("weir_processor_keys", "Live keys of all rules.", ["partition"]);
  const bad = metrics.counter(
    "weir_processor_bad_entries_total",
    "Log entries that could not be read, and were passed over.",
  );
  const restarts = metrics.counter(
    "weir_processor_restarts_total",
    "Partitions that had to begin again from a checkpoint.",
  );

  let linesSinceMs = 0;
  let lines = 0;

  return {
    entriesProcessed: (count: number) => entries.inc(count),
    ledgerMoved(before: Ledger, now: Ledger) {
      readings.inc(now.readings - before.readings);
      duplicates.inc(now.duplicates - before.duplicates);
      late.inc({ fate: "applied" }, now.lateApplied - before.lateApplied);
      late.inc({ fate: "dropped" }, now.lateDropped - before.lateDropped);
    },
    windowsPublished: (count: number) => windows.inc(count),
    alertPublished(change: AlertChange) {
      alerts.inc({ state: change.state });
      // A replay makes thousands a second: the log shows some, the counters and the alerts stream all.
      const nowMs = performance.now();
      if (nowMs - linesSinceMs > 1000) {
        linesSinceMs = nowMs;
        lines = 0;
      }
      if (++lines > ALERT_LINES_PER_SECOND_MAX) return;
      const about = { rule: change.rule, ...change.key, value: change.value };
      const text = change.annotations.summary ?? change.rule;
      if (change.state === "firing") logger.warn(about, `alert firing: ${text}`);
      else if (change.state === "resolved") logger.info(about, `alert resolved: ${text}`);
    },
    checkpointSaved(partition: number, bytes: number) {
      checkpoints.inc();
      checkpointBytes.set({ partition }, bytes);
    },
    caughtUp: (partition: number, entriesReplayed: number) =>
      logger.debug({ partition, entriesReplayed }, "partition caught up"),
    figuresMoved(partition: number, figures: { readonly lagUs: number; readonly keys: number }) {
      lag.set({ partition }, figures.lagUs);
      keys.set({ partition }, figures.keys);
    },
    entryUnreadable(partition: number, sequence: number, error: unknown) {
      bad.inc();
      logger.error({ partition, sequence, err: error }, "a log entry cannot be read; passed over");
    },
    checkpointUnusable: (partition: number, why: string) =>
      logger.warn({ partition }, `checkpoint not usable (${why}); reading the log from its beginning`),
    partitionFailed(partition: number, error: unknown, retryMs: number) {
      restarts.inc();
      logger.error(
        { partition, err: error, retryMs },
        "a partition's processing stopped; beginning again from its checkpoint",
      );
    },
    rulesLoaded: (count: number, version: string) => logger.info({ rules: count, version }, "rules loaded"),
    rulesRefused: (problems: string) =>
      logger.error(`the rule files have problems; the rules before stay in force\n${problems}`),
  };
}

export type ProcessorEvents = ReturnType<typeof createProcessorEvents>;
