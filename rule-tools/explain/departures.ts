import type { Device, Tags } from "../../domain/reading.ts";

/** Whether all readings of a group are from devices that are gone: it has their names and tags (docs/windows.md, "Gone"). */
export function isOfGone(key: Tags, gone: readonly Device[]): boolean {
  return gone.some(
    ({ device, tags }) => key.device === device && Object.entries(tags).every(([name, value]) => key[name] === value),
  );
}
