import { FrameReader, SeriesTable } from "../../domain/frame-reader.ts";
import { Step } from "../../engine/step.ts";
import { stepOptions, taskInput } from "../../engine/tasks/task-input.ts";
import { encodeEntry, type TestEntry } from "../../engine/testing/step-kit.ts";
import { firstDifference, type Sayings } from "./oracle/compare.ts";
import { oracleOf } from "./task-logs.ts";
import { PARTITIONS } from "./vocabulary.ts";

/** What the step alone says about a task's log, in one go: without runners, faults or checkpoints. */
export function stepFold(task: number, entries: readonly TestEntry[]): Sayings {
  const table = new SeriesTable();
  const frames = new FrameReader(table);
  const step = new Step(table, stepOptions(taskInput(task, PARTITIONS)));
  const said: { windows: Sayings["windows"][number][]; alerts: Sayings["alerts"][number][] } = {
    windows: [],
    alerts: [],
  };
  for (const [i, entry] of entries.entries()) {
    const position = { task, sequence: i + 1, storedAtUs: entry.storedAtUs };
    const { windows, alerts } = step.apply(frames.read(encodeEntry(entry)), position);
    said.windows.push(...windows);
    said.alerts.push(...alerts);
  }
  return said;
}

/** How the step alone differs from the oracle over a task's log; undefined when it does not. */
export function stepDifference(task: number, entries: readonly TestEntry[]): string | undefined {
  const oracle = oracleOf(task);
  for (const entry of entries) oracle.apply(entry);
  return firstDifference(stepFold(task, entries), oracle.verdict());
}
