import { setTimeout as sleep } from "node:timers/promises";
import type { AlertEvent } from "../../domain/alert.ts";
import { keyHash } from "../../domain/alert-ids.ts";
import { alertSubject, groupsSubject, readingsSubject, windowsSubject } from "../../domain/subjects.ts";
import { decodeWindows } from "../../domain/windows-codec.ts";
import type { Log } from "../../platform/log/port.ts";
import { WARM } from "./rule-files.ts";
import { deviceName, siteOf } from "./sent-reading.ts";

const POLL_MS = 100;
const WAIT_MS_MAX = 300_000;

/** Waits until the incident of every device has ended, except the first one's, which is silent at times. */
export async function allResolved(log: Log, devices: number): Promise<void> {
  const open = new Set(Array.from({ length: devices - 1 }, (_, i) => i + 1));
  await until("incidents did not end", async () => {
    for (const device of open) {
      const labels = { device: deviceName(device), metric: "temperature", site: siteOf(device) };
      const subject = alertSubject(WARM, keyHash(labels));
      const last = await log.lastFor("ALERTS", subject);
      if (last === undefined) return false;
      const { data }: AlertEvent = JSON.parse(new TextDecoder().decode(last.payload));
      if (data.state !== "resolved") return false;
      open.delete(device);
    }
    return true;
  });
}

/**
 * Waits until the results of every task reach beyond its last readings. Once readings stop, open windows close by
 * idleness.
 */
export async function allProcessed(log: Log, partitions: number): Promise<void> {
  const each = Array.from({ length: partitions }, (_, i) => i);
  for (const partition of each) await untilResultsBeyond(log, partition, "READINGS", [readingsSubject(partition)]);
  for (const share of each) {
    // A task that has emitted all its windows has forwarded all its readings.
    const subjects = each.map((partition) => groupsSubject(share, partition));
    await untilResultsBeyond(log, partitions + share, "GROUPS", subjects);
  }
}

async function untilResultsBeyond(
  log: Log,
  task: number,
  stream: "READINGS" | "GROUPS",
  subjects: readonly string[],
): Promise<void> {
  const newest = await Promise.all(subjects.map((subject) => log.lastFor(stream, subject)));
  const last = Math.max(...newest.map((message) => message?.sequence ?? 0));
  await until(`task ${task} did not process entry ${last}`, async () => {
    const results = await log.lastFor("WINDOWS", windowsSubject(task));
    return last === 0 || (results !== undefined && decodeWindows(results.payload).lastInput >= last);
  });
}

async function until(failure: string, isSo: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + WAIT_MS_MAX;
  while (!(await isSo())) {
    if (performance.now() > untilMs) throw new Error(`${failure} in ${WAIT_MS_MAX} ms`);
    await sleep(POLL_MS);
  }
}
