import { isDeepStrictEqual } from "node:util";
import type { AlertChange, AlertEvent } from "../../domain/alert.ts";
import { keyHash } from "../../domain/alert-ids.ts";
import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import { alertSubject } from "../../domain/subjects.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { decodeWindows } from "../../domain/windows-codec.ts";
import { Step } from "../../engine/step.ts";
import { stepOptions, taskInput } from "../../engine/tasks/task-input.ts";
import type { LogMessage } from "../../platform/log/port.ts";
import { inputOf, type Logs } from "./logs.ts";

export interface FoldCheck {
  /** The first difference; undefined when the log holds exactly the results of the fold. */
  readonly difference: string | undefined;
  /** Of the entries that the fold read. */
  readonly readings: number;
  readonly windows: number;
  readonly alerts: number;
  readonly stepMs: number;
}

/** Folds a task's input with a fresh step, in one pass, and compares the result with the log. */
export function verifyFold(logs: Logs, task: number, partitions: number): FoldCheck {
  const input = taskInput(task, partitions);
  const table = new SeriesTable();
  const frames = new FrameReader(table);
  const step = new Step(table, stepOptions(input));
  const published = publishedWindows(logs, task);
  const alerts = new Map<string, AlertChange[]>();
  const counts = { readings: 0, windows: 0, alerts: 0, stepMs: 0 };
  let difference: string | undefined;
  for (const { payload, sequence, storedAtUs } of inputOf(logs, task, partitions)) {
    const startedMs = performance.now();
    const entry = frames.read(payload);
    if (entry.kind === "readings") counts.readings += entry.count;
    const output = step.apply(entry, { task, sequence, storedAtUs });
    counts.stepMs += performance.now() - startedMs;
    for (const expected of output.windows) {
      const { result, frame } = published.next().value ?? {};
      difference ??= differenceOf(
        `window ${counts.windows} of task ${task}, input ${sequence}, ${frame}`,
        result,
        expected,
      );
      counts.windows++;
    }
    for (const change of output.alerts) {
      const subject = alertSubject(change.rule, keyHash(change.key));
      const { evidence } = change;
      const whole = { ...change, evidence: { ...evidence, input: { stream: input.stream, ...evidence.input } } };
      alerts.set(subject, [...(alerts.get(subject) ?? []), whole]);
      counts.alerts++;
    }
  }
  const { result: extra, frame } = published.next().value ?? {};
  difference ??= differenceOf(`window ${counts.windows} of task ${task}, beyond the last, ${frame}`, extra, undefined);
  return { ...counts, difference: difference ?? alertsDifference(task, publishedAlerts(logs, task), alerts) };
}

function* publishedWindows(logs: Logs, task: number): Generator<{ result: WindowResult; frame: string }, undefined> {
  for (const { subject, payload, sequence } of logs.WINDOWS) {
    if (subject !== `windows.${task}`) continue;
    const { results, firstInput, lastInput, part, parts } = decodeWindows(payload);
    const frame = `frame ${sequence} (inputs ${firstInput} to ${lastInput}, part ${part + 1} of ${parts})`;
    for (const result of results) yield { result, frame };
  }
  return undefined;
}

/** By subject, in the order of the log. */
function publishedAlerts(logs: Logs, task: number): Map<string, AlertChange[]> {
  const alerts = new Map<string, AlertChange[]>();
  for (const message of logs.ALERTS) {
    const { data } = eventOf(message);
    if (data.evidence.input.partition !== task) continue;
    alerts.set(message.subject, [...(alerts.get(message.subject) ?? []), data]);
  }
  return alerts;
}

function eventOf({ payload }: LogMessage): AlertEvent {
  return JSON.parse(new TextDecoder().decode(payload));
}

function alertsDifference(
  task: number,
  actual: ReadonlyMap<string, readonly AlertChange[]>,
  expected: ReadonlyMap<string, readonly AlertChange[]>,
): string | undefined {
  for (const subject of new Set([...expected.keys(), ...actual.keys()])) {
    const [mine, wanted] = [actual.get(subject) ?? [], expected.get(subject) ?? []];
    for (let i = 0; i < Math.max(mine.length, wanted.length); i++) {
      const difference = differenceOf(`change ${i} of ${subject} (task ${task})`, mine[i], wanted[i]);
      if (difference !== undefined) return difference;
    }
  }
  return undefined;
}

function differenceOf(what: string, actual: unknown, expected: unknown): string | undefined {
  if (isDeepStrictEqual(actual, expected)) return undefined;
  // Alerts are kept as JSON, which has no NaN.
  const [mine, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (what.startsWith("change") && isDeepStrictEqual(parse(mine), parse(wanted))) return undefined;
  return `${what}:\n  in the log ${mine}\n  by a fold  ${wanted}`;
}

function parse(json: string | undefined): unknown {
  return json === undefined ? undefined : JSON.parse(json);
}
