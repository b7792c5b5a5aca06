import { FrameReader, type LogEntry, SeriesTable, storedBefore } from "../../domain/frame-reader.ts";
import { fnv1a32 } from "../../domain/partition.ts";
import type { Tags } from "../../domain/reading.ts";
import type { StreamName } from "../../domain/subjects.ts";
import type { Log, LogMessage } from "../../platform/log/port.ts";
import type { StoredReading } from "../simulation/oracle/model.ts";

const STREAMS_READ = ["READINGS", "GROUPS", "WINDOWS", "ALERTS"] as const;

/** The content of the log at the end. */
export type Logs = Readonly<Record<(typeof STREAMS_READ)[number], readonly LogMessage[]>> & {
  /** By task. A tick or rule set may arrive too late to be read. */
  readonly processedUpTo: readonly number[];
};

/** Reads everything after writing has ended. */
export async function readLogs(log: Log, partitions: number): Promise<Logs> {
  const [READINGS = [], GROUPS = [], WINDOWS = [], ALERTS = []] = await Promise.all(
    STREAMS_READ.map((stream) => allOf(log, stream)),
  );
  const tasks = Array.from({ length: 2 * partitions }, (_, task) => task);
  const processedUpTo = await Promise.all(tasks.map((task) => savedSequence(log, task)));
  return { READINGS, GROUPS, WINDOWS, ALERTS, processedUpTo };
}

/** The last input that a task read before it stopped cleanly, from its saved state. */
async function savedSequence(log: Log, task: number): Promise<number> {
  const record = await log.records.get(`checkpoint.${task}`);
  if (record === undefined) return 0;
  const { sequence }: { sequence: number } = JSON.parse(new TextDecoder().decode(record.value));
  return sequence;
}

async function allOf(log: Log, stream: StreamName): Promise<LogMessage[]> {
  const { firstSequence, lastSequence } = await log.bounds(stream);
  if (firstSequence > 1) throw new Error(`${stream} has lost its beginning: its first entry is ${firstSequence}`);
  const messages: LogMessage[] = [];
  if (lastSequence === 0) return messages;
  for await (const batch of log.read({ stream, from: { kind: "first" } })) {
    messages.push(...batch);
    if ((batch.at(-1)?.sequence ?? 0) >= lastSequence) break;
  }
  return messages.filter(({ sequence }) => sequence <= lastSequence);
}

/**
 * The input of a task: a partition's subject, or all subjects of a share. Throws when readings were left unprocessed.
 */
export function inputOf(logs: Logs, task: number, partitions: number): readonly LogMessage[] {
  const isPartition = task < partitions;
  const subject = isPartition ? `readings.${task}` : `groups.${task - partitions}.`;
  const messages = isPartition ? logs.READINGS : logs.GROUPS;
  const all = messages.filter((message) =>
    isPartition ? message.subject === subject : message.subject.startsWith(subject),
  );
  const end = logs.processedUpTo[task] ?? 0;
  const entries = new PlainEntries();
  for (const message of all) {
    if (message.sequence <= end) continue;
    const { kind } = entries.read(message);
    if (kind !== "readings") continue;
    const place = `entry ${message.sequence} of ${message.subject} (${kind}, ${all.length} in all)`;
    throw new Error(`task ${task} ended at ${end} without reading ${place}`);
  }
  return all.filter(({ sequence }) => sequence <= end);
}

/** Whether a rule's groups contain several devices: the tasks of the shares compute these. */
export function isOverDevices({ group_by }: { readonly group_by: "series" | readonly string[] }): boolean {
  return group_by !== "series" && !group_by.includes("device");
}

/** The share that a group over several devices belongs to. */
export function shareOf(labels: Tags, partitions: number): number {
  const texts = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return fnv1a32(texts.map(([name, value]) => `${name}\u0001${value}`).join("\u0000")) % partitions;
}

/** Entries in readable form. */
export class PlainEntries {
  readonly #table = new SeriesTable();
  readonly #frames = new FrameReader(this.#table);

  read(message: LogMessage): LogEntry {
    return this.#frames.read(message.payload);
  }

  /** The readings of an entry whose device and tags are wanted. */
  readings(entry: LogEntry, isWanted: (device: string, tags: Tags) => boolean = () => true): StoredReading[] {
    if (entry.kind !== "readings") return [];
    const readings: StoredReading[] = [];
    const stored = storedBefore(entry);
    for (let i = 0; i < entry.count; i++) {
      const { device, metric, tags, kind } = this.#table.series(entry.seriesId[i] ?? -1);
      if (!isWanted(device, tags)) continue;
      const value = entry.values[i] ?? Number.NaN;
      const values = { number: value, boolean: value !== 0, string: entry.texts[value] ?? "" };
      const atUs = entry.atUs[i] ?? Number.NaN;
      const aheadUs = atUs - (stored.get(i) ?? atUs);
      readings.push({ device, metric, tags, atUs, value: values[kind], aheadUs });
    }
    return readings;
  }
}
