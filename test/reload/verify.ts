import type { Log } from "../../platform/log/port.ts";
import { readLogs } from "../crash/logs.ts";
import { type FoldCheck, verifyFold } from "../crash/verify-fold.ts";
import { verifyForwarded } from "../crash/verify-forwarded.ts";
import type { Reloading } from "./reloading.ts";
import type { SentReadings } from "./sent-reading.ts";
import { type Timings, timingsOf } from "./timings.ts";
import { verifyIncidents } from "./verify-incidents.ts";
import { verifyRuleSets } from "./verify-rule-sets.ts";
import { verifySent } from "./verify-sent.ts";
import { verifySteady } from "./verify-steady.ts";

export interface Verification {
  /** Empty when everything is as it must be. */
  readonly differences: readonly string[];
  readonly readings: number;
  readonly windows: number;
  readonly alerts: number;
  /** Windows of the untouched rules, each computed again by brute force. */
  readonly steadyWindows: number;
  /** Incidents that stayed open over all edits of their rule. */
  readonly keptIncidents: number;
  readonly ruleSets: number;
  readonly timings: Timings;
}

/** Compares what the log holds with what the devices sent, with what was written, and with fresh folds of the log. */
export async function verify(
  log: Log,
  options: {
    readonly partitions: number;
    readonly devices: number;
    readonly siteLatenessMs: number;
    readonly sent: SentReadings;
    readonly reloading: Reloading;
  },
): Promise<Verification> {
  const { partitions, devices, sent, reloading } = options;
  const logs = await readLogs(log, partitions);
  const differences: string[] = [];
  const tell = (difference: string | undefined) => {
    if (difference !== undefined) differences.push(difference);
  };
  const folds: FoldCheck[] = [];
  for (let task = 0; task < 2 * partitions; task++) {
    const fold = verifyFold(logs, task, partitions);
    folds.push(fold);
    tell(fold.difference);
    if (task < partitions) tell(verifyForwarded(logs, task, partitions).difference);
  }
  tell(verifySent(logs, sent));
  const ruleSets = verifyRuleSets(reloading);
  tell(ruleSets.difference);
  const steady = verifySteady(logs, sent, options.siteLatenessMs * 1_000);
  tell(steady.difference);
  const incidents = verifyIncidents(logs, devices);
  tell(incidents.difference);
  return {
    differences,
    readings: sent.count,
    windows: folds.reduce((sum, fold) => sum + fold.windows, 0),
    alerts: folds.reduce((sum, fold) => sum + fold.alerts, 0),
    steadyWindows: steady.windows,
    keptIncidents: incidents.kept,
    ruleSets: ruleSets.count,
    timings: timingsOf(logs, sent, reloading, partitions),
  };
}
