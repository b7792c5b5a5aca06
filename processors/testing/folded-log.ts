import type { AlertChange, AlertEvent } from "../../domain/alert.ts";
import { partitionOfSubject } from "../../domain/subjects.ts";
import type { WindowResult } from "../../domain/window-result.ts";
import { decodeWindows } from "../../domain/windows-codec.ts";
import type { Log } from "../../platform/log/port.ts";
import { allMessages, byAlertId, fold } from "./runner-kit.ts";

/** The results of all tasks: windows by task, in order; alert changes by id. For tests. */
export interface Results {
  readonly windows: readonly (readonly WindowResult[])[];
  readonly alerts: readonly AlertChange[];
}

/** The expected results: each task's input, folded by a fresh step in one pass. */
export async function foldedResults(log: Log, partitions: number): Promise<Results> {
  const tasks = Array.from({ length: 2 * partitions }, (_, task) => task);
  const outputs = await Promise.all(tasks.map((task) => fold(log, task, partitions)));
  return {
    windows: outputs.map(({ windows }) => windows),
    alerts: byAlertId(outputs.flatMap(({ alerts }) => alerts)),
  };
}

/** The results in the log. */
export async function publishedResults(log: Log, partitions: number): Promise<Results> {
  const windows: WindowResult[][] = Array.from({ length: 2 * partitions }, () => []);
  for (const { subject, payload } of await allMessages(log, "WINDOWS")) {
    windows[partitionOfSubject(subject)]?.push(...decodeWindows(payload).results);
  }
  const alerts = (await allMessages(log, "ALERTS")).map(({ payload }) => {
    const event: AlertEvent = JSON.parse(new TextDecoder().decode(payload));
    return event.data;
  });
  return { windows, alerts: byAlertId(alerts) };
}

export function countWindows({ windows }: Results): number {
  return windows.reduce((sum, results) => sum + results.length, 0);
}
