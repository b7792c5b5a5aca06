import { DEVICE_LEDGERS, deviceLedgersSchema } from "../../contracts/device-ledgers.ts";
import type { Channel } from "../../contracts/feed/protocol.ts";
import type { Deps } from "../../platform/service.ts";
import { STATS_SUBJECTS } from "../../platform/stats.ts";
import type { FeedConfig } from "../common/config.ts";
import type { Position } from "../common/cursor.ts";
import type { FeedEvents } from "../common/events.ts";
import { AlertsView } from "./alerts-view.ts";
import type { DevicesView } from "./devices-view.ts";
import { type Follower, follow } from "./follow.ts";
import { identifyLog } from "./log-identity.ts";
import { Progress } from "./progress.ts";
import { ReadingsView } from "./readings-view.ts";
import { RuleMemory } from "./rule-memory.ts";
import { StatsView } from "./stats-view.ts";
import { WindowsView } from "./windows-view.ts";

export interface Views {
  readonly windows: WindowsView;
  readonly alerts: AlertsView;
  readonly readings: ReadingsView;
  readonly devices: DevicesView;
  readonly stats: StatsView;
  /** Names the log; the empty text until it is known, and before that no view is loaded. */
  logId(): string;
  missedSince(channel: Channel, position: Position): number;
  /** Why the views do not show the present; undefined when they do. */
  notReady(): string | undefined;
  stop(): Promise<void>;
}

export interface ViewsOptions {
  readonly config: FeedConfig["history"];
  readonly deps: Pick<Deps, "log" | "clock">;
  readonly events: FeedEvents;
  readonly onAlerts: () => void;
}

/** Builds the views and begins to feed them from the log and the bus. */
export function startViews({ config, deps, events, onAlerts }: ViewsOptions): Views {
  const { log, clock } = deps;
  const progress = { READINGS: new Progress(), WINDOWS: new Progress(), ALERTS: new Progress() };
  const readings = new ReadingsView({
    progress: progress.READINGS,
    seriesMax: config.series_max,
    devicesMax: config.devices_max,
    onOverflow: (what) => events.overflowed(what),
  });
  const windows = new WindowsView({
    progress: progress.WINDOWS,
    windowsPerSeries: config.windows_per_series_max,
    windowsMax: config.windows_max,
    onRepeat: () => events.repeatedFrameSkipped(),
  });
  const alerts = new AlertsView({
    progress: progress.ALERTS,
    incidentsMax: config.incidents_max,
    changesMax: config.alert_changes_max,
    onOverflow: () => events.overflowed("incidents"),
  });
  const stats = new StatsView({ instancesMax: config.instances_max });

  const stopping = new AbortController();
  let logId = "";
  const identified = identifyLog(log.records, {
    signal: stopping.signal,
    onFailed: (error) => events.logNotIdentified(error),
  }).then((id) => {
    logId = id ?? "";
  });

  function followInto(
    stream: keyof typeof progress,
    more: Pick<Parameters<typeof follow>[0], "apply" | "onApplied" | "newestOfEachSubject">,
  ): Follower {
    return follow({
      log,
      clock,
      stream,
      progress: progress[stream],
      after: identified,
      lookbackEntries: config.lookback_entries_max,
      onBadMessage: (message, error) => events.badMessageSkipped(stream, message, error),
      onReadFailed: (error) => events.readFailed(stream, error),
      onLag: (lagUs) => events.entryApplied(stream, lagUs),
      ...more,
    });
  }

  const rules = new RuleMemory({ records: log.records, onFailed: (error) => events.rulesNotKept(error) });
  void rules.recall().then((ruleSet) => {
    readings.ruleSet ??= ruleSet;
  });

  const followers = {
    READINGS: followInto("READINGS", {
      apply(message) {
        if (readings.apply(message) === "rule_set" && readings.ruleSet !== undefined) rules.keep(readings.ruleSet);
      },
    }),
    WINDOWS: followInto("WINDOWS", { apply: (message) => windows.apply(message) }),
    ALERTS: followInto("ALERTS", {
      apply: (message) => alerts.apply(message),
      onApplied: onAlerts,
      newestOfEachSubject: true,
    }),
  };
  const forgetLedgers = log.bus.subscribe(DEVICE_LEDGERS, (value: unknown) => {
    const ledgers = deviceLedgersSchema.safeParse(value);
    if (ledgers.success) readings.devices.note(ledgers.data);
  });
  const unsubscribe = log.bus.subscribe(STATS_SUBJECTS, (value: unknown, subject) => {
    if (!stats.apply(value)) events.badReportSkipped(subject);
  });

  const progressOf = {
    windows: progress.WINDOWS,
    alerts: progress.ALERTS,
    readings: progress.READINGS,
    devices: progress.READINGS,
  };

  return {
    windows,
    alerts,
    readings,
    devices: readings.devices,
    stats,
    logId: () => logId,
    missedSince: (channel, position) => (channel === "stats" ? -1 : progressOf[channel].missedSince(position)),
    notReady() {
      if (logId === "") return "the log has not answered yet";
      for (const stream of ["ALERTS", "WINDOWS", "READINGS"] as const) {
        if (!followers[stream].reading) return `${stream} cannot be read`;
        if (!progress[stream].loaded) return `${stream} is still being read back`;
      }
      return undefined;
    },
    async stop() {
      unsubscribe();
      forgetLedgers();
      stopping.abort();
      await Promise.all(Object.values(followers).map((follower) => follower.stop()));
    },
  };
}
