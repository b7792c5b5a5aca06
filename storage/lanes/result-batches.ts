import { type IncidentEvent, incidentEventsIn } from "../../contracts/incident-events.ts";
import type { AlertChange, AlertEvent } from "../../domain/alert.ts";
import { INSTANT_US_MAX } from "../../domain/time.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { decodeWindows } from "../../domain/windows-codec.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import { SERIES_BYTES_MAX } from "../common/batch-rows.ts";
import type { Batch, Position } from "../common/store.ts";
import { NO_POSITION } from "../common/store.ts";
import type { BatchBuilder, RefusedRow } from "./reading-batches.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

const PAYLOAD_BYTES_MAX = 8 * 1024 * 1024;

interface Results<Item> {
  decode(message: LogMessage): readonly Item[];
  /** Why no store can hold an item; undefined if stores can. */
  faultOf(item: Item, payload: Uint8Array): string | undefined;
  batchOf(items: readonly Item[], position: Position): Batch;
}

/** Collects the results that log messages contain. */
class ListBuilder<Item> implements BatchBuilder {
  readonly #results: Results<Item>;
  readonly #rowsMax: number;
  #items: Item[] = [];
  #bytes = 0;
  #messages = 0;
  #position: Position = NO_POSITION;

  constructor(rowsMax: number, results: Results<Item>) {
    this.#rowsMax = rowsMax;
    this.#results = results;
  }

  get rows(): number {
    return this.#items.length;
  }

  get messages(): number {
    return this.#messages;
  }

  get full(): boolean {
    return this.#items.length >= this.#rowsMax || this.#bytes >= PAYLOAD_BYTES_MAX;
  }

  add(message: LogMessage): readonly RefusedRow[] {
    const { payload } = message;
    const refused: RefusedRow[] = [];
    for (const item of this.#results.decode(message)) {
      const detail = this.#results.faultOf(item, payload);
      if (detail === undefined) this.#items.push(item);
      else refused.push({ detail, text: JSON.stringify(item) });
    }
    this.#bytes += payload.length;
    this.skip(message);
    return refused;
  }

  skip(message: LogMessage): void {
    this.#position = { sequence: message.sequence, storedAtUs: message.storedAtUs };
    this.#messages++;
  }

  take(): Batch {
    const batch = this.#results.batchOf(this.#items, this.#position);
    this.clear();
    return batch;
  }

  recycle(): void {}

  clear(): void {
    this.#items = [];
    this.#bytes = 0;
    this.#messages = 0;
  }
}

export function createWindowsBuilder(rowsMax: number): BatchBuilder {
  return new ListBuilder<WindowResult>(rowsMax, {
    decode: ({ payload }) => decodeWindows(payload).results,
    faultOf: ({ startUs, endUs, labels }, payload) => {
      if (!isInstant(startUs) || !isInstant(endUs)) return `the window from ${startUs} to ${endUs} is out of range`;
      // The labels are a part of the payload.
      const length = payload.length > SERIES_BYTES_MAX ? JSON.stringify(labels).length : 0;
      return length > SERIES_BYTES_MAX
        ? `its labels have ${length} characters, at most ${SERIES_BYTES_MAX}`
        : undefined;
    },
    batchOf: (windows, position) => ({ stream: "WINDOWS", position, windows }),
  });
}

function isInstant(atUs: number): boolean {
  return Math.abs(atUs) <= INSTANT_US_MAX;
}

export function createAlertsBuilder(rowsMax: number): BatchBuilder {
  return new ListBuilder<AlertChange>(rowsMax, {
    decode: ({ payload }) => [decodeAlert(payload)],
    faultOf: ({ atUs }) => (isInstant(atUs) ? undefined : `the time, ${atUs} microseconds, is out of range`),
    batchOf: (alerts, position) => ({ stream: "ALERTS", position, alerts }),
  });
}

/** Silences have no events; only the position advances. */
export function createIncidentEventsBuilder(rowsMax: number): BatchBuilder {
  return new ListBuilder<IncidentEvent>(rowsMax, {
    decode: incidentEventsIn,
    faultOf: ({ atUs }) => (isInstant(atUs) ? undefined : `the time, ${atUs} microseconds, is out of range`),
    batchOf: (events, position) => ({ stream: "NOTIFICATIONS", position, events }),
  });
}

/** The change in a CloudEvents message. Throws if the message has none. */
function decodeAlert(payload: Uint8Array): AlertChange {
  const event = JSON.parse(decoder.decode(payload)) as Partial<AlertEvent>;
  const change = event.data;
  if (event.type !== "weir.alert.v1" || typeof change?.id !== "string" || !Number.isFinite(change.atUs)) {
    throw new RangeError(`not an alert change: type ${String(event.type)}`);
  }
  return change;
}
