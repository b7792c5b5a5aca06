import type { Logger } from "pino";
import type { AlertChange } from "../domain/alert.ts";
import { US_PER_SECOND } from "../domain/time.ts";
import type { Ledger } from "../engine/step.ts";
import { rateLimited } from "../platform/async/rate-limited.ts";
import { counter, createFigures, type Figures, gauge } from "../platform/figures.ts";
import type { Metrics } from "../platform/metrics.ts";

/** A replay publishes thousands a second. The log shows a few of them; the counters and the alerts stream have all. */
const ALERT_LINES = { times: 5, everyMs: 1_000 };

const REFUSED_LINES = { times: 1, everyMs: 60_000 };

export const FIGURES = {
  entries: counter("weir_processor_entries_total", "Log entries processed."),
  readings: counter("weir_processor_readings_total", "Readings that a rule uses."),
  duplicates: counter("weir_processor_duplicates_total", "Of these, duplicate readings."),
  late: counter("weir_processor_late_total", "Readings for a closed window.", ["fate"]),
  windows: counter("weir_processor_windows_total", "Window results published."),
  alerts: counter("weir_processor_alerts_total", "Alert changes published.", ["state"]),
  forwarded: counter("weir_processor_forwarded_total", "Readings forwarded to rules that group over several devices."),
  badEntries: counter(
    "weir_processor_bad_entries_total",
    "Log entries that could not be processed, and became dead letters.",
  ),
  refused: counter(
    "weir_processor_refused_readings_total",
    "Readings that some rule did not read, because it has as many keys as it may have.",
  ),
  quarantined: gauge("weir_processor_rules_quarantined", "Rules that failed and are skipped until they are edited.", [
    "partition",
  ]),
  mismatched: gauge(
    "weir_processor_rules_mismatched",
    "Rules that compare numbers, and select texts or booleans. The page's rules say which.",
  ),
  lag: gauge("weir_processor_lag_seconds", "Age of the newest entry when it was processed; 0 when none waits.", [
    "partition",
  ]),
  keys: gauge("weir_processor_keys", "Live keys of all rules.", ["partition"]),
  checkpoints: counter("weir_processor_checkpoints_total", "Checkpoints saved."),
  checkpointBytes: gauge("weir_processor_checkpoint_bytes", "Size of the newest checkpoint.", ["partition"]),
  frozen: counter(
    "weir_processor_frozen_seconds_total",
    "Time during which processing paused to freeze states for checkpoints.",
  ),
  restarts: counter("weir_processor_restarts_total", "Restarts of partitions from a checkpoint."),
  owned: gauge("weir_processor_owned_tasks", "Tasks that this processor works on."),
  takeovers: counter("weir_processor_takeovers_total", "Tasks taken over from a lost processor."),
  lapses: counter("weir_processor_lease_lapses_total", "Leases that were not renewed in time."),
  ruleLoads: counter("weir_processor_rule_loads_total", "Loads of rules from their files."),
  badRuleFiles: gauge(
    "weir_processor_rule_files_bad",
    "1 while the rule files have problems and the previous rules stay in force.",
  ),
};

type ProcessorFigures = Figures<typeof FIGURES>;

export type ProcessorEvents = ReturnType<typeof createProcessorEvents>;

/** The events of the processors, logged and counted in one place. */
export function createProcessorEvents(logger: Logger, metrics: Metrics) {
  const figures = createFigures(metrics, FIGURES);
  return {
    ...processingEvents(logger, figures),
    ...taskEvents(logger, figures),
    ...ownershipEvents(logger, figures),
    ...ruleEvents(logger, figures),
  };
}

