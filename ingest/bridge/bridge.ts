import { Backoff, type BackoffLimits } from "../../domain/backoff.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Clock } from "../../platform/clock.ts";
import { type Environment, secretValue } from "../../platform/files/secret-values.ts";
import type { InboundMessage } from "../../platform/publish-gate.ts";
import type { Health } from "../../platform/service.ts";
import type { BridgeConfig } from "../common/config.ts";
import type { IngestEvents } from "../common/events.ts";
import { BridgeConnection } from "./bridge-connection.ts";

export interface BridgeDeps {
  readonly accept: (message: InboundMessage, done: (error?: Error) => void) => void;
  readonly clock: Clock;
  /** Where to look up secrets; by default the environment of the process. */
  readonly environment?: Environment;
  readonly events: Pick<IngestEvents, "bridgeConnected" | "bridgeLost" | "bridgeRefused">;
}

export interface Bridge {
  health(): Health;
  /**
   * Acknowledges the messages that are in the log by then; the broker resends the others at the next start.
   * Idempotent.
   */
  stop(): Promise<void>;
}

const RECONNECT: BackoffLimits = { firstMs: 1_000, maxMs: 15_000 };
const STOP_MS_MAX = 5_000;

/**
 * Subscribes to an outside broker (MQTT 5) and acknowledges a message only once it is in the log (ADR 7). The session
 * outlives the connection, so the broker resends unacknowledged messages. A lost connection is retried forever.
 */
export async function startBridge(config: BridgeConfig, deps: BridgeDeps): Promise<Bridge> {
  const { accept, clock, events } = deps;
  const { password_env: env, password_file: file } = config;
  const password = secretValue("ingest.bridge: the password", { env, file }, deps.environment ?? process.env);
  const stopping = new AbortController();
  let lost: string | undefined = "not connected yet";
  let connection: BridgeConnection | undefined;

  async function run(): Promise<void> {
    // With random pauses: when a broker restarts, its gateways must not all connect at once.
    const backoff = new Backoff(RECONNECT, Math.random);
    while (!stopping.signal.aborted) {
      connection = new BridgeConnection(config, password, {
        accept,
        clock,
        onSubscribed() {
          lost = undefined;
          backoff.reset();
          events.bridgeConnected(config.url);
        },
        onRefused: events.bridgeRefused,
      });
      connection.start();
      lost = await connection.ended;
      if (stopping.signal.aborted) return;
      events.bridgeLost(config.url, lost);
      await sleep(backoff.nextMs(), { signal: stopping.signal });
    }
  }

  const running = run();
  return {
    health: () => (lost === undefined ? { ready: true, detail: "" } : { ready: false, detail: `bridge: ${lost}` }),
    async stop() {
      if (!stopping.signal.aborted) {
        stopping.abort();
        await connection?.stop(STOP_MS_MAX);
      }
      await running;
    },
  };
}
