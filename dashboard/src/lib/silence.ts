import type { DeviceItem, DeviceMetric } from "../../../contracts/feed/protocol.ts";

/** Whether a device has sent nothing for longer than its rhythm allows. */
export function isSilent({ silentFromUs }: Pick<DeviceItem, "silentFromUs">, nowUs: number): boolean {
  return nowUs >= silentFromUs;
}

/** Whether a metric's value is old: the metric is silent, or its device is. */
export function isOld(item: DeviceItem, metric: DeviceMetric, nowUs: number): boolean {
  return isSilent(item, nowUs) || nowUs >= (metric.silentFromUs ?? item.silentFromUs);
}

/** Receive time of a metric's newest reading. */
export function seenUsOf({ lastSeenUs }: DeviceItem, { seenUs }: DeviceMetric): number {
  return seenUs ?? lastSeenUs;
}
