import type { WindowResult } from "../../domain/window-result.ts";
import { decodeWindows } from "../../domain/windows-codec.ts";
import type { Logs } from "../crash/logs.ts";
import { STEADY, STEADY_SITE } from "./rule-files.ts";
import { deviceName, type SentReadings, siteOf } from "./sent-reading.ts";

const TOLERANCE = 1e-9;

interface Sum {
  count: number;
  sum: number;
}

/**
 * Windows of a rule that no edit touched, against sums of what was sent. Windows that may still be open may be
 * missing.
 */
export function verifySteady(
  logs: Logs,
  sent: SentReadings,
  siteLatenessUs: number,
): { readonly difference: string | undefined; readonly windows: number } {
  let windows = 0;
  for (const [rule, nameOf] of [
    [STEADY, deviceName],
    [{ ...STEADY_SITE, latenessUs: siteLatenessUs }, siteOf],
  ] as const) {
    const { sums, newestUs } = bruteForce(sent, rule.sizeUs, nameOf);
    const newest = new Map<string, WindowResult>();
    for (const { payload } of logs.WINDOWS) {
      for (const result of decodeWindows(payload).results) {
        if (result.rule !== rule.id) continue;
        const key = `${result.labels.device ?? result.labels.site} ${result.startUs}`;
        const revision = (newest.get(key)?.revision ?? -1) + 1;
        if (result.revision !== revision)
          return { windows, difference: `${rule.id} ${key}: revision ${result.revision} instead of ${revision}` };
        newest.set(key, result);
      }
    }
    for (const [key, { count, sum }] of sums) {
      const { startUs, endUs, aggregates } = newest.get(key) ?? {};
      newest.delete(key);
      const [name = "", start] = key.split(" ");
      const mustBeClosed = (newestUs.get(name) ?? 0) >= Number(start) + rule.sizeUs + rule.latenessUs;
      if (aggregates === undefined && !mustBeClosed) continue;
      const avg = sum / count;
      const isRight =
        aggregates?.count === count && Math.abs(Number(aggregates.avg) - avg) <= TOLERANCE * Math.abs(avg);
      if (!isRight || endUs !== (startUs ?? 0) + rule.sizeUs) {
        const wanted = `{ avg: ${avg}, count: ${count} }`;
        return { windows, difference: `${rule.id} ${key}: ${JSON.stringify(aggregates)}, by brute force ${wanted}` };
      }
      windows++;
    }
    const [extra] = newest.keys();
    if (extra !== undefined) return { windows, difference: `${rule.id} ${extra}: a window without readings` };
  }
  return { windows, difference: undefined };
}

function bruteForce(sent: SentReadings, sizeUs: number, nameOf: (device: number) => string) {
  const sums = new Map<string, Sum>();
  const newestUs = new Map<string, number>();
  for (const { device, atUs, value } of sent) {
    const name = nameOf(device);
    const key = `${name} ${Math.floor(atUs / sizeUs) * sizeUs}`;
    const entry = sums.get(key) ?? { count: 0, sum: 0 };
    entry.count++;
    entry.sum += value;
    sums.set(key, entry);
    newestUs.set(name, Math.max(newestUs.get(name) ?? 0, atUs));
  }
  return { sums, newestUs };
}
