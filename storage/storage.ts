import { US_PER_MINUTE, US_PER_MS, US_PER_SECOND } from "../domain/time.ts";
import type { Deps, Health, Service } from "../platform/service.ts";
import { StorageEvents } from "./common/events.ts";
import { type OpenedStore, STORED_STREAMS, type StoredStream, type StoreWriter } from "./common/store.ts";
import type { StorageConfig } from "./config.ts";
import { answerHistory } from "./history-answers.ts";
import { LagMeter } from "./lanes/lag-meter.ts";
import { Lane } from "./lanes/lane.ts";
import { type BatchBuilder, ReadingsBuilder } from "./lanes/reading-batches.ts";
import { createAlertsBuilder, createIncidentEventsBuilder, createWindowsBuilder } from "./lanes/result-batches.ts";
import { openStore, type StoreConfig } from "./stores.ts";

const DRAIN_MS = 5000;
const RETENTION_EVERY_MS_MAX = 3_600_000;

/**
 * Writes readings, windows, alerts and the events of incidents from the log to each of the stores (`stores.ts` has their
 * kinds), and answers history queries from the first one that has a history. Stores do not wait for one another: each
 * stream has a lane for each store (`lanes/lane.ts`), which reads the log from the position that the store has.
 * Invariant: each row is stored once, because its position is stored with it (`common/store.ts`). The log is the
 * queue: an unavailable store only lags behind. Rejects when a store cannot be used at all, such as a file that is
 * in use.
 */
export async function startStorage(config: StorageConfig, deps: Deps): Promise<Service> {
  const events = new StorageEvents(deps.logger, deps.metrics);
  const stores: RunningStore[] = [];
  try {
    for (const [i, store] of config.stores.entries()) {
      const own = config.stores.length === 1 ? events : events.ofStore(labelOf(config.stores, i));
      stores.push(await startStore(config, { store, events: own, deps }));
    }
  } catch (error) {
    await Promise.all(stores.map((store) => store.stop()));
    throw error;
  }
  const names = stores.map(({ writer }) => writer.name);
  const answering = stores.find(({ history }) => history !== undefined);
  const name = answering?.writer.name ?? names.join(" and ");
  const stopAnswering = answerHistory({ bus: deps.log.bus, name, history: answering?.history, events });
  events.started(names);

  let stopped: Promise<unknown> | undefined;
  return {
    name: "storage",
    health: () => healthOf(stores),
    async stop() {
      stopAnswering();
      stopped ??= Promise.all(stores.map((store) => store.stop()));
      await stopped;
    },
  };
}

interface RunningStore extends OpenedStore {
  stop(): Promise<void>;
}

async function startStore(
  config: StorageConfig,
  given: { readonly store: StoreConfig; readonly events: StorageEvents; readonly deps: Deps },
): Promise<RunningStore> {
  const { store, events } = given;
  const { clock, log } = given.deps;
  const nowUs = () => clock.nowUs();
  const opened = await openStore(store, { log, events, nowUs, seriesMax: config.series_max });
  const { writer } = opened;
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
  const lag = new LagMeter({ log, lanes, events, nowUs, logRetentionUs: config.log_retention });
  const stopRetention = applyRetention({ writer, events, nowUs, retentionUs: config.retention });
  for (const lane of lanes) lane.start();
  lag.start();
  return {
    ...opened,
    async stop() {
      stopRetention();
      lag.stop();
      // The next start reads anything unwritten from the log again.
      const drainMs = writer.health().ready ? DRAIN_MS : 0;
      await Promise.all(lanes.map((lane) => lane.stop(drainMs)));
      await writer.close();
      await Promise.all(lanes.map((lane) => lane.ended()));
    },
  };
}

/** The kind of a store, with a number if there are several of the kind: `duckdb`, `duckdb-2`. */
function labelOf(stores: readonly StoreConfig[], index: number): string {
  const kinds = stores.slice(0, index + 1).map((store) => Object.keys(store)[0] ?? "");
  const kind = kinds.at(-1) ?? "";
  const count = kinds.filter((other) => other === kind).length;
  return count === 1 ? kind : `${kind}-${count}`;
}

/** Ready when every store is. The detail is about those that are not. */
function healthOf(stores: readonly RunningStore[]): Health {
  const all = stores.map(({ writer }) => writer.health());
  const away = all.filter(({ ready }) => !ready);
  return { ready: away.length === 0, detail: (away.length === 0 ? all : away).map(({ detail }) => detail).join("; ") };
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
