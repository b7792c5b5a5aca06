import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type {
  AlertsPage,
  AlertsQuery,
  IncidentEventsQuery,
  IncidentQuery,
  ReadingsExtent,
  ReadingsPage,
  ReadingsQuery,
  SeriesFound,
  SeriesQuery,
  StatesFound,
  StatesQuery,
} from "../../contracts/history.ts";
import type { IncidentEvent } from "../../contracts/incident-events.ts";
import { StoreBusyError } from "../common/store.ts";
import { readIncidentEvents } from "./incident-events.ts";
import { readAlerts, readIncident } from "./stored-alerts.ts";
import { readExtent, readReadings } from "./stored-readings.ts";
import { readSeries, readStates } from "./stored-series.ts";

const QUESTIONS_MAX = 2;
const WAITING_MAX = 64;

/** Answers queries on separate connections, a few at a time, so that they do not block writes. */
export class DuckdbHistory {
  readonly #instance: DuckDBInstance;
  readonly #timeoutMs: number;
  readonly #idle: DuckDBConnection[] = [];
  readonly #busy = new Set<DuckDBConnection>();
  readonly #waiting: (() => void)[] = [];

  constructor(instance: DuckDBInstance, options: { readonly timeoutMs: number }) {
    this.#instance = instance;
    this.#timeoutMs = options.timeoutMs;
  }

  async series(query: SeriesQuery): Promise<SeriesFound> {
    return this.#ask((connection) => readSeries(connection, query));
  }

  async states(query: StatesQuery): Promise<StatesFound> {
    return this.#ask((connection) => readStates(connection, query));
  }

  async alerts(query: AlertsQuery): Promise<AlertsPage> {
    return this.#ask((connection) => readAlerts(connection, query));
  }

  async incident(query: IncidentQuery): Promise<AlertsPage> {
    return this.#ask((connection) => readIncident(connection, query));
  }

  async incidentEvents({ incidents }: IncidentEventsQuery): Promise<IncidentEvent[]> {
    return this.#ask((connection) => readIncidentEvents(connection, incidents));
  }

  async extent(): Promise<ReadingsExtent | undefined> {
    return this.#ask(readExtent);
  }

  async readings(query: ReadingsQuery): Promise<ReadingsPage> {
    return this.#ask((connection) => readReadings(connection, query));
  }

  close(): void {
    for (const connection of this.#busy) connection.interrupt();
    for (const connection of this.#idle.splice(0)) connection.closeSync();
  }

  async #ask<T>(question: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    if (this.#waiting.length >= WAITING_MAX) throw new StoreBusyError("too many history queries at once");
    while (this.#busy.size >= QUESTIONS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const connection = this.#idle.pop() ?? (await this.#instance.connect());
    this.#busy.add(connection);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      connection.interrupt();
    }, this.#timeoutMs);
    try {
      return await question(connection);
    } catch (error) {
      if (late) throw new StoreBusyError(`no answer within ${this.#timeoutMs / 1000} s; ask for less`);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#busy.delete(connection);
      this.#idle.push(connection);
      this.#waiting.shift()?.();
    }
  }
}
