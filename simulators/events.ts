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

/** A cause that persists is logged again after this long. */
const AGAIN_MS = 60_000;

/**
 * Logs and counts connection events of a simulator. A fleet has many connections, and each tries forever: every cause
 * is logged at once, and then once a minute with the number of failures.
 */
export class ConnectionEvents {
  readonly #logger: Logger;
  readonly #counts: ConnectionCounts;
  readonly #causes = new Map<string, { loggedAtMs: number; failures: number }>();

  constructor(logger: Logger, counts: ConnectionCounts) {
    this.#logger = logger;
    this.#counts = counts;
  }

  connectionOpened(clientId: string, resent: number): void {
    this.#counts.connected += 1;
    if (this.#causes.size > 0) this.#logger.info("connected to the broker again");
    this.#causes.clear();
    this.#logger.debug({ clientId, resent }, "connected to the broker");
  }

  connectionLost(clientId: string, reason: string): void {
    this.#counts.disconnected += 1;
    this.#failed(`no connection to the broker (${reason}); trying again`, { clientId });
  }

  connectionRefused(clientId: string, returnCode: number): void {
    this.#counts.refused += 1;
    const why = refusalText(returnCode);
    this.#failed(`the broker refused the connection (${why}); trying again`, { clientId, returnCode, why });
  }

  /** An attempt failed that no one was waiting for: it does not count as a lost connection. */
  attemptFailed(clientId: string, reason: string): void {
    this.#failed(`no connection to the broker (${reason}); trying again`, { clientId });
  }

  #failed(text: string, details: Readonly<Record<string, unknown>>): void {
    const nowMs = performance.now();
    const cause = this.#causes.get(text) ?? { loggedAtMs: Number.NEGATIVE_INFINITY, failures: 0 };
    this.#causes.set(text, cause);
    cause.failures++;
    if (nowMs - cause.loggedAtMs < AGAIN_MS) return;
    cause.loggedAtMs = nowMs;
    this.#logger.warn({ ...details, failures: cause.failures }, text);
  }
}
