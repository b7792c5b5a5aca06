import { type ReadonlySignal, signal } from "@preact/signals";
import type { StatsItem } from "../../../contracts/feed/protocol.ts";
import { createRateTracker, type RateTracker } from "../lib/rates.ts";
import { SeriesBuffer } from "../lib/series-buffer.ts";
import type { Frame } from "./frame.ts";

const HISTORY_POINTS = 90;

/** The stations on the path of a reading, with the counter of each. */
export const RATES = {
  messages: "weir_ingest_messages_total",
  readings: "weir_ingest_readings_total",
  windows: "weir_processor_windows_total",
  alerts: "weir_processor_alerts_total",
  stored: "weir_storage_points_total",
  deadLetters: "weir_ingest_dead_letters_total",
  dropped: "weir_ingest_dropped_total",
  processed: "weir_processor_readings_total",
  broker: "weir_broker_messages_total",
  sent: "weir_feed_sent_total",
  notifications: "weir_notifier_messages_total",
} as const;
export type RateName = keyof typeof RATES;

export interface Figures {
  readonly rates: Readonly<Record<RateName, number | undefined>>;
  /** Letters in the log, where they stay while services start again. */
  readonly deadLetters: number | undefined;
  readonly deadLettersByReason: ReadonlyMap<string, number>;
  readonly storageLag: number | undefined;
  readonly feedClients: number | undefined;
  readonly brokerClients: number | undefined;
  /** Age of the entry that the slowest processor is working on. */
  readonly processorLagSeconds: number | undefined;
  readonly keys: number | undefined;
  readonly duplicates: number | undefined;
  /** Readings for closed windows: `applied` as corrections, or `dropped`. */
  readonly late: ReadonlyMap<string, number>;
  readonly clockAhead: number | undefined;
  readonly clockBehind: number | undefined;
  readonly localTimesGuessed: number | undefined;
  /** Messages that were dropped on purpose, by reason. */
  readonly dropped: ReadonlyMap<string, number>;
  /** The time until the log drops entries that are not stored yet. */
  readonly retentionSecondsLeft: number | undefined;
  readonly notifierWaiting: number | undefined;
  readonly notifierOldestSeconds: number | undefined;
  readonly notifierFailed: number | undefined;
  /** Updates that slow pages skipped. */
  readonly conflated: number | undefined;
}

export interface StatsStore {
  /** Undefined until a service has reported. */
  readonly figures: ReadonlySignal<Figures | undefined>;
  /** The rates of the last minute and a half, per station. */
  readonly history: Readonly<Record<RateName, SeriesBuffer>>;
  add(items: readonly StatsItem[]): void;
}

export function createStatsStore(frame: Frame): StatsStore {
  const tracker = createRateTracker();
  const figures = signal<Figures | undefined>(undefined);
  const history = eachRate(() => new SeriesBuffer(HISTORY_POINTS));
  let newestUs = 0;

  function flush(): void {
    figures.value = {
      rates: eachRate((name) => tracker.rate(RATES[name])),
      ...lettersOf(tracker),
      storageLag: tracker.total("weir_storage_lag_messages"),
      feedClients: tracker.total("weir_feed_clients"),
      brokerClients: tracker.total("weir_broker_clients"),
      processorLagSeconds: tracker.greatest("weir_processor_lag_seconds"),
      keys: tracker.total("weir_processor_keys"),
      duplicates: tracker.total("weir_processor_duplicates_total"),
      late: tracker.byLabel("weir_processor_late_total", "fate"),
      clockAhead: tracker.total("weir_ingest_clock_ahead_total"),
      clockBehind: tracker.total("weir_ingest_clock_behind_total"),
      localTimesGuessed: tracker.total("weir_ingest_local_times_guessed_total"),
      dropped: tracker.byLabel("weir_ingest_dropped_total", "reason"),
      retentionSecondsLeft: tracker.least("weir_storage_retention_seconds_left"),
      notifierWaiting: tracker.total("weir_notifier_waiting_changes"),
      notifierOldestSeconds: tracker.greatest("weir_notifier_oldest_waiting_seconds"),
      notifierFailed: tracker.byLabel("weir_notifier_messages_total", "outcome").get("failed"),
      conflated: tracker.total("weir_feed_conflated_total"),
    };
  }

  return {
    figures,
    history,
    add(items) {
      if (items.length === 0) return;
      for (const item of items) {
        tracker.add(item);
        newestUs = Math.max(newestUs, item.atUs);
      }
      // Services report at slightly different instants. All of them together make one point a second.
      const secondUs = Math.floor(newestUs / 1_000_000) * 1_000_000;
      eachRate((name) => {
        const rate = tracker.rate(RATES[name]);
        if (rate !== undefined) history[name].push(secondUs, rate);
      });
      frame(flush);
    },
  };
}

function lettersOf(tracker: RateTracker): Pick<Figures, "deadLetters" | "deadLettersByReason"> {
  const kept = tracker.greatestByLabel("weir_ingest_dead_letters_kept", "reason");
  const byReason = kept.size > 0 ? kept : tracker.byLabel(RATES.deadLetters, "reason");
  // A figure with labels is absent until it has a value. An edge that reports without it has no dead letters.
  const isKnown = byReason.size > 0 || tracker.total(RATES.messages) !== undefined;
  const total = [...byReason.values()].reduce((sum, count) => sum + count, 0);
  return { deadLetters: isKnown ? total : undefined, deadLettersByReason: byReason };
}

function eachRate<Value>(make: (name: RateName) => Value): Record<RateName, Value> {
  return {
    messages: make("messages"),
    readings: make("readings"),
    windows: make("windows"),
    alerts: make("alerts"),
    stored: make("stored"),
    deadLetters: make("deadLetters"),
    dropped: make("dropped"),
    processed: make("processed"),
    broker: make("broker"),
    sent: make("sent"),
    notifications: make("notifications"),
  };
}
