import type { Device, Tags } from "../../domain/reading.ts";
import type { Input } from "./input.ts";

interface RunningRules {
  setTimer(input: Input, key: number, dueUs: number): void;
  stop(input: Input, error: unknown): void;
}

/**
 * Devices are gone: the keys with `absent` whose readings all come from them are absent now. These keys have the label
 * `device`, and all tags that name the device. A key of fewer labels may have readings of others.
 */
export function leaveKeys(
  input: Input,
  devices: readonly Device[],
  { nowUs, rules }: { readonly nowUs: number; readonly rules: RunningRules },
): void {
  const { absences } = input;
  if (absences === undefined || input.isStopped) return;
  const named = new Map<string, Device[]>();
  for (const device of devices) named.set(device.device, [...(named.get(device.device) ?? []), device]);
  try {
    for (const [key, labels] of input.keys()) {
      if (!named.get(labels.device ?? "")?.some(({ tags }) => hasAll(labels, tags))) continue;
      absences.leave(key, nowUs);
      rules.setTimer(input, key, absences.dueUs(key));
    }
  } catch (error) {
    rules.stop(input, error);
  }
}

function hasAll(labels: Tags, tags: Tags): boolean {
  for (const name in tags) if (labels[name] !== tags[name]) return false;
  return true;
}
