import type { DeviceItem, ReadingItem, StatsItem } from "../../contracts/feed/protocol.ts";
import type { SeriesAnswer } from "../../contracts/history.ts";
import type { AlertChange, AlertState, Severity } from "../../domain/alert.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { airAt, METRICS, type Metric, STATIONS } from "./air.ts";

const HOUR_US = 3_600_000_000;
/** 14 March 2014, 00:00 in Beijing. */
const START_HOUR = Date.UTC(2014, 2, 13, 16) / 3_600_000;
const CHANGES_MAX = 2_000;
const WINDOWS_MAX = 4_000;

export interface Station {
  readonly device: string;
  readonly site: string;
  readonly seed: number;
}

interface MockRule {
  readonly id: string;
  readonly severity: Severity;
  readonly metric: Metric;
  readonly hours: number;
  readonly aggregate: "avg" | "max";
  readonly when: string;
  readonly holds: (value: number) => boolean;
  readonly clears: (value: number) => boolean;
  readonly forHours: number;
  readonly summary: (device: string, value: number) => string;
}

const RULES: readonly MockRule[] = [
  {
    id: "pm25-unhealthy",
    severity: "critical",
    metric: "PM2.5",
    hours: 3,
    aggregate: "avg",
    when: "> 110",
    holds: (value) => value > 110,
    clears: (value) => value < 100,
    forHours: 3,
    summary: (device, value) => `Fine dust at ${device} is unhealthy: ${value.toFixed(0)} µg/m³`,
  },
  {
    id: "no2-high",
    severity: "warning",
    metric: "NO2",
    hours: 1,
    aggregate: "max",
    when: "> 76",
    holds: (value) => value > 76,
    clears: (value) => value < 66,
    forHours: 4,
    summary: (device, value) => `Nitrogen dioxide at ${device} is high: ${value.toFixed(0)} µg/m³`,
  },
  {
    id: "air-stands-still",
    severity: "info",
    metric: "WSPM",
    hours: 6,
    aggregate: "avg",
    when: "< 0.5",
    holds: (value) => value < 0.5,
    clears: (value) => value > 0.8,
    forHours: 0,
    summary: (device, value) => `Hardly any wind at ${device}: ${value.toFixed(1)} m/s`,
  },
];

export interface WorldStep {
  readonly devices: readonly DeviceItem[];
  readonly readings: readonly ReadingItem[];
  readonly windows: readonly WindowResult[];
  readonly alerts: readonly AlertChange[];
}

/** The mock's sensors, rules and alerts: one call of `step` is one hour of event time. */
export interface MockWorld {
  step(): WorldStep;
  devices(): readonly DeviceItem[];
  readings(): readonly ReadingItem[];
  /** The newest results of all rules, oldest first. */
  windows(): readonly WindowResult[];
  /** The newest change of every alert. */
  alertStates(): readonly AlertChange[];
  /** Newest first. */
  alertChanges(limit: number): readonly AlertChange[];
  series(device: string, metric: string, fromUs: number, toUs: number, points: number): SeriesAnswer;
  stats(): StatsItem;
  rules(): readonly unknown[];
  /** A change made by hand, for tests. */
  change(device: string, state: AlertState, severity?: Severity): AlertChange;
}

