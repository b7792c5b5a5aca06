import type { AlertChange, AlertEvent } from "../../domain/alert.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { decodeWindows } from "../../domain/windows-codec.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import { Connection, type Servers } from "./faulty-log.ts";
import type { World } from "./world.ts";

const COMMIT_US_MAX = 30_000;

/** A row of results, with the task that published it. */
export interface Row<T> {
  readonly task: number;
  readonly item: T;
}

/** Keeps results as a store does: rows and the log position change together or not at all. */
export class Consumer<T> {
  readonly rows: Row<T>[] = [];
  cursor = 0;
  readonly #world: World;
  readonly #servers: Servers;
  readonly #stream: "WINDOWS" | "ALERTS";
  readonly #decode: (message: LogMessage) => readonly Row<T>[];
  #connection: Connection | undefined;

  constructor(
    world: World,
    servers: Servers,
    source: { readonly stream: "WINDOWS" | "ALERTS"; readonly decode: (message: LogMessage) => readonly Row<T>[] },
  ) {
    this.#world = world;
    this.#servers = servers;
    this.#stream = source.stream;
    this.#decode = source.decode;
  }

  start(): void {
    const connection = new Connection(this.#world, this.#servers);
    this.#connection = connection;
    void this.#follow(connection);
  }

  /** Dies, and restarts after the last row that it has kept. */
  dies(): void {
    this.#connection?.end("silent");
    this.start();
  }

  /** Corrupts its rows deliberately. */
  harm(how: "lost" | "doubled" | "changed"): void {
    const place = this.rows.length >> 1;
    const row = this.rows[place];
    if (row === undefined) return;
    if (how === "lost") this.rows.splice(place, 1);
    else if (how === "doubled") this.rows.splice(place, 0, row);
    else this.rows[place] = { ...row, item: { ...row.item, startUs: 0 } };
  }

  async #follow(connection: Connection): Promise<void> {
    const from = { kind: "sequence", sequence: this.cursor + 1 } as const;
    for await (const batch of connection.log.read({ stream: this.#stream, from })) {
      await this.#world.sleepUntil(this.#world.nowUs + this.#world.random.whole(0, COMMIT_US_MAX));
      if (!connection.alive) return;
      for (const message of batch) this.rows.push(...this.#decode(message));
      this.cursor = batch.at(-1)?.sequence ?? this.cursor;
    }
  }
}

export function windowsOf(message: LogMessage): Row<WindowResult>[] {
  const { partition, results } = decodeWindows(message.payload);
  return results.map((item) => ({ task: partition, item }));
}

export function alertsOf(message: LogMessage): Row<AlertChange>[] {
  const event: AlertEvent = JSON.parse(new TextDecoder().decode(message.payload));
  return [{ task: event.data.evidence.input.partition, item: event.data }];
}
