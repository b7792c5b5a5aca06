import type {
  AlertsQuery,
  IncidentEventsQuery,
  IncidentQuery,
  ReadingsQuery,
  SeriesQuery,
  StatesQuery,
} from "../../contracts/history.ts";
import { Backoff } from "../../domain/backoff.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Log } from "../../platform/log/port.ts";
import { DeadLetters, letterIdOf, WRITE_REFUSED } from "../common/dead-letters.ts";
import type { StorageEvents } from "../common/events.ts";
import type { WriteReport } from "../common/store.ts";
import {
  type Batch,
  type Position,
  STORED_STREAMS,
  StoreClosedError,
  type StoredStream,
  type StoreHistory,
  type StoreWriter,
} from "../common/store.ts";
import type { InfluxdbConfig } from "./config.ts";
import { readIncidentEvents } from "./incident-events.ts";
import { InfluxClient } from "./influx-client.ts";
import { type Lines, LineWriter } from "./lines.ts";
import { SavedPosition } from "./positions.ts";
import { readAlerts, readIncident } from "./stored-alerts.ts";
import { readExtent, readReadings } from "./stored-readings.ts";
import { readSeries, readStates } from "./stored-series.ts";

const RETRY_FIRST_MS = 250;

export interface InfluxStoreOptions {
  readonly config: InfluxdbConfig;
  readonly log: Log;
  readonly events: StorageEvents;
  readonly nowUs: () => number;
}

/** Points have times and can be written any number of times, so saving a position late does no harm. */
export function createInfluxStore(options: InfluxStoreOptions): StoreWriter & StoreHistory & { greet(): void } {
  return new InfluxStore(options);
}

interface Tally {
  deadLetters: number;
  dropped: number;
}

class InfluxStore implements StoreWriter, StoreHistory {
  readonly name: string;
  readonly #options: InfluxStoreOptions;
  readonly #client: InfluxClient;
  readonly #deadLetters: DeadLetters;
  readonly #lines = new LineWriter();
  readonly #closing = new AbortController();
  readonly #positions: ReadonlyMap<StoredStream, SavedPosition>;
  /** The newest write of each stream. It moves the position after all earlier ones. */
  readonly #last = new Map<StoredStream, Promise<void>>();

