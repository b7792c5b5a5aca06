import { US_PER_MINUTE, US_PER_MS, US_PER_SECOND } from "../domain/time.ts";
import type { Deps, Service } from "../platform/service.ts";
import { StorageEvents } from "./common/events.ts";
import { STORED_STREAMS, type StoredStream, type StoreWriter } from "./common/store.ts";
import type { StorageConfig } from "./config.ts";
import { answerHistory } from "./history-answers.ts";
import { LagMeter } from "./lanes/lag-meter.ts";
import { Lane } from "./lanes/lane.ts";
import { type BatchBuilder, ReadingsBuilder } from "./lanes/reading-batches.ts";
import { createAlertsBuilder, createIncidentEventsBuilder, createWindowsBuilder } from "./lanes/result-batches.ts";
import { openStore } from "./stores.ts";

const DRAIN_MS = 5000;
const RETENTION_EVERY_MS_MAX = 3_600_000;

/**
 * Writes readings, windows, alerts and the events of incidents from the log to the store (`stores.ts` has its kinds), and answers history
 * queries. Each stream has a lane (`lanes/lane.ts`), which reads the log from the position that the store has.
 * Invariant: each row is stored once, because its position is stored with it (`common/store.ts`). The log is the
 * queue: an unavailable store only lags behind. Rejects when the store cannot be used at all, such as a file that is
 * in use.
 */
export async function startStorage(config: StorageConfig, deps: Deps): Promise<Service> {
  const { clock, log, logger, metrics } = deps;
  const events = new StorageEvents(logger, metrics);
  const nowUs = () => clock.nowUs();
  const { writer, history } = await openStore(config.store, { log, events, nowUs, seriesMax: config.series_max });
  const lanes = STORED_STREAMS.filter((stream) => config.raw || stream !== "READINGS").map(
    (stream) =>
      new Lane({
        stream,
        log,
        store: writer,
        builder: builderFor(stream, config),
        events,
        lingerMs: config.linger / US_PER_MS,
        nowUs,
      }),
  );
  const stopAnswering = answerHistory({ bus: log.bus, name: writer.name, history, events });
  const lag = new LagMeter({ log, lanes, events, nowUs, logRetentionUs: config.log_retention });
  const stopRetention = applyRetention({ writer, events, nowUs, retentionUs: config.retention });
  for (const lane of lanes) lane.start();
  lag.start();
  events.started(writer.name);

  let stopped: Promise<void> | undefined;
  async function stop(): Promise<void> {
    stopAnswering();
    stopRetention();
    lag.stop();
    // The next start reads anything unwritten from the log again.
    const drainMs = writer.health().ready ? DRAIN_MS : 0;
    await Promise.all(lanes.map((lane) => lane.stop(drainMs)));
    await writer.close();
    await Promise.all(lanes.map((lane) => lane.ended()));
  }

  return {
    name: "storage",
    health: () => writer.health(),
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
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
    case "NOTIFICATIONS":
      return createIncidentEventsBuilder(rowsMax);
  }
}

/** Deletes results older than the retention: at the start, then about a hundred times per retention, at most hourly. */
function applyRetention(options: {
  readonly writer: StoreWriter;
  readonly events: StorageEvents;
  readonly nowUs: () => number;
  readonly retentionUs: number | undefined;
}): () => void {
  const { writer, events, nowUs, retentionUs } = options;
  if (retentionUs === undefined) return () => {};
  const spanUs = retentionUs;
  let busy = false;

  async function apply(): Promise<void> {
    if (busy) return;
    busy = true;
    const beforeUs = nowUs() - spanUs;
    try {
      await writer.forgetBefore(beforeUs);
      events.retentionApplied(beforeUs);
    } catch (error) {
      events.retentionFailed(error);
    }
    busy = false;
  }

  const everyUs = Math.max(spanUs / 100, Math.min(spanUs / 10, US_PER_MINUTE), US_PER_SECOND);
  const timer = setInterval(() => void apply(), Math.min(everyUs / 1000, RETENTION_EVERY_MS_MAX));
  timer.unref();
  void apply();
  return () => clearInterval(timer);
}
