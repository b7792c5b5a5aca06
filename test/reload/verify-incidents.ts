import type { AlertChange, AlertEvent } from "../../domain/alert.ts";
import type { Logs } from "../crash/logs.ts";
import { COOL_SUMMARY } from "./reloading.ts";
import { WARM } from "./rule-files.ts";
import { deviceName } from "./sent-reading.ts";

/**
 * Each device had one incident of the rule whose threshold, texts and durations were edited, from the first windows
 * to the last edit.
 */
export function verifyIncidents(
  logs: Logs,
  devices: number,
): { readonly difference: string | undefined; readonly kept: number } {
  const byDevice = new Map<string, AlertChange[]>();
  for (const { payload } of logs.ALERTS) {
    const { data }: AlertEvent = JSON.parse(new TextDecoder().decode(payload));
    if (data.rule !== WARM) continue;
    const device = data.key.device ?? "";
    byDevice.set(device, [...(byDevice.get(device) ?? []), data]);
  }
  for (let device = 0; device < devices; device++) {
    const changes = byDevice.get(deviceName(device)) ?? [];
    const states = changes.map(({ state }) => state).join(" ");
    const incidents = new Set(changes.map(({ incident }) => incident)).size;
    // The first device may be silent at the end: then nothing ends its incident.
    const isWhole = states === "pending firing resolved" || (device === 0 && states === "pending firing");
    const said = `${deviceName(device)} had ${incidents} incidents of ${WARM}, with the changes: ${states}`;
    if (!isWhole || incidents !== 1) return { difference: said, kept: device };
    const last = changes.at(-1);
    if (last?.state !== "resolved") continue;
    if (last.annotations.summary !== COOL_SUMMARY || last.evidence.condition !== "not > 90")
      return { difference: `the end of ${last.incident} does not carry the newest texts`, kept: device };
  }
  return { difference: undefined, kept: devices };
}
