import type { JetStreamManager } from "@nats-io/jetstream";
import type { StreamName } from "../../domain/subjects.ts";
import type { Connection } from "./jetstream-connection.ts";
import { getMessage, instantUs, withoutId } from "./jetstream-stores.ts";
import { plainBytes } from "./plain-bytes.ts";
import type { LogMessage } from "./port.ts";

/** Of all readings together. The server reads a block of the stream for each that it has not in memory. */
const IN_FLIGHT_MAX = 256;

/** Reads single messages by their sequences. */
export class EachReader {
  readonly #connection: Connection;
  readonly #jsm: JetStreamManager;
  #inFlight = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(connection: Connection, jsm: JetStreamManager) {
    this.#connection = connection;
    this.#jsm = jsm;
  }

  async read(stream: StreamName, sequences: readonly number[]): Promise<readonly LogMessage[]> {
    const found = await Promise.all(sequences.map((sequence) => this.#inTurn(() => this.#readOne(stream, sequence))));
    return found.filter((message) => message !== undefined);
  }

  async #inTurn<T>(act: () => Promise<T>): Promise<T> {
    if (this.#inFlight >= IN_FLIGHT_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inFlight++;
    try {
      return await act();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#inFlight--;
      else next();
    }
  }

  async #readOne(stream: StreamName, sequence: number): Promise<LogMessage | undefined> {
    const direct = await this.#readDirect(stream, sequence);
    if (direct !== undefined) return direct;
    return withoutId(await getMessage(this.#jsm, this.#connection, stream, { seq: sequence }));
  }

  /** From any server that has the stream, without the detour of the API. Undefined: the leader must be asked. */
  async #readDirect(stream: StreamName, sequence: number): Promise<LogMessage | undefined> {
    try {
      const message = await this.#connection.whileUp(() => this.#jsm.direct.getMessage(stream, { seq: sequence }));
      if (message === null) return undefined;
      const { subject, data, timestamp } = message;
      return { subject, sequence, storedAtUs: instantUs(timestamp), payload: plainBytes(data) };
    } catch {
      // A server without direct reads, or a slow one: the next attempt waits until it answers.
      return undefined;
    }
  }
}
