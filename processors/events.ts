import type { Logger } from "pino";
import type { AlertChange } from "../domain/alert.ts";
import type { Ledger } from "../engine/step.ts";
import type { Metrics } from "../platform/metrics.ts";

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
  const frozen = metrics.counter(
    "weir_processor_frozen_seconds_total",
    "Time that processing stood still while states were taken for checkpoints.",
  );
  const forwarded = metrics.counter(
    "weir_processor_forwarded_total",
    "Readings handed on to rules that group over several devices.",
  );
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
  const owned = metrics.gauge("weir_processor_owned_tasks", "Tasks that this processor works on.");
  const takeovers = metrics.counter(
    "weir_processor_takeovers_total",
    "Tasks taken over from a processor that was lost.",
  );
  const lapses = metrics.counter("weir_processor_lease_lapses_total", "Times that the lease was not renewed in time.");

  const loads = metrics.counter("weir_processor_rule_loads_total", "Times that rules were loaded from their files.");
  const badFiles = metrics.gauge(
    "weir_processor_rule_files_bad",
    "1 while the rule files have problems, and the rules before stay in force.",
  );

  let linesSinceMs = 0;
  let lines = 0;

  return {
    entriesProcessed: (count: number) => entries.inc(count),
    ledgerMoved(before: Ledger, now: Ledger) {
      readings.inc(wantedOf(now) - wantedOf(before));
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
    readingsForwarded: (count: number) => forwarded.inc(count),
    checkpointSaved(partition: number, saved: { readonly bytes: number; readonly frozenMs: number }) {
      checkpoints.inc();
      checkpointBytes.set({ partition }, saved.bytes);
      frozen.inc(saved.frozenMs / 1000);
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
    endedUnsaved: (partition: number, error: unknown) =>
      logger.error({ partition, err: error }, "a partition ended without a checkpoint"),
    tasksOwned: (count: number) => owned.set(count),
    workEnded(task: number) {
      // From now on another one tells these.
      for (const figure of [lag, keys, checkpointBytes]) figure.remove({ partition: task });
    },
    tasksTaken(tasks: readonly number[], fromLost: number) {
      takeovers.inc(fromLost);
      logger.info({ tasks, fromLost }, "tasks taken");
    },
    taskReleased: (task: number) => logger.debug({ task }, "task released"),
    taskLost: (task: number) => logger.warn({ task }, "task lost to another processor"),
    memberLost: (member: string) => logger.warn({ member }, "processor lost; its tasks are free"),
    leaseLapsed(lateMs: number) {
      lapses.inc();
      logger.warn({ lateMs: Math.round(lateMs) }, "lease renewed late; nothing was written meanwhile");
    },
    ownersNotAgreed: (error: unknown) =>
      logger.error({ err: error }, "could not agree with the other processors who works on what; trying again"),
    rulesLoaded(count: number, version: string) {
      loads.inc();
      badFiles.set(0);
      logger.info({ rules: count, version }, "rules loaded");
    },
    rulesRefused(problems: string) {
      badFiles.set(1);
      logger.error(`the rule files have problems; the rules before stay in force\n${problems}`);
    },
    rulesMended() {
      badFiles.set(0);
      logger.info("the rule files are in order again");
    },
  };
}

export type ProcessorEvents = ReturnType<typeof createProcessorEvents>;

function wantedOf({ onTime, lateApplied, lateDropped, duplicates }: Ledger): number {
  return onTime + lateApplied + lateDropped + duplicates;
}
