import { hash } from "node:crypto";
import { type Device, deviceKey } from "../../domain/reading.ts";
import type { DeviceCounts, DeviceLedger } from "../common/device-ledger.ts";
import { shownName } from "../names/names.ts";

export interface KnownSeriesLimits {
  readonly series_max: number;
  readonly series_per_device_max: number;
  readonly devices_max: number;
  readonly devices_per_user_max: number;
  /** Microseconds without a reading. */
  readonly forget_after: number;
}

export interface KnownDevice {
  readonly device: Device;
  readonly key: string;
  readonly counts: DeviceCounts;
  readonly sender: Sender;
  series: number;
  seenAtUs: number;
  isForgotten: boolean;
}

export interface KnownOne {
  readonly device: KnownDevice;
  seenAtUs: number;
  isForgotten: boolean;
}

/** A user, or the address of clients without one. */
interface Sender {
  readonly name: string;
  devices: number;
  nameBytes: number;
  series: number;
}

/** A device or series is not accepted: which limit it exceeds. */
export interface Refused<Reason extends "too-many-devices" | "too-many-series"> {
  readonly reason: Reason;
  readonly detail: string;
}

/** The names of all devices together. */
const NAME_BYTES_MAX = 128 * 1_048_576;
/** How many entries are checked for age with each new one, and with each refused one. */
const SWEEP_STEP = 4;
const SWEEP_STEP_FULL = 16;
const HASH_DIGITS = 13;

/**
 * The devices and series that may send: a client that keeps inventing names must not fill the memory of everything
 * behind the ingest. Of each total, one sender gets at most as much as is free, so half of it when it is alone: room
 * remains for others, however many do the same. What sends nothing for a while is forgotten, and makes room.
 */
export class KnownSeries {
  /** Lower ones refuse further devices and series; known ones may still send. */
  limits: KnownSeriesLimits;
  readonly #ledger: DeviceLedger;
  readonly #devices = new Map<string, KnownDevice>();
  /** By the hash of device, tags and metric: names would take too much memory. */
  readonly #series = new Map<number, KnownOne>();
  readonly #senders = new Map<string, Sender>();
  #nameBytes = 0;
  #nextDevice: Iterator<KnownDevice> | undefined;
  #nextSeries: Iterator<readonly [number, KnownOne]> | undefined;

  constructor(limits: KnownSeriesLimits, ledger: DeviceLedger) {
    this.limits = limits;
    this.#ledger = ledger;
  }

  get size(): { readonly devices: number; readonly series: number } {
    return { devices: this.#devices.size, series: this.#series.size };
  }

  device(device: Device, senderName: string, atUs: number): KnownDevice | Refused<"too-many-devices"> {
    const key = deviceKey(device);
    const known = this.#devices.get(key);
    if (known !== undefined) {
      known.seenAtUs = atUs;
      return known;
    }
    this.#sweep(SWEEP_STEP, atUs);
    const sender = this.#senders.get(senderName) ?? { name: senderName, devices: 0, nameBytes: 0, series: 0 };
    const detail = this.#deviceLimit(sender, key);
    if (detail !== undefined) {
      this.#sweep(SWEEP_STEP_FULL, atUs);
      return { reason: "too-many-devices", detail };
    }
    const counts = this.#ledger.of(device);
    const added = { device, key, counts, sender, series: 0, seenAtUs: atUs, isForgotten: false };
    this.#devices.set(key, added);
    this.#senders.set(senderName, sender);
    sender.devices++;
    sender.nameBytes += key.length;
    this.#nameBytes += key.length;
    return added;
  }

  series(device: KnownDevice, metric: string, atUs: number): KnownOne | Refused<"too-many-series"> {
    const key = hashOf(`${device.key}\u0000${metric}`);
    const known = this.#series.get(key);
    if (known !== undefined) {
      known.seenAtUs = atUs;
      return known;
    }
    this.#sweep(SWEEP_STEP, atUs);
    const detail = this.#seriesLimit(device);
    if (detail !== undefined) {
      this.#sweep(SWEEP_STEP_FULL, atUs);
      return { reason: "too-many-series", detail };
    }
    const added = { device, seenAtUs: atUs, isForgotten: false };
    this.#series.set(key, added);
    device.series++;
    device.sender.series++;
    return added;
  }

  #deviceLimit(sender: Sender, key: string): string | undefined {
    const { devices_max, devices_per_user_max } = this.limits;
    const has = `${senderText(sender)} has ${sender.devices} devices`;
    if (sender.devices >= devices_per_user_max) return `${has}, as many as ingest.limits.devices_per_user_max allows`;
    if (sender.devices >= devices_max - this.#devices.size) {
      return `${has}, and of all devices there are ${this.#devices.size}: ingest.limits.devices_max leaves it no more`;
    }
    if (sender.nameBytes + key.length > NAME_BYTES_MAX - this.#nameBytes) {
      return `${has}, and the names of all devices together take ${this.#nameBytes} bytes: it gets no more`;
    }
    return undefined;
  }

  #seriesLimit({ device, series, sender }: KnownDevice): string | undefined {
    const { series_max, series_per_device_max } = this.limits;
    if (series >= series_per_device_max) {
      const name = shownName(device.device);
      return `device ${name} has ${series} metrics, as many as ingest.limits.series_per_device_max allows`;
    }
    if (sender.series < series_max - this.#series.size) return undefined;
    const has = `${senderText(sender)} has ${sender.series} series`;
    return `${has}, and of all series there are ${this.#series.size}: ingest.limits.series_max leaves it no more`;
  }

  /** Goes around, a few entries at a time. */
  #sweep(steps: number, atUs: number): void {
    const oldestUs = atUs - this.limits.forget_after;
    for (let i = 0; i < steps; i++) {
      this.#nextSeries ??= this.#series.entries();
      const { done, value } = this.#nextSeries.next();
      if (done === true) this.#nextSeries = undefined;
      else if (value[1].seenAtUs < oldestUs) this.#forgetSeries(value[0], value[1]);
      this.#nextDevice ??= this.#devices.values();
      const { done: isLast, value: device } = this.#nextDevice.next();
      if (isLast === true) this.#nextDevice = undefined;
      else if (device.series === 0 && device.seenAtUs < oldestUs) this.#forgetDevice(device);
    }
  }

  #forgetSeries(key: number, one: KnownOne): void {
    one.isForgotten = true;
    this.#series.delete(key);
    one.device.series--;
    one.device.sender.series--;
  }

  #forgetDevice(known: KnownDevice): void {
    const { device, key, sender } = known;
    known.isForgotten = true;
    this.#devices.delete(key);
    this.#ledger.forget(device);
    this.#nameBytes -= key.length;
    sender.nameBytes -= key.length;
    sender.devices--;
    if (sender.devices === 0) this.#senders.delete(sender.name);
  }
}

function senderText({ name }: Sender): string {
  return name === "" ? "its sender" : shownName(name);
}

/** 52 bits: two of a million series share a hash once in ten thousand gateways, and then count as one. */
function hashOf(text: string): number {
  return Number.parseInt(hash("sha1", text, "hex").slice(0, HASH_DIGITS), 16);
}