/** Entries in, results out. */
function processingEvents(logger: Logger, figures: ProcessorFigures) {
  const { readings, duplicates, late } = figures;
  const quarantined = new Map<number, ReadonlyMap<string, string>>();
  const logRefused = rateLimited((partition: number) => {
    logger.error({ partition }, "a rule has as many keys as it may have; it does not read the series of others");
  }, REFUSED_LINES);
  const logAlert = rateLimited((change: AlertChange) => {
    const about = { rule: change.rule, ...change.key, value: change.value };
    const text = change.annotations.summary ?? change.rule;
    if (change.state === "firing") logger.warn(about, `alert firing: ${text}`);
    else if (change.state === "resolved") logger.info(about, `alert resolved: ${text}`);
  }, ALERT_LINES);
  return {
    entriesProcessed: (count: number) => figures.entries.inc(count),
    ledgerMoved(before: Ledger, now: Ledger) {
      readings.inc(wantedOf(now) - wantedOf(before));
      duplicates.inc(now.duplicates - before.duplicates);
      late.inc({ fate: "applied" }, now.lateApplied - before.lateApplied);
      late.inc({ fate: "dropped" }, now.lateDropped - before.lateDropped);
    },
    windowsPublished: (count: number) => figures.windows.inc(count),
    alertPublished(change: AlertChange) {
      figures.alerts.inc({ state: change.state });
      logAlert(change);
    },
    readingsForwarded: (count: number) => figures.forwarded.inc(count),
    entrySetAside(partition: number, sequence: number, error: unknown) {
      figures.badEntries.inc();
      logger.error({ partition, sequence, err: error }, "a log entry cannot be processed; it is now a dead letter");
    },
    readingsRefused(partition: number, count: number) {
      if (count === 0) return;
      figures.refused.inc(count);
      logRefused(partition);
    },
    rulesQuarantined(partition: number, rules: ReadonlyMap<string, string>) {
      const known = quarantined.get(partition) ?? new Map<string, string>();
      if (rules.size === 0 && known.size === 0) return;
      quarantined.set(partition, rules);
      figures.quarantined.set({ partition }, rules.size);
      for (const [rule, reason] of rules) {
        if (known.get(rule) === reason) continue;
        logger.error({ partition, rule, reason }, "a rule failed and is skipped until it is edited; the others go on");
      }
    },
    figuresMoved(partition: number, now: { readonly lagUs: number; readonly keys: number }) {
      figures.lag.set({ partition }, Math.max(0, now.lagUs) / US_PER_SECOND);
      figures.keys.set({ partition }, now.keys);
    },
  };
}

/** One task's life: catching up, checkpoints, failures. */
function taskEvents(logger: Logger, figures: ProcessorFigures) {
  return {
    caughtUp: (partition: number, entriesReplayed: number) =>
      logger.debug({ partition, entriesReplayed }, "partition caught up"),
    checkpointSaved(partition: number, saved: { readonly bytes: number; readonly frozenMs: number }) {
      figures.checkpoints.inc();
      figures.checkpointBytes.set({ partition }, saved.bytes);
      figures.frozen.inc(saved.frozenMs / 1000);
    },
    checkpointUnusable: (partition: number, why: string) =>
      logger.warn({ partition }, `checkpoint not usable (${why}); reading the log from its beginning`),
    partitionFailed(partition: number, error: unknown, retryMs: number) {
      figures.restarts.inc();
      logger.error(
        { partition, err: error, retryMs },
        "a partition's processing failed; it restarts from its checkpoint",
      );
    },
    endedUnsaved: (partition: number, error: unknown) =>
      logger.error({ partition, err: error }, "a partition ended without a checkpoint"),
    workEnded(task: number) {
      // From now on another processor reports these.
      for (const figure of [figures.lag, figures.keys, figures.checkpointBytes]) figure.remove({ partition: task });
    },
  };
}

/** Which processor works on what. */
function ownershipEvents(logger: Logger, figures: ProcessorFigures) {
  return {
    tasksOwned: (count: number) => figures.owned.set(count),
    tasksTaken(tasks: readonly number[], fromLost: number) {
      figures.takeovers.inc(fromLost);
      logger.info({ tasks, fromLost }, "tasks taken");
    },
    taskReleased: (task: number) => logger.debug({ task }, "task released"),
    taskLost: (task: number) => logger.warn({ task }, "task lost to another processor"),
    memberLost: (member: string) => logger.warn({ member }, "processor lost; its tasks are free"),
    leaseLapsed(lateMs: number) {
      figures.lapses.inc();
      logger.warn({ lateMs: Math.round(lateMs) }, "lease renewed late; nothing was written in between");
    },
    ownersNotAgreed: (error: unknown) =>
      logger.error({ err: error }, "could not agree with the other processors on the owners of tasks; trying again"),
  };
}

/** The rule files. */
function ruleEvents(logger: Logger, figures: ProcessorFigures) {
  let mismatched: ReadonlyMap<string, string> = new Map();
  return {
    rulesMismatched(rules: ReadonlyMap<string, string>) {
      figures.mismatched.set(rules.size);
      for (const [rule, why] of rules) {
        if (mismatched.get(rule) !== why) logger.warn({ rule }, `a rule compares numbers with another kind: ${why}`);
      }
      mismatched = rules;
    },
    rulesLoaded(count: number, version: string) {
      figures.ruleLoads.inc();
      figures.badRuleFiles.set(0);
      logger.info({ rules: count, version }, "rules loaded");
    },
    rulesRefused(problems: string) {
      figures.badRuleFiles.set(1);
      logger.error(`the rule files have problems; the previous rules stay in force\n${problems}`);
    },
    rulesFixed() {
      figures.badRuleFiles.set(0);
      logger.info("the rule files are in order again");
    },
  };
}

function wantedOf({ onTime, lateApplied, lateDropped, duplicates }: Ledger): number {
  return onTime + lateApplied + lateDropped + duplicates;
}
