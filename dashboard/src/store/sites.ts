import type { Severity } from "../../../domain/alert.ts";
import { isSilent } from "../lib/silence.ts";
import { type OpenByDevice, openAlertsOf, rankOf } from "./alerts.ts";
import type { DeviceEntry } from "./devices.ts";

export interface SiteSummary {
  /** Empty for devices without a site. */
  readonly site: string;
  readonly devices: number;
  readonly silent: number;
  /** Devices with a firing alert. */
  readonly alerting: number;
  readonly worst: Severity | undefined;
}

/** The state of each site, by name. */
export function summariseSites(
  devices: readonly DeviceEntry[],
  alerts: OpenByDevice,
  nowUs: number,
): readonly SiteSummary[] {
  const sites = new Map<string, { devices: number; silent: number; alerting: number; worst: Severity | undefined }>();
  for (const entry of devices) {
    const item = entry.item.peek();
    const site = item.tags.site ?? "";
    let sum = sites.get(site);
    if (sum === undefined) {
      sum = { devices: 0, silent: 0, alerting: 0, worst: undefined };
      sites.set(site, sum);
    }
    sum.devices++;
    if (isSilent(item, nowUs)) sum.silent++;
    const worst = openAlertsOf(alerts, item)[0];
    if (worst?.state !== "firing") continue;
    sum.alerting++;
    if (sum.worst === undefined || rankOf(worst.severity) > rankOf(sum.worst)) sum.worst = worst.severity;
  }
  const names = new Intl.Collator("en", { numeric: true });
  return [...sites].map(([site, sum]) => ({ site, ...sum })).sort((a, b) => names.compare(a.site, b.site));
}
