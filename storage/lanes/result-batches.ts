import type { AlertChange, AlertEvent } from "../../domain/alert.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { decodeWindows } from "../../domain/windows-codec.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import type { Batch, Position } from "../common/store.ts";
import { NO_POSITION } from "../common/store.ts";
import type { BatchBuilder } from "./reading-batches.ts";

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Collects the results that log messages contain. */
class ListBuilder<Item> implements BatchBuilder {
  readonly #decode: (payload: Uint8Array) => readonly Item[];
  readonly #batchOf: (items: readonly Item[], position: Position) => Batch;
  readonly #rowsMax: number;
  #items: Item[] = [];
  #messages = 0;
  #position: Position = NO_POSITION;

  constructor(
    rowsMax: number,
    decode: (payload: Uint8Array) => readonly Item[],
    batchOf: (items: readonly Item[], position: Position) => Batch,
  ) {
    this.#rowsMax = rowsMax;
    this.#decode = decode;
    this.#batchOf = batchOf;
  }

  get rows(): number {
    return this.#items.length;
  }

  get messages(): number {
    return this.#messages;
  }

  get full(): boolean {
    return this.#items.length >= this.#rowsMax;
  }

  add(message: LogMessage): void {
    for (const item of this.#decode(message.payload)) this.#items.push(item);
    this.skip(message);
  }

  skip(message: LogMessage): void {
    this.#position = { sequence: message.sequence, storedAtUs: message.storedAtUs };
    this.#messages++;
  }

  take(): Batch {
    const batch = this.#batchOf(this.#items, this.#position);
    this.clear();
    return batch;
  }

  recycle(): void {}

  clear(): void {
    this.#items = [];
    this.#messages = 0;
  }
}

export function createWindowsBuilder(rowsMax: number): BatchBuilder {
  return new ListBuilder<WindowResult>(
    rowsMax,
    (payload) => decodeWindows(payload).results,
    (windows, position) => ({ stream: "WINDOWS", position, windows }),
  );
}

export function createAlertsBuilder(rowsMax: number): BatchBuilder {
  return new ListBuilder<AlertChange>(
    rowsMax,
    (payload) => [decodeAlert(payload)],
    (alerts, position) => ({ stream: "ALERTS", position, alerts }),
  );
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
