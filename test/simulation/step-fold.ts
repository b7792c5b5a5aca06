import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import { Step } from "../../engine/step.ts";
import { stepOptions, taskInput } from "../../engine/tasks/task-input.ts";
import { encodeEntry, type TestEntry } from "../../engine/testing/step-kit.ts";
import { firstDifference, type Outputs } from "./oracle/compare.ts";
import { oracleOf } from "./task-logs.ts";
import { PARTITIONS } from "./vocabulary.ts";

/** The output of the step alone over a task's log, without runners, faults or checkpoints. */
export function stepFold(task: number, entries: readonly TestEntry[]): Outputs {
  const table = new SeriesTable();
  const frames = new FrameReader(table);
  const step = new Step(table, stepOptions(taskInput(task, PARTITIONS)));
  const output: { windows: Outputs["windows"][number][]; alerts: Outputs["alerts"][number][] } = {
    windows: [],
    alerts: [],
  };
  for (const [i, entry] of entries.entries()) {
    const position = { task, sequence: i + 1, storedAtUs: entry.storedAtUs };
    const { windows, alerts } = step.apply(frames.read(encodeEntry(entry)), position);
    output.windows.push(...windows);
    output.alerts.push(...alerts);
  }
  return output;
}

/** The first difference between the step alone and the oracle over a task's log; undefined if there is none. */
export function stepDifference(task: number, entries: readonly TestEntry[]): string | undefined {
  const oracle = oracleOf(task);
  for (const entry of entries) oracle.apply(entry);
  return firstDifference(stepFold(task, entries), oracle.outputs());
}
