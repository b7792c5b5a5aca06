import { isSilent } from "../lib/silence.ts";
import { type OpenByDevice, openAlertsOf, rankOf } from "./alerts.ts";
import { hasOld } from "./census.ts";
import type { DeviceEntry } from "./devices.ts";

/** Devices that need attention first; otherwise in the order of the list, so that cards stay where they are. */
export function byAttention(list: readonly DeviceEntry[], alerts: OpenByDevice, nowUs: number): readonly DeviceEntry[] {
  const weights = new Map(list.map((entry) => [entry, weightOf(entry, alerts, nowUs)]));
  return list.toSorted((a, b) => (weights.get(b) ?? 0) - (weights.get(a) ?? 0));
}

function weightOf({ item }: DeviceEntry, alerts: OpenByDevice, nowUs: number): number {
  const known = item.peek();
  const worst = openAlertsOf(alerts, known)[0];
  if (worst?.state === "firing") return 10 + rankOf(worst.severity);
  if (isSilent(known, nowUs)) return 5;
  if (hasOld(known, nowUs)) return 4;
  if (worst !== undefined) return 3;
  return known.unwatched === true ? 1 : 0;
}
