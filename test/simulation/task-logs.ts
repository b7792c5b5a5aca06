import { FrameReader, type LogEntry, SeriesTable, storedBefore } from "../../domain/frame-reader.ts";
import { fnv1a32 } from "../../domain/partition.ts";
import type { Reading, Tags } from "../../domain/reading.ts";
import type { StreamName } from "../../domain/subjects.ts";
import type { TestEntry } from "../../engine/testing/step-kit.ts";
import type { Log, LogMessage } from "../../platform/log/port.ts";
import { type RuleSpec, ruleSpecSchema } from "../../rule-language/spec/rule-spec.ts";
import { labelsOf, wants } from "./oracle/labels.ts";
import type { OracleRule, StoredReading } from "./oracle/model.ts";
import { Oracle } from "./oracle/oracle.ts";
import { PARTITIONS } from "./vocabulary.ts";

/** An entry of a task's log, with its position. */
export interface LoggedEntry {
  readonly sequence: number;
  readonly subject: string;
  readonly entry: TestEntry;
}

/** Whether a rule's groups can hold several devices. The tasks of the shares compute these rules. */
export function isOverDevices({ group_by }: { readonly group_by: "series" | readonly string[] }): boolean {
  return group_by !== "series" && !group_by.includes("device");
}

/** The share that a group over several devices belongs to. */
export function shareOf(labels: Tags): number {
  const texts = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return fnv1a32(texts.map(([name, value]) => `${name}\u0001${value}`).join("\u0000")) % PARTITIONS;
}

/** The oracle for a task. */
export function oracleOf(task: number): Oracle {
  if (task < PARTITIONS) return new Oracle((rule) => !isOverDevices(rule));
  return new Oracle(isOverDevices, (_, labels) => shareOf(labels) === task - PARTITIONS);
}

export async function allMessages(log: Log, stream: StreamName): Promise<LogMessage[]> {
  const { lastSequence } = await log.bounds(stream);
  const messages: LogMessage[] = [];
  if (lastSequence === 0) return messages;
  const reader = log.read({ stream, from: { kind: "first" } });
  for await (const batch of reader) {
    messages.push(...batch);
    if ((batch.at(-1)?.sequence ?? 0) >= lastSequence) break;
  }
  return messages;
}

/** Every entry of a task's log. */
export async function entriesOf(log: Log, task: number): Promise<LoggedEntry[]> {
  const share = task - PARTITIONS;
  const messages = await allMessages(log, share < 0 ? "READINGS" : "GROUPS");
  const prefix = share < 0 ? `readings.${task}` : `groups.${share}.`;
  const table = new SeriesTable();
  const frames = new FrameReader(table);
  return messages
    .filter(({ subject }) => (share < 0 ? subject === prefix : subject.startsWith(prefix)))
    .map(({ subject, sequence, storedAtUs, payload }) => ({
      sequence,
      subject,
      entry: plain(frames.read(payload), storedAtUs, table),
    }));
}

function plain(entry: LogEntry, storedAtUs: number, table: SeriesTable): TestEntry {
  switch (entry.kind) {
    case "tick":
      return { kind: "tick", storedAtUs };
    case "gone":
      return { kind: "gone", storedAtUs, devices: entry.devices };
    case "rule_set":
      return { kind: "rules", storedAtUs, specs: specsOf(entry.rulesJson) };
    case "readings": {
      const stored = storedBefore(entry);
      const readings = Array.from({ length: entry.count }, (_, i): StoredReading => {
        const { device, metric, tags, kind } = table.series(entry.seriesId[i] ?? -1);
        const value = entry.values[i] ?? Number.NaN;
        const values = { number: value, boolean: value !== 0, string: entry.texts[value] ?? "" };
        const atUs = entry.atUs[i] ?? Number.NaN;
        const storedUs = stored.get(i);
        const ahead = storedUs === undefined ? {} : { aheadUs: atUs - storedUs };
        return { device, metric, tags, atUs, value: values[kind], ...ahead };
      });
      return { kind: "readings", storedAtUs, readings };
    }
  }
}

const parsed = new Map<string, readonly RuleSpec[]>();
const PARSED_MAX = 100;

/** Cached, because the same rule sets appear repeatedly. */
function specsOf(rulesJson: string): readonly RuleSpec[] {
  let specs = parsed.get(rulesJson);
  if (specs === undefined) {
    const rules: unknown[] = JSON.parse(rulesJson);
    specs = rules.map((rule) => ruleSpecSchema.parse(rule));
    if (parsed.size >= PARSED_MAX) parsed.clear();
    parsed.set(rulesJson, specs);
  }
  return specs;
}

/** The readings that a partition must have forwarded to a share, in order: those of series that a rule there selects. */
export function forwardedOf(entries: readonly LoggedEntry[], share: number): string[] {
  const forwarded: string[] = [];
  let rules: readonly OracleRule[] = [];
  for (const { entry } of entries) {
    if (entry.kind === "rules") rules = entry.specs.filter(isOverDevices);
    if (entry.kind !== "readings") continue;
    for (const reading of entry.readings) {
      const aheadUs = Math.max(0, reading.atUs - entry.storedAtUs);
      if (wantedIn(share, rules, reading)) forwarded.push(textOf({ ...reading, aheadUs }));
    }
  }
  return forwarded;
}

/** The readings from one partition in a share's log. */
export function receivedOf(entries: readonly LoggedEntry[], share: number, partition: number): string[] {
  return entries
    .filter(({ subject }) => subject === `groups.${share}.${partition}`)
    .flatMap(({ entry }) => (entry.kind === "readings" ? entry.readings.map(textOf) : []));
}

function wantedIn(share: number, rules: readonly OracleRule[], reading: Reading): boolean {
  // Texts, too: a number at the time of a text is a duplicate.
  return rules.some((rule) => wants(rule, { ...reading, value: 0 }) && shareOf(labelsOf(rule, reading)) === share);
}

function textOf({ device, metric, atUs, value, aheadUs = 0 }: StoredReading): string {
  return `${device} ${metric} ${atUs} ${value} ${aheadUs}`;
}
