import type { AlertChange } from "../../../domain/alert.ts";
import { isRecorded } from "../lib/event-clock.ts";
import { deviceOf, deviceTagsOf } from "./alerts.ts";
import type { DeviceStore } from "./devices.ts";

/**
 * The present of an alert, for its age: the clock, or the newest reading if its data is recorded. Both kinds may arrive
 * at the same time, so the alert itself says which.
 */
export function presentOf(
  change: AlertChange,
  { devices, nowUs }: { readonly devices: Pick<DeviceStore, "having" | "clock">; readonly nowUs: number },
): number {
  const { atUs, processedAtUs } = change;
  if (!isRecorded({ newestUs: atUs, seenUs: processedAtUs })) return nowUs;
  const device = deviceOf(change);
  const entries = device === undefined ? [] : devices.having({ device, tags: deviceTagsOf(change) });
  const newest = entries.map((entry) => entry.newestUs());
  return Math.max(atUs, ...(newest.length === 0 ? [devices.clock.recordedUs] : newest));
}