export function createWorld(options: {
  readonly devices: number;
  readonly hoursBefore: number;
  readonly nowUs: () => number;
}): MockWorld {
  const { nowUs } = options;
  const stations = makeStations(options.devices);
  let hour = START_HOUR - options.hoursBefore;
  const states = new Map<string, AlertChange>();
  const changes: AlertChange[] = [];
  const recentWindows: WindowResult[] = [];
  const counters = { messages: 0, readings: 0, windows: 0, deadLetters: 3, stored: 0 };
  const alertCounts = { pending: 0, firing: 0, resolved: 0, inactive: 0 };
  let sequence = 0;

  function remember(change: AlertChange): void {
    states.set(`${change.rule}/${change.key.device}`, change);
    changes.push(change);
    if (changes.length > CHANGES_MAX) changes.shift();
    alertCounts[change.state]++;
  }

  function makeChange(
    rule: MockRule,
    station: Station,
    state: AlertState,
    value: number,
    activeAtUs: number,
  ): AlertChange {
    const key = { device: station.device, site: station.site };
    const before = states.get(`${rule.id}/${station.device}`);
    const endUs = hour * HOUR_US;
    sequence++;
    return {
      id: `${rule.id}-${station.device}-${sequence}`,
      incident: `${rule.id}-${station.device}-${activeAtUs}`,
      rule: rule.id,
      severity: rule.severity,
      from: before?.state ?? "inactive",
      state,
      key,
      labels: { ...key, team: "air" },
      annotations: { summary: rule.summary(station.device, value) },
      atUs: endUs,
      processedAtUs: nowUs(),
      activeAtUs,
      value,
      notify: ["ops"],
      evidence: {
        window: { startUs: endUs - rule.hours * HOUR_US, endUs },
        aggregate: rule.aggregate,
        value,
        condition: rule.when,
        watermarkUs: endUs,
        input: { partition: station.seed % 8, sequence },
      },
    };
  }

  function evaluate(rule: MockRule, station: Station): { result: WindowResult; change: AlertChange | undefined } {
    const values: number[] = [];
    for (let h = hour - rule.hours; h < hour; h++) values.push(Number(airAt(rule.metric, h, station.seed)));
    const avg = values.reduce((sum, value) => sum + value, 0) / values.length;
    const aggregates = { avg, min: Math.min(...values), max: Math.max(...values) };
    const result: WindowResult = {
      rule: rule.id,
      labels: { device: station.device, site: station.site, metric: rule.metric },
      startUs: (hour - rule.hours) * HOUR_US,
      endUs: hour * HOUR_US,
      revision: 0,
      aggregates,
    };
    const value = aggregates[rule.aggregate];
    const before = states.get(`${rule.id}/${station.device}`);
    const open = before?.state === "pending" || before?.state === "firing";
    const activeAtUs = open ? (before?.activeAtUs ?? 0) : result.endUs;
    let state: AlertState | undefined;
    if (!open && rule.holds(value)) state = rule.forHours === 0 ? "firing" : "pending";
    else if (before?.state === "pending" && !rule.holds(value)) state = "inactive";
    else if (before?.state === "pending" && result.endUs - activeAtUs >= rule.forHours * HOUR_US) state = "firing";
    else if (before?.state === "firing" && rule.clears(value)) state = "resolved";
    const change = state === undefined ? undefined : makeChange(rule, station, state, value, activeAtUs);
    return { result, change };
  }

  function step(): WorldStep {
    hour++;
    const windows: WindowResult[] = [];
    const alerts: AlertChange[] = [];
    for (const rule of RULES) {
      if (hour % rule.hours !== 0) continue;
      for (const station of stations) {
        const { result, change } = evaluate(rule, station);
        windows.push(result);
        if (change === undefined) continue;
        remember(change);
        alerts.push(change);
      }
    }
    recentWindows.push(...windows);
    recentWindows.splice(0, recentWindows.length - WINDOWS_MAX);
    counters.messages += stations.length;
    counters.readings += stations.length * METRICS.length;
    counters.windows += windows.length;
    counters.stored += stations.length * METRICS.length + windows.length;
    return { devices: devices(), readings: readings(), windows, alerts };
  }

  function devices(): readonly DeviceItem[] {
    return stations.map(({ device, site, seed }) => ({
      device,
      tags: { site },
      lastSeenUs: nowUs(),
      readings: (hour - START_HOUR + options.hoursBefore) * METRICS.length,
      clockAhead: 0,
      metrics: Object.fromEntries(
        METRICS.map((metric) => [metric, { atUs: (hour - 1) * HOUR_US, value: airAt(metric, hour - 1, seed) }]),
      ),
    }));
  }

  function readings(): readonly ReadingItem[] {
    return stations.flatMap(({ device, site, seed }) =>
      METRICS.map((metric) => ({
        device,
        metric,
        tags: { site },
        atUs: (hour - 1) * HOUR_US,
        value: airAt(metric, hour - 1, seed),
      })),
    );
  }

  for (let i = 0; i < options.hoursBefore; i++) step();

  return {
    step,
    devices,
    readings,
    windows: () => recentWindows,
    alertStates: () => [...states.values()],
    alertChanges: (limit) => changes.slice(-limit).reverse(),
    series(device, metric, fromUs, toUs, points) {
      const station = stations.find((one) => one.device === device);
      const known = METRICS.find((one) => one === metric);
      if (station === undefined || known === undefined) return { atUs: [], min: [], max: [], avg: [], count: [] };
      return bucketed(station, known, { fromUs, toUs: Math.min(toUs, (hour - 1) * HOUR_US + 1), points });
    },
    stats: () => ({
      instance: "gateway-1",
      atUs: nowUs(),
      values: {
        weir_broker_messages_total: counters.messages,
        weir_broker_clients: stations.length,
        weir_ingest_messages_total: counters.messages,
        weir_ingest_readings_total: counters.readings,
        'weir_ingest_dead_letters_total{reason="bad-payload"}': counters.deadLetters - 1,
        'weir_ingest_dead_letters_total{reason="unknown-topic"}': 1,
        weir_processor_readings_total: counters.readings,
        weir_processor_windows_total: counters.windows,
        'weir_processor_alerts_total{state="pending"}': alertCounts.pending,
        'weir_processor_alerts_total{state="firing"}': alertCounts.firing,
        'weir_processor_alerts_total{state="resolved"}': alertCounts.resolved,
        'weir_storage_points_total{measurement="readings"}': counters.readings,
        'weir_storage_points_total{measurement="windows"}': counters.windows,
        'weir_storage_lag_messages{stream="READINGS"}': counters.messages % 3,
        'weir_storage_lag_messages{stream="WINDOWS"}': 0,
        weir_feed_clients: 1,
        weir_processor_lag_us: 1_800,
        weir_processor_keys: stations.length * 3,
        weir_processor_duplicates_total: 4,
        'weir_processor_late_total{fate="applied"}': 7,
        'weir_processor_late_total{fate="dropped"}': 0,
        weir_ingest_clock_ahead_total: 2,
        'weir_feed_sent_total{channel="readings"}': counters.readings,
        weir_feed_conflated_total: 0,
        'weir_notifier_messages_total{outcome="delivered"}': alertCounts.firing,
        weir_notifier_waiting_changes: 0,
      },
    }),
    rules: () => RULES.map(ruleJson),
    change(device, state, severity = "critical") {
      const station = stations.find((one) => one.device === device) ?? { device, site: "lab", seed: 0 };
      const rule: MockRule = {
        ...(RULES[0] ?? fail("no rules")),
        id: "by-hand",
        severity,
        summary: () => `By hand: ${device} needs a look`,
      };
      const before = states.get(`by-hand/${device}`);
      const change = makeChange(rule, station, state, 200, before?.activeAtUs ?? hour * HOUR_US);
      remember(change);
      return change;
    },
  };
}

