import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Records } from "../../platform/log/port.ts";
import { SparkplugHost, type SparkplugOptions } from "../sparkplug/host.ts";

/** A host application of Sparkplug on records in memory. */
export function sparkplugHost(
  over: Partial<SparkplugOptions> = {},
  records: Records = createMemoryLog({ nowUs: () => 0 }).records,
): SparkplugHost {
  const events = { rebirthAsked() {}, nodeDied() {}, nodesNotKept() {} };
  return new SparkplugHost({ records, events, nowMs: () => performance.now(), hostId: undefined, ...over });
}
