import { computed, type ReadonlySignal } from "@preact/signals";
import type { DeviceItem } from "../../../contracts/feed/protocol.ts";
import { isOld, isSilent } from "../lib/silence.ts";
import type { DeviceEntry } from "./devices.ts";

/** How many devices need attention although no alert is open about them. */
export interface Census {
  readonly devices: number;
  readonly silent: number;
  /** Devices that send, with at least one metric that is silent. */
  readonly partlySilent: number;
  /** No rule watches them, not even for silence. */
  readonly unwatched: number;
  /** Metrics, by name, whose values no rule watches on at least one of the other devices. */
  readonly unwatchedMetrics: number;
}

type Counted = Pick<DeviceEntry, "item">;

const AGAIN_US = 2_000_000;

/** Counts again every two seconds: an item can change a thousand times in between. */
export function createCensus(
  list: ReadonlySignal<readonly Counted[]>,
  asOfUs: ReadonlySignal<number>,
): ReadonlySignal<Census> {
  const again = computed(() => Math.floor(asOfUs.value / AGAIN_US));
  let before: Census | undefined;
  return computed(() => {
    again.value;
    const now = countDevices(list.value, asOfUs.peek());
    // An equal census stays the same object, so that nothing is rendered again.
    if (before === undefined || JSON.stringify(before) !== JSON.stringify(now)) before = now;
    return before;
  });
}

/** Without lists of metrics: thousands of devices are counted while the page draws. */
export function countDevices(list: readonly Counted[], nowUs: number): Census {
  let [silent, partlySilent, unwatched] = [0, 0, 0];
  const names = new Set<string>();
  for (const { item: signal } of list) {
    const item = signal.peek();
    if (isSilent(item, nowUs)) silent++;
    else if (hasOld(item, nowUs)) partlySilent++;
    if (item.unwatched === true) unwatched++;
    else for (const name in item.metrics) if (item.metrics[name]?.unwatched === true) names.add(name);
  }
  return { devices: list.length, silent, partlySilent, unwatched, unwatchedMetrics: names.size };
}

/** Whether a metric of a device is silent. */
export function hasOld(item: DeviceItem, nowUs: number): boolean {
  for (const name in item.metrics) {
    const metric = item.metrics[name];
    if (metric !== undefined && isOld(item, metric, nowUs)) return true;
  }
  return false;
}

/** Whether no rule watches the values of a metric of the device. */
export function hasUnwatched({ metrics }: DeviceItem): boolean {
  return Object.values(metrics).some(({ unwatched }) => unwatched === true);
}
