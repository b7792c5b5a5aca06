import type { DeviceItem, ReadingItem, StatsItem } from "../../contracts/feed/protocol.ts";
import type { SeriesAnswer } from "../../contracts/history.ts";
import type { StatesAnswer } from "../../contracts/http/data.ts";
import type { AlertChange, AlertState, Severity } from "../../domain/alert.ts";
import { alertChangeId, incidentId, keyHash } from "../../domain/alert-ids.ts";
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

const PM25: MockRule = {
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
};

const RULES: readonly MockRule[] = [
  PM25,
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

interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

/** Selects the points of a chart: `[fromUs, toUs)`, in at most this many buckets. */
export interface MockQuery extends Span {
  readonly points: number;
}

export interface WorldOptions {
  readonly devices: number;
  readonly hoursBefore: number;
  readonly nowUs: () => number;
  /** Without rules, nothing is watched. */
  readonly rules?: boolean;
  /** Changes a device's item, for example to make it silent. */
  readonly edit?: (item: DeviceItem, index: number) => DeviceItem;
}

/** The mock's sensors, rules and alerts. One call of `step` is one hour of event time. */
export class MockWorld {
  readonly #nowUs: () => number;
  readonly #edit: NonNullable<WorldOptions["edit"]>;
  readonly #rules: readonly MockRule[];
  readonly #stations: readonly Station[];
  readonly #firstHour: number;
  readonly #states = new Map<string, AlertChange>();
  readonly #changes: AlertChange[] = [];
  readonly #windows: WindowResult[] = [];
  readonly #counters = { messages: 0, readings: 0, windows: 0, deadLetters: 3 };
  readonly #alertCounts = { pending: 0, firing: 0, resolved: 0, inactive: 0 };
  #hour: number;
  #sequence = 0;

  constructor(options: WorldOptions) {
    this.#edit = options.edit ?? ((item) => item);
    this.#rules = options.rules === false ? [] : RULES;
    this.#nowUs = options.nowUs;
    this.#stations = makeStations(options.devices);
    this.#firstHour = START_HOUR - options.hoursBefore;
    this.#hour = this.#firstHour;
    for (let i = 0; i < options.hoursBefore; i++) this.step();
  }

  step(): WorldStep {
    this.#hour++;
    const windows: WindowResult[] = [];
    const alerts: AlertChange[] = [];
    for (const rule of this.#rules) {
      if (this.#hour % rule.hours !== 0) continue;
      for (const station of this.#stations) {
        const result = this.#windowOf(rule, station);
        windows.push(result);
        const change = this.#evaluate(rule, station, result);
        if (change !== undefined) alerts.push(change);
      }
    }
    this.#windows.push(...windows);
    this.#windows.splice(0, this.#windows.length - WINDOWS_MAX);
    this.#counters.messages += this.#stations.length;
    this.#counters.readings += this.#stations.length * METRICS.length;
    this.#counters.windows += windows.length;
    return { devices: this.devices(), readings: this.readings(), windows, alerts };
  }

  devices(): readonly DeviceItem[] {
    return this.#stations.map((station, index) => this.#edit(this.#deviceOf(station), index));
  }

  #deviceOf({ device, site, seed }: Station): DeviceItem {
    return {
      device,
      tags: { site },
      lastSeenUs: this.#nowUs(),
      silentFromUs: this.#nowUs() + 3 * HOUR_US,
      expectedEveryUs: HOUR_US,
      ...(this.#rules.length === 0 ? { unwatched: true as const } : {}),
      readings: (this.#hour - this.#firstHour) * METRICS.length,
      clockAhead: 0,
      metrics: Object.fromEntries(
        METRICS.map((metric) => [
          metric,
          {
            atUs: (this.#hour - 1) * HOUR_US,
            value: airAt(metric, this.#hour - 1, seed),
            ...(this.#rules.some((rule) => rule.metric === metric) ? {} : { unwatched: true as const }),
          },
        ]),
      ),
    };
  }

  readings(): readonly ReadingItem[] {
    return this.#stations.flatMap(({ device, site, seed }) =>
      METRICS.map((metric) => ({
        device,
        metric,
        tags: { site },
        atUs: (this.#hour - 1) * HOUR_US,
        value: airAt(metric, this.#hour - 1, seed),
      })),
    );
  }

  /** The newest results of all rules, oldest first. */
  windows(): readonly WindowResult[] {
    return this.#windows;
  }

  /** The newest change of every alert. */
  alertStates(): readonly AlertChange[] {
    return [...this.#states.values()];
  }

  /** Newest first. */
  alertChanges(limit: number): readonly AlertChange[] {
    return this.#changes.slice(-limit).reverse();
  }

  series(device: string, metric: string, query: MockQuery): SeriesAnswer {
    const station = this.#stations.find((one) => one.device === device);
    const known = METRICS.find((one) => one === metric);
    if (station === undefined || known === undefined) return { atUs: [], min: [], max: [], avg: [], count: [] };
    const { fromUs, toUs, points } = query;
    const bucketUs = Math.max(1, Math.ceil((toUs - fromUs) / points));
    return bucketed(station, known, { fromUs, bucketUs, toUs: Math.min(toUs, (this.#hour - 1) * HOUR_US + 1) });
  }

  /** Of a metric whose values are words. */
  states(device: string, metric: string, { fromUs, toUs }: Span): StatesAnswer {
    const station = this.#stations.find((one) => one.device === device);
    const known = METRICS.find((one) => one === metric);
    const runs: { fromUs: number; lastUs: number; value: string | number }[] = [];
    if (station === undefined || known === undefined) return { runs, complete: true, before: null };
    const first = Math.ceil(fromUs / HOUR_US);
    for (let hour = first; hour * HOUR_US < toUs && hour < this.#hour; hour++) {
      const value = airAt(known, hour, station.seed);
      const last = runs.at(-1);
      if (last?.value === value) last.lastUs = hour * HOUR_US;
      else runs.push({ fromUs: hour * HOUR_US, lastUs: hour * HOUR_US, value });
    }
    const before = { atUs: (first - 1) * HOUR_US, value: airAt(known, first - 1, station.seed) };
    return { runs, complete: true, before };
  }

  stats(): StatsItem {
    const { messages, readings, windows, deadLetters } = this.#counters;
    return {
      instance: "gateway-1",
      atUs: this.#nowUs(),
      values: {
        weir_broker_messages_total: messages,
        weir_broker_clients: this.#stations.length,
        weir_ingest_messages_total: messages,
        weir_ingest_readings_total: readings,
        'weir_ingest_dead_letters_total{reason="bad-payload"}': deadLetters - 1,
        'weir_ingest_dead_letters_total{reason="unknown-topic"}': 1,
        'weir_ingest_dead_letters_kept{reason="bad-payload"}': deadLetters - 1,
        'weir_ingest_dead_letters_kept{reason="unknown-topic"}': 1,
        weir_processor_readings_total: readings,
        weir_processor_windows_total: windows,
        'weir_processor_alerts_total{state="pending"}': this.#alertCounts.pending,
        'weir_processor_alerts_total{state="firing"}': this.#alertCounts.firing,
        'weir_processor_alerts_total{state="resolved"}': this.#alertCounts.resolved,
        'weir_storage_points_total{measurement="readings"}': readings,
        'weir_storage_points_total{measurement="windows"}': windows,
        'weir_storage_lag_messages{stream="READINGS"}': messages % 3,
        'weir_storage_lag_messages{stream="WINDOWS"}': 0,
        weir_feed_clients: 1,
        weir_processor_lag_seconds: 0.001_8,
        weir_processor_keys: this.#stations.length * 3,
        weir_processor_duplicates_total: 4,
        'weir_processor_late_total{fate="applied"}': 7,
        'weir_processor_late_total{fate="dropped"}': 0,
        weir_ingest_clock_ahead_total: 2,
        'weir_feed_sent_total{channel="readings"}': readings,
        weir_feed_conflated_total: 0,
        'weir_notifier_messages_total{outcome="delivered"}': this.#alertCounts.firing,
        weir_notifier_waiting_changes: 0,
      },
    };
  }

  rules(): readonly unknown[] {
    return this.#rules.map(ruleJson);
  }

  /** A change by hand, for tests. */
  change(device: string, state: AlertState, severity: Severity = "critical"): AlertChange {
    const station = this.#stations.find((one) => one.device === device) ?? { device, site: "lab", seed: 0 };
    const rule: MockRule = {
      ...PM25,
      id: "by-hand",
      severity,
      summary: () => `By hand: ${device} needs a look`,
    };
    const before = this.#states.get(`by-hand/${device}`);
    return this.#change(rule, station, { state, value: 200, activeAtUs: before?.activeAtUs ?? this.#hour * HOUR_US });
  }

  #windowOf(rule: MockRule, station: Station): WindowResult {
    const values: number[] = [];
    for (let h = this.#hour - rule.hours; h < this.#hour; h++) values.push(Number(airAt(rule.metric, h, station.seed)));
    const avg = values.reduce((sum, value) => sum + value, 0) / values.length;
    return {
      rule: rule.id,
      labels: { device: station.device, site: station.site, metric: rule.metric },
      startUs: (this.#hour - rule.hours) * HOUR_US,
      endUs: this.#hour * HOUR_US,
      revision: 0,
      aggregates: { avg, min: Math.min(...values), max: Math.max(...values) },
    };
  }

  /** Undefined when the alert does not change. */
  #evaluate(rule: MockRule, station: Station, { endUs, aggregates }: WindowResult): AlertChange | undefined {
    const value = Number(aggregates[rule.aggregate]);
    const before = this.#states.get(`${rule.id}/${station.device}`);
    const open = before?.state === "pending" || before?.state === "firing";
    const activeAtUs = open ? before.activeAtUs : endUs;
    let state: AlertState | undefined;
    if (!open && rule.holds(value)) state = rule.forHours === 0 ? "firing" : "pending";
    else if (before?.state === "pending" && !rule.holds(value)) state = "inactive";
    else if (before?.state === "pending" && endUs - activeAtUs >= rule.forHours * HOUR_US) state = "firing";
    else if (before?.state === "firing" && rule.clears(value)) state = "resolved";
    return state === undefined ? undefined : this.#change(rule, station, { state, value, activeAtUs });
  }

  #change(
    rule: MockRule,
    station: Station,
    about: { readonly state: AlertState; readonly value: number; readonly activeAtUs: number },
  ): AlertChange {
    const { state, value, activeAtUs } = about;
    const key = { device: station.device, site: station.site };
    const name = `${rule.id}/${station.device}`;
    const endUs = this.#hour * HOUR_US;
    const sequence = ++this.#sequence;
    const before = this.#states.get(name);
    const summary = rule.summary(station.device, value);
    const isOpen = before?.state === "pending" || before?.state === "firing";
    const worst = isOpen ? (rule.when.startsWith("<") ? Math.min : Math.max)(before.worst ?? value, value) : value;
    const firedAtUs = state === "firing" && before?.state !== "firing" ? endUs : isOpen ? before.firedAtUs : undefined;
    const change: AlertChange = {
      id: alertChangeId({ task: station.seed % 8, sequence, index: 0 }),
      incident: incidentId({ rule: rule.id, keyHash: keyHash(key), activeAtUs }),
      rule: rule.id,
      severity: rule.severity,
      from: before?.state ?? "inactive",
      state,
      key,
      labels: { ...key, team: "air" },
      annotations: { summary },
      atUs: endUs,
      processedAtUs: this.#nowUs(),
      activeAtUs,
      value,
      worst,
      title: before?.state === "firing" ? (before.title ?? summary) : summary,
      ...(firedAtUs !== undefined && { firedAtUs }),
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
    this.#states.set(name, change);
    this.#changes.push(change);
    if (this.#changes.length > CHANGES_MAX) this.#changes.shift();
    this.#alertCounts[state]++;
    return change;
  }
}

function bucketed(station: Station, metric: Metric, query: Span & { readonly bucketUs: number }): SeriesAnswer {
  const answer: Record<keyof SeriesAnswer, number[]> = { atUs: [], min: [], max: [], avg: [], count: [] };
  const { fromUs, toUs, bucketUs } = query;
  for (let atUs = fromUs; atUs < toUs; atUs += bucketUs) {
    const values: number[] = [];
    for (let us = Math.ceil(atUs / HOUR_US) * HOUR_US; us < Math.min(atUs + bucketUs, toUs); us += HOUR_US) {
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