  constructor(options: InfluxStoreOptions) {
    const { config, log, events } = options;
    this.#options = options;
    this.name = `InfluxDB ${config.url}, bucket ${config.bucket}`;
    this.#client = new InfluxClient(config);
    this.#deadLetters = new DeadLetters(options);
    const { signal } = this.#closing;
    this.#positions = new Map(
      STORED_STREAMS.map((stream) => [
        stream,
        new SavedPosition({ records: log.records, config, stream, events, signal }),
      ]),
    );
  }

  /** More than one only for readings: the revisions of a window must arrive in order. */
  writesMax(stream: StoredStream): number {
    return stream === "READINGS" ? this.#options.config.requests_max : 1;
  }

  async position(stream: StoredStream): Promise<Position> {
    await this.#last.get(stream)?.catch(() => undefined);
    this.#last.delete(stream);
    return this.#saved(stream).load();
  }

  async write(batch: Batch): Promise<WriteReport> {
    const before = this.#last.get(batch.stream);
    const tally: Tally = { deadLetters: 0, dropped: 0 };
    const lines = this.#lines.linesOf(batch);
    const effect = this.#writeLines(lines, tally);
    const done = this.#after(before, effect).then(() => this.#saved(batch.stream).moveTo(batch.position));
    this.#last.set(batch.stream, done);
    await done;
    const { deadLetters, dropped } = tally;
    return { points: lines.count - deadLetters - dropped, duplicates: 0, deadLetters, dropped };
  }

  /**
   * Writes an empty batch until it is answered, so that the log reports at once an unavailable InfluxDB or a refused
   * token.
   */
  greet(): void {
    const nothing: Tally = { deadLetters: 0, dropped: 0 };
    this.#post("# weir\n", "us", nothing).catch((error: unknown) => {
      if (!(error instanceof StoreClosedError) && !this.#closing.signal.aborted) throw error;
    });
  }

  async series(query: SeriesQuery) {
    return readSeries(this.#client, query);
  }

  async states(query: StatesQuery) {
    return readStates(this.#client, query);
  }

  async alerts(query: AlertsQuery) {
    return readAlerts(this.#client, query);
  }

  async incident(query: IncidentQuery) {
    return readIncident(this.#client, query);
  }

  async incidentEvents({ incidents }: IncidentEventsQuery) {
    return readIncidentEvents(this.#client, incidents);
  }

  async extent() {
    return readExtent(this.#client);
  }

  async readings(query: ReadingsQuery) {
    return readReadings(this.#client, query);
  }

  async forgetBefore(atUs: number): Promise<void> {
    const seconds = Math.round((this.#options.nowUs() - atUs) / 1_000_000);
    await this.#client.setRetention(Math.max(3600, seconds));
  }

  health() {
    const away = this.#options.events.away();
    return { ready: away === undefined, detail: away ?? this.name };
  }

  async close(): Promise<void> {
    const saved = Promise.all([...this.#positions.values()].map((position) => position.settled()));
    // An unavailable log must not delay closing. If a position is not saved, points are only written again.
    await Promise.race([saved, new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
    this.#closing.abort();
    this.#client.close();
    await saved;
  }

  #saved(stream: StoredStream): SavedPosition {
    const position = this.#positions.get(stream);
    if (position === undefined) throw new RangeError(`no stream ${stream}`);
    return position;
  }

  async #after(before: Promise<void> | undefined, effect: Promise<void>): Promise<void> {
    await Promise.all([before, effect]);
  }

  async #writeLines(lines: Lines, tally: Tally): Promise<void> {
    if (lines.inexpressible > 0) {
      tally.dropped += lines.inexpressible;
      this.#options.events.pointsDropped("not-finite", lines.inexpressible);
    }
    await this.#send({ lines, from: 0, to: lines.count }, tally);
  }

  /** Sends lines until they are stored. Splits refused or very long lines in half until it finds each bad line. */
  async #send(
    part: { readonly lines: Lines; readonly from: number; readonly to: number },
    tally: Tally,
  ): Promise<void> {
    const { lines, from, to } = part;
    const body = lines.body(from, to);
    if (body === "") return;
    if (body !== undefined) {
      const refusal = await this.#post(body, lines.precision, tally);
      if (refusal === undefined) return;
      if (to - from <= 1) {
        await this.#deadLetter(body, refusal);
        tally.deadLetters++;
        return;
      }
    }
    const middle = (from + to) >> 1;
    await this.#send({ lines, from, to: middle }, tally);
    await this.#send({ lines, from: middle, to }, tally);
  }

  /** Retries forever. Returns why the lines were refused, or undefined when they are stored. */
  async #post(body: string, precision: "us" | "ns", tally: Tally): Promise<string | undefined> {
    const { config, events } = this.#options;
    const limits = { firstMs: RETRY_FIRST_MS, maxMs: config.retry_after_max / 1000 };
    const backoff = new Backoff(limits, Math.random);
    for (let attempt = 1; ; attempt++) {
      this.#assertOpen();
      const answer = await this.#client.write(body, precision);
      if (answer.kind === "failed") {
        this.#assertOpen();
        events.writeFailed(answer.detail, { error: answer.error, firstTry: attempt === 1 });
        await sleep(backoff.nextMs(answer.pauseMs), { signal: this.#closing.signal });
        continue;
      }
      if (attempt > 1) events.writeRecovered();
      if (answer.kind === "stored") return undefined;
      if (answer.kind === "refused") return answer.detail;
      events.pointsDropped("beyond-retention", answer.dropped);
      tally.dropped += answer.dropped;
      return undefined;
    }
  }

  async #deadLetter(line: string, detail: string): Promise<void> {
    const { config, events } = this.#options;
    const text = line.trimEnd();
    events.pointRefused(text, detail);
    const letter = {
      reason: WRITE_REFUSED,
      detail,
      topic: `influxdb/${config.bucket}`,
      payload: new TextEncoder().encode(text),
    } as const;
    await this.#deadLetters.keep(letter, letterIdOf(text));
    this.#assertOpen();
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw new StoreClosedError("the store was closed");
  }
}
