import { DEVICE_LEDGERS } from "../../contracts/device-ledgers.ts";
import { CHANNEL_KINDS, type Channel, type ChannelOf } from "../../contracts/feed/channels.ts";
import { STATS } from "../../contracts/service-reports.ts";
import type { StreamName } from "../../domain/subjects.ts";
import type { Follower } from "../../platform/log/follow.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import type { Deps } from "../../platform/service.ts";
import type { FeedConfig } from "../common/config.ts";
import type { Position } from "../common/cursor.ts";
import type { FeedEvents } from "../common/events.ts";
import { AlertsView } from "./alerts-view.ts";
import { followIntoView } from "./follow.ts";
import { IncidentEvents } from "./incident-events.ts";
import { identifyLog } from "./log-identity.ts";
import { Progress } from "./progress.ts";
import { ReadingsView } from "./readings-view.ts";
import { RuleMemory } from "./rule-memory.ts";
import { SeriesMemory } from "./series-memory.ts";
import { StatsView } from "./stats-view.ts";
import type { StateView } from "./view.ts";
import { WindowsView } from "./windows-view.ts";

/** The view behind each channel. A channel without a view does not compile. */
type ChannelViews = { readonly [C in ChannelOf<"state">]: StateView } & {
  readonly [C in ChannelOf<"changes">]: AlertsView;
};

export interface ViewsOptions {
  readonly config: FeedConfig["history"];
  readonly deps: Pick<Deps, "log" | "clock">;
  readonly events: FeedEvents;
  readonly onAlerts: () => void;
}

/**
 * What the feed shows, in memory: one view for each channel, fed from the log and the bus. Views move forward along
 * the log, so a position in the log says what a client has seen. Every start rebuilds them from the log.
 */