function bucketed(
  station: Station,
  metric: Metric,
  query: { fromUs: number; toUs: number; points: number },
): SeriesAnswer {
  const answer = {
    atUs: [] as number[],
    min: [] as number[],
    max: [] as number[],
    avg: [] as number[],
    count: [] as number[],
  };
  const bucketUs = Math.max(HOUR_US, Math.ceil((query.toUs - query.fromUs) / query.points / HOUR_US) * HOUR_US);
  const firstUs = Math.ceil(query.fromUs / bucketUs) * bucketUs;
  for (let atUs = firstUs; atUs < query.toUs; atUs += bucketUs) {
    const values: number[] = [];
    for (let us = atUs; us < Math.min(atUs + bucketUs, query.toUs); us += HOUR_US) {
      const value = airAt(metric, us / HOUR_US, station.seed);
      if (typeof value === "number") values.push(value);
    }
    if (values.length === 0) continue;
    answer.atUs.push(atUs);
    answer.min.push(Math.min(...values));
    answer.max.push(Math.max(...values));
    answer.avg.push(values.reduce((sum, value) => sum + value, 0) / values.length);
    answer.count.push(values.length);
  }
  return answer;
}

function makeStations(count: number): readonly Station[] {
  return Array.from({ length: count }, (_, index) => {
    const [name, site] = STATIONS[index % STATIONS.length] ?? ["Dongsi", "urban"];
    const round = Math.floor(index / STATIONS.length);
    return { device: round === 0 ? name : `${name}-${round + 1}`, site, seed: 100 + index };
  });
}

function ruleJson(rule: MockRule): unknown {
  return {
    id: rule.id,
    severity: rule.severity,
    where: { metric: rule.metric },
    group_by: ["device", "site"],
    window: { tumbling: `${rule.hours}h` },
    aggregate: [rule.aggregate, "min", "max"].filter((one, index, all) => all.indexOf(one) === index),
    when: rule.when,
    for: rule.forHours === 0 ? "0s" : `${rule.forHours}h`,
    annotations: { summary: "{{ device }} at {{ value }}" },
  };
}

function fail(message: string): never {
  throw new Error(message);
}
