import type { DeviceItem } from "../../contracts/feed/protocol.ts";
import type { Tags } from "../../domain/reading.ts";

/** A device that has just sent these values. */
export function deviceItem(device: string, tags: Tags, values: Readonly<Record<string, number>>): DeviceItem {
  const nowUs = Date.now() * 1000;
  const metrics = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { atUs: nowUs, value }]));
  const silentFromUs = nowUs + 3_600_000_000;
  return { device, tags, lastSeenUs: nowUs, silentFromUs, readings: 1, clockAhead: 0, metrics };
}
