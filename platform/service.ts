import type { Logger } from "pino";
import type { Health } from "../contracts/service-reports.ts";
import type { Clock } from "./clock.ts";
import type { Log } from "./log/port.ts";
import type { Metrics } from "./metrics.ts";

/** A running part of the gateway. */
export interface Service {
  readonly name: string;
  /** Ready to do its work; `detail` gives the reason if not, for `/readyz`. */
  health(): Health;
  /** Drains and ends. Safe to call twice, and after a partial start. */
  stop(): Promise<void>;
}

export type { Health };

/** What every service receives from outside. */
export interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: Log;
  readonly metrics: Metrics;
}
