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

export function countDevices(list: readonly Counted[], nowUs: number): Census {
  let [silent, partlySilent, unwatched] = [0, 0, 0];
  const metrics = new Set<string>();
  for (const entry of list) {
    const item = entry.item.peek();
    if (isSilent(item, nowUs)) silent++;
    else if (hasOld(item, nowUs)) partlySilent++;
    if (item.unwatched === true) unwatched++;
    else for (const metric of unwatchedMetrics(item)) metrics.add(metric);
  }
  return { devices: list.length, silent, partlySilent, unwatched, unwatchedMetrics: metrics.size };
}

/** Whether a metric of a device is silent. */
export function hasOld(item: DeviceItem, nowUs: number): boolean {
  return Object.values(item.metrics).some((metric) => isOld(item, metric, nowUs));
}

export function unwatchedMetrics({ metrics }: DeviceItem): readonly string[] {
  return Object.entries(metrics).flatMap(([metric, { unwatched }]) => (unwatched === true ? [metric] : []));
}
