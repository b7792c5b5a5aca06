import type { StatsItem } from "../../../contracts/feed/protocol.ts";

const REPORTS_KEPT = 8;
const INSTANCES_MAX = 64;
/** An instance that has not reported for this long no longer counts. */
const SILENT_US = 10_000_000;

/** Rates and totals over the metrics of all services. */
export interface RateTracker {
  add(item: StatsItem): void;
  /**
   * Growth per second over the last few reports, summed over labels and instances. Undefined before the second
   * report.
   */
  rate(name: string): number | undefined;
  /** The newest values, summed over labels and instances. Undefined if no instance reports it. */
  total(name: string): number | undefined;
  /** The greatest of the newest values. For ages and lags, which do not add up. */
  greatest(name: string): number | undefined;
  /** The least of the newest values. For times that are left: the first to run out counts. */
  least(name: string): number | undefined;
  /** The newest figures of one name, by the value of one label. Example: dead letters by reason. */
  byLabel(name: string, label: string): ReadonlyMap<string, number>;
  /** The greatest of the newest figures by the value of one label, for figures that several instances report alike. */
  greatestByLabel(name: string, label: string): ReadonlyMap<string, number>;
}

interface Report {
  readonly atUs: number;
  readonly sums: ReadonlyMap<string, number>;
  readonly values: Readonly<Record<string, number>>;
}

export function createRateTracker(): RateTracker {
  const instances = new Map<string, Report[]>();

  function living(): Report[][] {
    let newestUs = 0;
    for (const reports of instances.values()) newestUs = Math.max(newestUs, reports.at(-1)?.atUs ?? 0);
    return [...instances.values()].filter((reports) => (reports.at(-1)?.atUs ?? 0) > newestUs - SILENT_US);
  }

  function combined(name: string, label: string, combine: (known: number, value: number) => number) {
    const totals = new Map<string, number>();
    for (const reports of living()) {
      for (const [key, value] of Object.entries(reports.at(-1)?.values ?? {})) {
        if (metricName(key) !== name) continue;
        const labelValue = labelOf(key, label);
        if (labelValue !== undefined) totals.set(labelValue, combine(totals.get(labelValue) ?? 0, value));
      }
    }
    return totals;
  }

  function extreme(name: string, choose: (known: number, value: number) => number): number | undefined {
    let found: number | undefined;
    for (const reports of living()) {
      for (const [key, value] of Object.entries(reports.at(-1)?.values ?? {})) {
        if (metricName(key) === name && Number.isFinite(value)) found = choose(found ?? value, value);
      }
    }
    return found;
  }

  return {
    add(item) {
      const reports = instances.get(item.instance) ?? [];
      const last = reports.at(-1);
      if (last !== undefined && item.atUs <= last.atUs) return;
      reports.push({ atUs: item.atUs, sums: sumByName(item.values), values: item.values });
      if (reports.length > REPORTS_KEPT) reports.shift();
      instances.delete(item.instance);
      instances.set(item.instance, reports);
      const quietest = instances.keys().next();
      if (instances.size > INSTANCES_MAX && !quietest.done) instances.delete(quietest.value);
    },
    rate(name) {
      let rate: number | undefined;
      for (const reports of living()) {
        const growth = growthPerSecond(reports, name);
        if (growth !== undefined) rate = (rate ?? 0) + growth;
      }
      return rate;
    },
    total(name) {
      let total: number | undefined;
      for (const reports of living()) {
        const sum = reports.at(-1)?.sums.get(name);
        if (sum !== undefined) total = (total ?? 0) + sum;
      }
      return total;
    },
    greatest: (name) => extreme(name, Math.max),
    least: (name) => extreme(name, Math.min),
    byLabel: (name, label) => combined(name, label, (known, value) => known + value),
    greatestByLabel: (name, label) => combined(name, label, Math.max),
  };
}

/** A counter that falls was reset to zero by a restart. */
function growthPerSecond(reports: readonly Report[], name: string): number | undefined {
  let grown = 0;
  let overUs = 0;
  let last: Report | undefined;
  for (const report of reports) {
    const now = report.sums.get(name);
    const before = last?.sums.get(name);
    if (now !== undefined && last !== undefined) {
      // A label that appears for the first time starts from zero.
      grown += before === undefined || now < before ? now : now - before;
      overUs += report.atUs - last.atUs;
    }
    last = report;
  }
  return overUs > 0 ? (grown * 1_000_000) / overUs : undefined;
}

function sumByName(values: Readonly<Record<string, number>>): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const [key, value] of Object.entries(values)) {
    if (!Number.isFinite(value)) continue;
    const name = metricName(key);
    sums.set(name, (sums.get(name) ?? 0) + value);
  }
  return sums;
}

function metricName(key: string): string {
  const brace = key.indexOf("{");
  return brace === -1 ? key : key.slice(0, brace);
}

function labelOf(key: string, label: string): string | undefined {
  const found = new RegExp(`[{,]${label}="((?:[^"\\\\]|\\\\.)*)"`).exec(key);
  return found?.[1]?.replace(/\\(.)/g, "$1");
}
