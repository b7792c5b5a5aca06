import type { AlertChange, AlertEvent } from "../../domain/alert.ts";
import type { Tags } from "../../domain/reading.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { decodeWindows } from "../../domain/windows-codec.ts";
import { firstDifference, type Outputs } from "../simulation/oracle/compare.ts";
import type { OracleEntry, OracleRule } from "../simulation/oracle/model.ts";
import { Oracle } from "../simulation/oracle/oracle.ts";
import type { Random } from "../simulation/random.ts";
import { inputOf, isOverDevices, type Logs, PlainEntries, shareOf } from "./logs.ts";

/** Of time entries that are closer together than this, one is enough. */
const TIME_APART_US = 5_000_000;

export interface OracleCheck {
  readonly difference: string | undefined;
  readonly devices: number;
  readonly sites: number;
  readonly readings: number;
  readonly windows: number;
  readonly alerts: number;
}

interface Sample {
  /** Of a device: its own groups. Of a site: the groups over its devices that belong to one share. */
  readonly kind: "device" | "site";
  readonly name: string;
}

/** Brute force over all readings of some devices and sites, compared with everything in the log about them. */
export function verifyByOracle(
  logs: Logs,
  options: { readonly partitions: number; readonly devices: number; readonly sites: number; readonly random: Random },
): OracleCheck {
  const { partitions, random } = options;
  const known = namesIn(logs);
  const devices = choose([...known.devices], options.devices, random);
  const sites = choose([...known.sites], options.sites, random);
  const published = publishedByName(logs, new Set(devices), new Set(sites));
  const counts = { devices: devices.length, sites: sites.length, readings: 0, windows: 0, alerts: 0 };
  const samples: Sample[] = [
    ...devices.map((name) => ({ kind: "device", name }) as const),
    ...sites.map((name) => ({ kind: "site", name }) as const),
  ];
  const entries = sampledEntries(logs, partitions, samples);
  for (const { kind, name } of samples) {
    for (let task = 0; task < 2 * partitions; task++) {
      if ((kind === "device") !== task < partitions) continue;
      const of = entries.get(`${task} ${name}`) ?? [];
      const oracle = oracleOf(task, name, partitions);
      for (const entry of of) oracle.apply(entry);
      const actual = published.get(`${task} ${name}`) ?? { windows: [], alerts: [] };
      counts.readings += of.reduce((sum, entry) => sum + (entry.kind === "readings" ? entry.readings.length : 0), 0);
      counts.windows += actual.windows.length;
      counts.alerts += actual.alerts.length;
      const difference = firstDifference(actual, oracle.outputs());
      if (difference !== undefined) return { ...counts, difference: `task ${task}, ${kind} ${name}: ${difference}` };
    }
  }
  return { ...counts, difference: undefined };
}

function oracleOf(task: number, name: string, partitions: number): Oracle {
  if (task < partitions) return new Oracle((rule) => !isOverDevices(rule));
  return new Oracle(
    isOverDevices,
    (_, labels) => labels.site === name && shareOf(labels, partitions) === task - partitions,
  );
}

function namesIn(logs: Logs): { readonly devices: ReadonlySet<string>; readonly sites: ReadonlySet<string> } {
  const devices = new Set<string>();
  const sites = new Set<string>();
  const entries = new PlainEntries();
  for (const message of logs.READINGS) {
    entries.readings(entries.read(message), (device, { site }) => {
      devices.add(device);
      if (site !== undefined) sites.add(site);
      return false;
    });
  }
  return { devices, sites };
}

function choose(names: readonly string[], count: number, random: Random): string[] {
  const left = [...names].sort();
  const chosen: string[] = [];
  while (chosen.length < count && left.length > 0) chosen.push(...left.splice(random.whole(0, left.length - 1), 1));
  return chosen;
}

/** By task and sample: its readings, all rule sets, and enough ticks to advance time. */
function sampledEntries(logs: Logs, partitions: number, samples: readonly Sample[]): Map<string, OracleEntry[]> {
  const found = new Map<string, OracleEntry[]>();
  for (let task = 0; task < 2 * partitions; task++) {
    const kind = task < partitions ? "device" : "site";
    const names = samples.filter((sample) => sample.kind === kind).map(({ name }) => name);
    for (const name of names) found.set(`${task} ${name}`, []);
    const wanted = new Set(names);
    const nameOf = (device: string, tags: Tags) => (kind === "device" ? device : (tags.site ?? ""));
    const plain = new PlainEntries();
    const input = inputOf(logs, task, partitions);
    for (const [i, message] of input.entries()) {
      const { storedAtUs } = message;
      const entry = plain.read(message);
      const readings = plain.readings(entry, (device, tags) => wanted.has(nameOf(device, tags)));
      // Both sides of a pause and the end are kept; entries that lie close together are not.
      const beforeUs = input[i - 1]?.storedAtUs ?? Number.NEGATIVE_INFINITY;
      const afterUs = input[i + 1]?.storedAtUs ?? Number.POSITIVE_INFINITY;
      const atPause = storedAtUs - beforeUs > TIME_APART_US || afterUs - storedAtUs > TIME_APART_US;
      for (const name of names) {
        const of = found.get(`${task} ${name}`) ?? [];
        const own = readings.filter(({ device, tags }) => nameOf(device, tags) === name);
        const lastUs = of.at(-1)?.storedAtUs ?? Number.NEGATIVE_INFINITY;
        if (entry.kind === "rule_set") of.push({ kind: "rules", storedAtUs, specs: rulesOf(entry.rulesJson) });
        else if (own.length > 0) of.push({ kind: "readings", storedAtUs, readings: own });
        else if (atPause || storedAtUs - lastUs > TIME_APART_US) of.push({ kind: "tick", storedAtUs });
      }
    }
  }
  return found;
}

function rulesOf(rulesJson: string): readonly OracleRule[] {
  return JSON.parse(rulesJson);
}

/** By task and sample: the log's results, in its order. */
function publishedByName(logs: Logs, devices: ReadonlySet<string>, sites: ReadonlySet<string>): Map<string, Outputs> {
  const found = new Map<string, { windows: WindowResult[]; alerts: AlertChange[] }>();
  function placeOf(task: number, { device, site }: Tags) {
    const name = device ?? site ?? "";
    if (!devices.has(name) && !sites.has(name)) return undefined;
    const place = found.get(`${task} ${name}`) ?? { windows: [], alerts: [] };
    found.set(`${task} ${name}`, place);
    return place;
  }
  for (const { payload } of logs.WINDOWS) {
    const { partition, results } = decodeWindows(payload);
    for (const result of results) placeOf(partition, result.labels)?.windows.push(result);
  }
  for (const { payload } of logs.ALERTS) {
    const { data }: AlertEvent = JSON.parse(new TextDecoder().decode(payload));
    placeOf(data.evidence.input.partition, data.key)?.alerts.push(data);
  }
  return found;
}
