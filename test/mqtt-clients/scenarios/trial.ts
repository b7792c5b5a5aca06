import { setTimeout as sleep } from "node:timers/promises";
import type { Connection, ConnectOptions, Feature, Library, Received, Transport, Version } from "../common/port.ts";
import { type Target, USER } from "../targets/target.ts";

export interface Scenario {
  readonly name: string;
  readonly versions: readonly Version[];
  readonly needs?: readonly Feature[];
  run(trial: Trial): Promise<void>;
}

/** Below the time that a runner gives to a scenario, so that the message says what it waited for. */
const WAIT_MS_MAX = 10_000;
const POLL_MS = 10;

let trials = 0;

/** One run of a scenario: topics and client ids of its own, and everything that it opened, to be closed. */
export class Trial {
  readonly library: Library;
  readonly target: Target;
  readonly version: Version;
  readonly transport: Transport;
  readonly #number = ++trials;
  readonly #opened: Connection[] = [];

  constructor(options: {
    readonly library: Library;
    readonly target: Target;
    readonly version: Version;
    readonly transport: Transport;
  }) {
    this.library = options.library;
    this.target = options.target;
    this.version = options.version;
    this.transport = options.transport;
  }

  /** A topic that no other trial uses. */
  topic(name: string): string {
    return `clients/t${this.#number}/${name}`;
  }

  clientId(name: string): string {
    return `t${this.#number}-${name}`;
  }

  has(feature: Feature): boolean {
    return this.library.features.has(feature);
  }

  async connect(name: string, options: Partial<ConnectOptions> = {}): Promise<Connection> {
    const { host, ports, caFile } = this.target;
    const connection = await this.library.connect({
      version: this.version,
      transport: this.transport,
      host,
      port: ports[this.transport],
      caFile,
      clientId: this.clientId(name),
      cleanStart: true,
      ...USER,
      ...options,
    });
    this.#opened.push(connection);
    return connection;
  }

  /** Ends what the scenario left open, so that no session or retained message reaches the next one. */
  async end(): Promise<void> {
    for (const connection of this.#opened) if (connection.closed === undefined) await connection.close();
  }
}

export async function until(isTrue: () => boolean, what: string | (() => string)): Promise<void> {
  const untilMs = performance.now() + WAIT_MS_MAX;
  while (!isTrue()) {
    if (performance.now() > untilMs) throw new Error(`waited for ${typeof what === "string" ? what : what()}`);
    await sleep(POLL_MS);
  }
}

/** Waits for as many messages, and returns them all. */
export async function messagesOf(connection: Connection, count: number): Promise<readonly Received[]> {
  const got = () => `${count} messages, got ${JSON.stringify(payloadsOf(connection.messages))}`;
  await until(() => connection.messages.length >= count, got);
  return connection.messages;
}

export function payloadsOf(messages: readonly Received[]): string[] {
  return messages.map(({ payload }) =>
    payload.length > 40 ? `${payload.slice(0, 40)}... (${payload.length})` : payload,
  );
}

/**
 * Publishes a last message, and waits until it arrives: what was not delivered before it will not be delivered at all.
 * Its topic must match a subscription of the receiver.
 */
export async function settle(publisher: Connection, receiver: Connection, topic: string): Promise<void> {
  const last = `last-${++trials}`;
  await publisher.publish({ topic, payload: last, qos: 1 });
  await until(() => receiver.messages.some(({ payload }) => payload === last), `the last message on ${topic}`);
}

export function isSuccess(reasonCode: number): boolean {
  return reasonCode < 0x80;
}
