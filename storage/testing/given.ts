import type { IncidentEvent } from "../../contracts/incident-events.ts";
import type { AlertChange } from "../../domain/alert.ts";
import type { Reading } from "../../domain/reading.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import type { StoreWriter, WriteReport } from "../common/store.ts";

/** The contents of a store, read without the store's own code. */
export interface StoreOracle {
  readings(device: string): Promise<readonly Reading[]>;
  /** The valid windows, without aggregates that have no value. */
  windows(rule: string): Promise<readonly WindowResult[]>;
  alerts(rule: string): Promise<readonly AlertChange[]>;
}

/** Shared by the parts of the contract: one store, which keeps the data of earlier tests. */
export interface Given {
  readonly oracle: StoreOracle;
  writer(): StoreWriter;
  /** The sequence of the last message. */
  sequence(): number;
  write(readings: readonly Reading[]): Promise<WriteReport>;
  writeAlerts(alerts: readonly AlertChange[]): Promise<WriteReport>;
  writeEvents(events: readonly IncidentEvent[]): Promise<WriteReport>;
  /** Closes the store and opens it again. */
  reopen(): Promise<void>;
}
