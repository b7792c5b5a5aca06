import type { Logger } from "pino";

export interface ConnectionCounts {
  connected: number;
  disconnected: number;
  refused: number;
}

const REFUSALS: Readonly<Record<number, string>> = {
  1: "unacceptable protocol version",
  2: "client identifier rejected",
  3: "server unavailable",
  4: "bad user name or password",
  5: "not authorised",
};

/** The reason for a broker's refusal (MQTT 3.1.1, table 3.1). */
function refusalText(returnCode: number): string {
  return REFUSALS[returnCode] ?? `return code ${returnCode}`;
}

/** Logs and counts connection events of a simulator. */
export class ConnectionEvents {
  readonly #logger: Logger;
  readonly #counts: ConnectionCounts;

  constructor(logger: Logger, counts: ConnectionCounts) {
    this.#logger = logger;
    this.#counts = counts;
  }

  connectionOpened(clientId: string, resent: number): void {
    this.#counts.connected += 1;
    this.#logger.debug({ clientId, resent }, "connected to the broker");
  }

  connectionLost(clientId: string, reason: string): void {
    this.#counts.disconnected += 1;
    this.#logger.warn({ clientId }, `no connection to the broker (${reason}); reconnecting`);
  }

  connectionRefused(clientId: string, returnCode: number): void {
    this.#counts.refused += 1;
    const details = { clientId, returnCode, why: refusalText(returnCode) };
    this.#logger.warn(details, "the broker refused the connection; reconnecting");
  }
}
