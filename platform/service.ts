import type { Logger } from "pino";
import type { Clock } from "./clock.ts";
import type { Log } from "./log/port.ts";
import type { Metrics } from "./metrics.ts";

/** A running part of the gateway. */
export interface Service {
  readonly name: string;
  /** Ready to do its work; `detail` says why not, for `/readyz`. */
  health(): Health;
  /** Drains and ends. Safe to call twice, and after a partial start. */
  stop(): Promise<void>;
}

export interface Health {
  readonly ready: boolean;
  readonly detail: string;
  /** The work goes on, but something wants a person. For everybody who may ask `/readyz`. */
  readonly notice?: string;
}

/** What every service gets from outside. */
export interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: Log;
  readonly metrics: Metrics;
}
