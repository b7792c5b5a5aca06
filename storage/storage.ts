import { US_PER_MINUTE, US_PER_MS, US_PER_SECOND } from "../domain/time.ts";
import type { Deps, Service } from "../platform/service.ts";
import type { StorageConfig } from "./common/config.ts";
import { createStorageEvents, type StorageEvents } from "./common/events.ts";
import { STORED_STREAMS, type Store, type StoredStream } from "./common/store.ts";
import { openDuckdbStore } from "./duckdb/duckdb-store.ts";
import { answerHistory } from "./history-answers.ts";
import { createInfluxStore } from "./influx/influx-store.ts";
import { LagMeter } from "./lanes/lag-meter.ts";
import { Lane } from "./lanes/lane.ts";
import { type BatchBuilder, ReadingsBuilder } from "./lanes/reading-batches.ts";
import { createAlertsBuilder, createWindowsBuilder } from "./lanes/result-batches.ts";

const DRAIN_MS = 5000;
const RETENTION_EVERY_MS_MAX = 3_600_000;

/**
 * Carries readings, windows and alerts from the log into InfluxDB or DuckDB, and answers questions about the past.
 * Rejects when the DuckDB file cannot be opened; an InfluxDB that is away is waited for.
 */
export async function startStorage(config: StorageConfig, deps: Deps): Promise<Service> {
  const { clock, log, logger, metrics } = deps;
  const events = createStorageEvents(logger, metrics);
  const nowUs = () => clock.nowUs();
  const store = await openStore(config, deps, events);
  const lanes = STORED_STREAMS.filter((stream) => config.raw || stream !== "READINGS").map(
    (stream) =>
      new Lane({
        stream,
        log,
        store,
        builder: builderFor(stream, config),
        events,
        lingerMs: config.linger / US_PER_MS,
        nowUs,
      }),
  );
  const stopAnswering = answerHistory({ bus: log.bus, store, events });
  const lag = new LagMeter({ log, lanes, events, nowUs, logRetentionUs: config.log_retention });
  const stopForgetting = forgetRegularly({ store, events, nowUs, retentionUs: config.retention });
  for (const lane of lanes) lane.start();
  lag.start();
  events.started(store.name);

  let stopped: Promise<void> | undefined;
  async function stop(): Promise<void> {
    stopAnswering();
    stopForgetting();
    lag.stop();
    // What is not written by then is read from the log again at the next start.
    const drainMs = store.health().ready ? DRAIN_MS : 0;
    await Promise.all(lanes.map((lane) => lane.stop(drainMs)));
    await store.close();
    await Promise.all(lanes.map((lane) => lane.ended()));
  }

  return {
    name: "storage",
    health: () => store.health(),
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

async function openStore(config: StorageConfig, deps: Deps, events: StorageEvents): Promise<Store> {
  const nowUs = () => deps.clock.nowUs();
  if ("duckdb" in config.store) {
    return openDuckdbStore({ config: config.store.duckdb, seriesMax: config.series_max, events });
  }
  const store = createInfluxStore({ config: config.store.influxdb, log: deps.log, events, nowUs });
  store.greet();
  return store;
}

function builderFor(stream: StoredStream, config: StorageConfig): BatchBuilder {
  const { batch_rows_max: rowsMax, series_max: seriesMax } = config;
  switch (stream) {
    case "READINGS":
      return new ReadingsBuilder({ rowsMax, seriesMax });
    case "WINDOWS":
      return createWindowsBuilder(rowsMax);
    case "ALERTS":
      return createAlertsBuilder(rowsMax);
  }
}

/** Applies the store's retention at start and then about a hundred times per span, at most hourly. */
function forgetRegularly(options: {
  readonly store: Store;
  readonly events: StorageEvents;
  readonly nowUs: () => number;
  readonly retentionUs: number | undefined;
}): () => void {
  const { store, events, nowUs, retentionUs } = options;
  if (retentionUs === undefined) return () => {};
  const spanUs = retentionUs;
  let busy = false;

  async function forget(): Promise<void> {
    if (busy) return;
    busy = true;
    const beforeUs = nowUs() - spanUs;
    try {
      await store.forgetBefore(beforeUs);
      events.retentionApplied(beforeUs);
    } catch (error) {
      events.retentionFailed(error);
    }
    busy = false;
  }

  const everyUs = Math.max(spanUs / 100, Math.min(spanUs / 10, US_PER_MINUTE), US_PER_SECOND);
  const timer = setInterval(() => void forget(), Math.min(everyUs / 1000, RETENTION_EVERY_MS_MAX));
  timer.unref();
  void forget();
  return () => clearInterval(timer);
}