export class Views implements ChannelViews {
  readonly windows;
  readonly alerts;
  readonly readings;
  readonly devices;
  readonly stats;
  readonly incidentEvents: IncidentEvents;
  readonly #options: ViewsOptions;
  readonly #progress = new Map<StreamName, Progress>();
  readonly #rules: RuleMemory;
  readonly #series: SeriesMemory;
  readonly #remembered = {
    // Only a view that has read the log knows all series.
    changes: () => (this.readings.loaded ? this.readings.head : 0),
    series: () => this.readings.remembered(),
  };
  readonly #followers = new Map<StreamName, Follower>();
  readonly #stopping = new AbortController();
  readonly #unsubscribe: (() => void)[] = [];
  #logId = "";

  constructor(options: ViewsOptions) {
    const { config, deps, events } = options;
    this.#options = options;
    this.#rules = new RuleMemory({ records: deps.log.records, onFailed: (error) => events.rulesNotKept(error) });
    this.#series = new SeriesMemory({
      blobs: deps.log.blobs,
      nowUs: deps.clock.nowUs,
      onFailed: (error) => events.seriesNotKept(error),
    });
    this.readings = new ReadingsView({
      progress: this.#progressOf("READINGS"),
      seriesMax: config.series_max,
      devicesMax: config.devices_max,
      onOverflow: (what) => events.overflowed(what),
      onEvicted: (what) => events.evicted(what),
    });
    this.devices = this.readings.devices;
    this.windows = new WindowsView({
      progress: this.#progressOf("WINDOWS"),
      windowsPerSeries: config.windows_per_series_max,
      windowsMax: config.windows_max,
      onRepeat: () => events.repeatedFrameSkipped(),
    });
    this.alerts = new AlertsView({
      progress: this.#progressOf("ALERTS"),
      endedMax: config.incidents_max,
      openMax: config.open_incidents_max,
      changesMax: config.alert_changes_max,
      onOpenEvicted: () => events.overflowed("incidents"),
      onForgotten: (incident) => this.incidentEvents.forget(incident),
    });
    this.incidentEvents = new IncidentEvents({
      isKnown: (incident) => this.alerts.has(incident),
      unknownMax: config.incidents_max,
    });
    this.stats = new StatsView({ instancesMax: config.instances_max });
  }

  /** Starts feeding the views. */
  start(): void {
    const { deps, events, onAlerts } = this.#options;
    const identified = this.#identify();
    const recalled = identified.then(() => this.#recall());
    this.#series.start(this.#remembered);
    this.#follow("ALERTS", identified, {
      apply: (message) => this.alerts.apply(message),
      onApplied: onAlerts,
      newestOfEachSubject: true,
    });
    this.#follow("NOTIFICATIONS", identified, {
      apply: (message) => this.incidentEvents.apply(message),
      newestOfEachSubject: true,
    });
    this.#follow("WINDOWS", identified, { apply: (message) => this.windows.apply(message) });
    this.#follow("READINGS", recalled, {
      apply: (message) => this.#applyReadings(message),
    });
    const { bus } = deps.log;
    this.#unsubscribe.push(
      bus.subscribe(DEVICE_LEDGERS, (ledgers) => this.devices.note(ledgers)),
      bus.subscribe(
        STATS,
        (report) => this.stats.apply(report),
        (_, key) => events.badReportSkipped(`${STATS.subject}.${key}`),
      ),
    );
  }

  /** Names the log. The empty text until the name is known; no view is loaded before that. */
  readonly logId = (): string => this.#logId;

  /** How many entries after a position the channel's view never had; -1 if that is unknown. */
  missedSince(channel: Channel, position: Position): number {
    const { stream } = CHANNEL_KINDS[channel];
    return stream === undefined ? -1 : this.#progressOf(stream).missedSince(position);
  }

  /** Why the views do not show the present; undefined if they do. */
  notReady(): string | undefined {
    if (this.#logId === "") return "the log has not answered yet";
    for (const [stream, follower] of this.#followers) {
      if (!follower.reading) return `${stream} cannot be read`;
      if (!this.#progressOf(stream).loaded) return `${stream} is still being read back`;
    }
    return undefined;
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#stopping.abort();
    await Promise.all([...this.#followers.values()].map((follower) => follower.stop()));
    await this.#series.stop(this.#remembered);
  }

  /** The log may hold newer rules and readings. They are applied afterwards. */
  async #recall(): Promise<void> {
    const [ruleSet, series] = await Promise.all([this.#rules.recall(), this.#series.recall()]);
    if (ruleSet !== undefined) this.readings.useRuleSet(ruleSet);
    this.readings.restore(series);
  }

  async #identify(): Promise<void> {
    const { deps, events } = this.#options;
    const { signal } = this.#stopping;
    const onFailed = (error: unknown) => events.logNotIdentified(error);
    this.#logId = (await identifyLog(deps.log.records, { signal, onFailed })) ?? "";
  }

  #follow(
    stream: StreamName,
    after: Promise<void>,
    into: { apply(message: LogMessage): void; onApplied?: () => void; newestOfEachSubject?: boolean },
  ): void {
    const { deps, events, config } = this.#options;
    const follower = followIntoView({
      ...{ stream, after, signal: this.#stopping.signal },
      log: deps.log,
      clock: deps.clock,
      progress: this.#progressOf(stream),
      lookbackEntries: config.lookback_entries_max,
      newestOfEachSubject: into.newestOfEachSubject ?? false,
      apply: (message) => into.apply(message),
      onApplied: () => into.onApplied?.(),
      onBadMessage: (message, error) => events.badMessageSkipped(stream, message, error),
      onReadFailed: (error) => events.readFailed(stream, error),
      onLag: (lagUs) => events.entryApplied(stream, lagUs),
    });
    this.#followers.set(stream, follower);
  }

  #applyReadings(message: LogMessage): void {
    const kind = this.readings.apply(message);
    if (kind === "rule_set" && this.readings.ruleSet !== undefined) this.#rules.keep(this.readings.ruleSet);
  }

  #progressOf(stream: StreamName): Progress {
    const known = this.#progress.get(stream) ?? new Progress();
    this.#progress.set(stream, known);
    return known;
  }
}
