import pino from "pino";
import type { AlertChange, AlertEvent } from "../../domain/alert.ts";
import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import type { Reading } from "../../domain/reading.ts";
import type { StreamName } from "../../domain/subjects.ts";
import { windowsSubject } from "../../domain/subjects.ts";
import { US_PER_MS, US_PER_SECOND } from "../../domain/time.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { decodeWindows } from "../../domain/windows-codec.ts";
import { Step } from "../../engine/step.ts";
import { stepOptions, taskInput } from "../../engine/tasks/task-input.ts";
import { appendEach } from "../../platform/log/append-each.ts";
import { type Log, LogClosedError, type LogMessage, type LogReader, type ReadQuery } from "../../platform/log/port.ts";
import { anyMatches } from "../../platform/log/subject-match.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { versionOf } from "../../rule-language/files/load-rules.ts";
import type { RuleSpec } from "../../rule-language/spec/rule-spec.ts";
import { createProcessorEvents } from "../events.ts";
import { PartitionRunner } from "../partition-runner.ts";

/** Shared by the tests of the runner. */
export interface Outputs {
  readonly windows: WindowResult[];
  readonly alerts: AlertChange[];
}

/** mulberry32, a small seeded generator. Source: Tommy Ettinger, public domain. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A log that works for `operations` operations; the next one may or may not take effect, and all later ones fail. */
export function mortalLog(log: Log, operations: number, random: () => number): Log {
  let left = operations;
  const readers: LogReader[] = [];
  async function mortal<T>(work: () => Promise<T>): Promise<T> {
    if (left-- > 0) return work();
    if (left === -1 && random() < 0.5) await work();
    for (const reader of readers) await reader.close();
    throw new LogClosedError("the process died");
  }
  return {
    ...log,
    payloadBytesMax: log.payloadBytesMax,
    durability: log.durability,
    healthy: () => true,
    bounds: (stream) => mortal(() => log.bounds(stream)),
    close: async () => {},
    append: (message) => mortal(() => log.append(message)),
    // In one step, or one by one: then the process may die in between.
    appendAll: (messages) =>
      random() < 0.5
        ? mortal(() => log.appendAll(messages))
        : appendEach((message) => mortal(() => log.append(message)), messages),
    lastFor: (stream, subject) => mortal(() => log.lastFor(stream, subject)),
    read(query: ReadQuery) {
      const reader = log.read(query);
      readers.push(reader);
      return reader;
    },
    records: {
      get: (name) => mortal(() => log.records.get(name)),
      set: (name, value, revision) => mortal(() => log.records.set(name, value, revision)),
    },
    blobs: {
      get: (name) => mortal(() => log.blobs.get(name)),
      put: (name, value) => mortal(() => log.blobs.put(name, value)),
      delete: (name) => mortal(() => log.blobs.delete(name)),
    },
    bus: log.bus,
  };
}

export async function allMessages(log: Log, stream: StreamName): Promise<LogMessage[]> {
  const { lastSequence } = await log.bounds(stream);
  const messages: LogMessage[] = [];
  if (lastSequence === 0) return messages;
  for await (const batch of log.read({ stream, from: { kind: "first" } })) {
    messages.push(...batch);
    if ((batch.at(-1)?.sequence ?? 0) >= lastSequence) break;
  }
  return messages;
}

/** A task's expected outputs: its input, folded in one pass. */
export async function fold(log: Log, task: number, partitions: number): Promise<Outputs> {
  const input = taskInput(task, partitions);
  const table = new SeriesTable();
  const frames = new FrameReader(table);
  const step = new Step(table, stepOptions(input));
  const all: Outputs = { windows: [], alerts: [] };
  for (const { subject, payload, sequence, storedAtUs } of await allMessages(log, input.stream)) {
    if (!anyMatches(input.subjects, subject)) continue;
    const { windows, alerts } = step.apply(frames.read(payload), { task, sequence, storedAtUs });
    all.windows.push(...windows);
    for (const alert of alerts) {
      const { evidence } = alert;
      all.alerts.push({ ...alert, evidence: { ...evidence, input: { stream: input.stream, ...evidence.input } } });
    }
  }
  return all;
}

/** The outputs that a task has published. */
export async function published(log: Log, task: number): Promise<Outputs> {
  const frames = (await allMessages(log, "WINDOWS")).filter(({ subject }) => subject === windowsSubject(task));
  const events = (await allMessages(log, "ALERTS")).map(
    ({ payload }): AlertEvent => JSON.parse(new TextDecoder().decode(payload)),
  );
  return {
    windows: frames.flatMap(({ payload }) => decodeWindows(payload).results),
    alerts: events.map(({ data }) => data).filter(({ evidence }) => evidence.input.partition === task),
  };
}

export interface LifeOptions {
  readonly task: number;
  readonly partitions: number;
  readonly specs: readonly RuleSpec[];
  readonly nowUs: () => number;
  readonly checkpointMs: number;
  readonly tickMs?: number;
}

export function startLife(log: Log, options: LifeOptions) {
  const { task, partitions, specs, nowUs, checkpointMs, tickMs = 60_000 } = options;
  const events = createProcessorEvents(pino({ level: "silent" }), createMetrics());
  const config = {
    rules_dir: "",
    tick: tickMs * US_PER_MS,
    checkpoint: checkpointMs * US_PER_MS,
    lease: 4 * US_PER_SECOND,
    results_per_frame_max: 5,
  };
  const rules = () => ({ specs, version: versionOf(specs) });
  const runner = new PartitionRunner({ task, partitions, config, log, clock: { nowUs }, events, rules });
  let onReady = () => {};
  const ready = new Promise<void>((resolve) => {
    onReady = resolve;
  });
  return { runner, ready, ended: runner.run(onReady) };
}

export function byAlertId(alerts: readonly AlertChange[]) {
  return [...alerts].sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }));
}

/** The forwarded readings, by source and share: every reading as its source had it. */
export async function forwarded(log: Log): Promise<Map<string, Reading[]>> {
  const table = new SeriesTable();
  const frames = new FrameReader(table);
  const all = new Map<string, Reading[]>();
  for (const { subject, payload } of await allMessages(log, "GROUPS")) {
    const entry = frames.read(payload);
    if (entry.kind !== "readings") continue;
    const readings = all.get(subject) ?? [];
    all.set(subject, readings);
    for (let i = 0; i < entry.count; i++) {
      const { device, metric, tags, kind } = table.series(entry.seriesId[i] as number);
      const number = entry.values[i] as number;
      readings.push({
        device,
        metric,
        tags,
        atUs: entry.atUs[i] as number,
        value: kind === "boolean" ? number === 1 : number,
      });
    }
  }
  return all;
}

export async function forwardedCount(log: Log): Promise<number> {
  return [...(await forwarded(log)).values()].reduce((sum, readings) => sum + readings.length, 0);
}
