import type { Logger } from "pino";

/** What happens to connections of a simulator: logged and counted here. */
export interface ConnectionCounts {
  connected: number;
  disconnected: number;
  refused: number;
}

export interface ConnectionEvents {
  connectionOpened(clientId: string, resent: number): void;
  connectionLost(clientId: string, why: string): void;
  connectionRefused(clientId: string, returnCode: number): void;
}

const REFUSALS: Readonly<Record<number, string>> = {
  1: "unacceptable protocol version",
  2: "client identifier rejected",
  3: "server unavailable",
  4: "bad user name or password",
  5: "not authorised",
};

/** Why a broker said no (MQTT 3.1.1, table 3.1). */
function refusalText(returnCode: number): string {
  return REFUSALS[returnCode] ?? `return code ${returnCode}`;
}

export function createConnectionEvents(logger: Logger, counts: ConnectionCounts): ConnectionEvents {
  return {
    connectionOpened(clientId, resent) {
      counts.connected += 1;
      logger.debug({ clientId, resent }, "connected to the broker");
    },
    connectionLost(clientId, why) {
      counts.disconnected += 1;
      logger.warn({ clientId }, `no connection to the broker (${why}); trying again`);
    },
    connectionRefused(clientId, returnCode) {
      counts.refused += 1;
      logger.warn(
        { clientId, returnCode, why: refusalText(returnCode) },
        "the broker refused the connection; trying again",
      );
    },
  };
}
