import type { Severity } from "../../../domain/alert.ts";
import { isSilent } from "../lib/silence.ts";
import { type OpenByDevice, openAlertsOf, rankOf } from "./alerts.ts";
import { hasOld } from "./census.ts";
import type { DeviceEntry } from "./devices.ts";

export interface SiteSummary {
  /** Empty for devices without a site. */
  readonly site: string;
  readonly devices: number;
  /** Devices that are silent, or of which a metric is. */
  readonly silent: number;
  /** No rule watches them. */
  readonly unwatched: number;
  /** Devices with a firing alert. */
  readonly alerting: number;
  readonly worst: Severity | undefined;
}

type Sum = { -readonly [Name in keyof Omit<SiteSummary, "site">]: SiteSummary[Name] };

/** Nothing to look into: every device sends, is watched, and has no firing alert. */
export function isWell({ silent, unwatched, alerting }: SiteSummary): boolean {
  return silent === 0 && unwatched === 0 && alerting === 0;
}

/** The state of each site, by name. */
export function summariseSites(
  devices: readonly DeviceEntry[],
  alerts: OpenByDevice,
  nowUs: number,
): readonly SiteSummary[] {
  const sites = new Map<string, Sum>();
  for (const entry of devices) {
    const item = entry.item.peek();
    const site = item.tags.site ?? "";
    let sum = sites.get(site);
    if (sum === undefined) {
      sum = { devices: 0, silent: 0, unwatched: 0, alerting: 0, worst: undefined };
      sites.set(site, sum);
    }
    sum.devices++;
    if (isSilent(item, nowUs) || hasOld(item, nowUs)) sum.silent++;
    if (item.unwatched === true) sum.unwatched++;
    const worst = openAlertsOf(alerts, item)[0];
    if (worst?.state !== "firing") continue;
    sum.alerting++;
    if (sum.worst === undefined || rankOf(worst.severity) > rankOf(sum.worst)) sum.worst = worst.severity;
  }
  const names = new Intl.Collator("en", { numeric: true });
  return [...sites].map(([site, sum]) => ({ site, ...sum })).sort((a, b) => names.compare(a.site, b.site));
}
