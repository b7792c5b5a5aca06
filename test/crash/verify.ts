import type { Log } from "../../platform/log/port.ts";
import type { Random } from "../simulation/random.ts";
import { readLogs } from "./logs.ts";
import { verifyFold } from "./verify-fold.ts";
import { verifyForwarded } from "./verify-forwarded.ts";
import { type OracleCheck, verifyByOracle } from "./verify-oracle.ts";

export interface Verification {
  /** Empty when everything is correct. */
  readonly differences: readonly string[];
  readonly readings: number;
  readonly forwarded: number;
  readonly windows: number;
  readonly alerts: number;
  /** By fresh steps, over the readings log and the forwarded readings. */
  readonly replayedPerSecond: number;
  readonly byOracle: OracleCheck;
}

export interface VerifyOptions {
  readonly partitions: number;
  readonly sample: { readonly devices: number; readonly sites: number };
}

/** Compares the current log with fresh folds of its inputs, and with brute force. */
export async function verify(log: Log, { partitions, sample }: VerifyOptions, random: Random): Promise<Verification> {
  const logs = await readLogs(log, partitions);
  const differences: string[] = [];
  const sums = { windows: 0, alerts: 0, readings: 0, folded: 0, stepMs: 0, forwarded: 0 };
  for (let task = 0; task < 2 * partitions; task++) {
    const fold = verifyFold(logs, task, partitions);
    if (fold.difference !== undefined) differences.push(fold.difference);
    sums.windows += fold.windows;
    sums.alerts += fold.alerts;
    sums.folded += fold.readings;
    sums.stepMs += fold.stepMs;
    if (task >= partitions) continue;
    sums.readings += fold.readings;
    const { difference, forwarded } = verifyForwarded(logs, task, partitions);
    if (difference !== undefined) differences.push(difference);
    sums.forwarded += forwarded;
  }
  const byOracle = verifyByOracle(logs, { partitions, ...sample, random });
  if (byOracle.difference !== undefined) differences.push(`by brute force, ${byOracle.difference}`);
  const { readings, windows, alerts, forwarded } = sums;
  const replayedPerSecond = Math.round(sums.folded / (sums.stepMs / 1000));
  return { differences, readings, windows, alerts, forwarded, replayedPerSecond, byOracle };
}
