import type { DevicePublish } from "../platform/device-publish.ts";
import type { Deps } from "../platform/service.ts";
import type { IngestConfig } from "./common/config.ts";
import type { IngestEvents } from "./common/events.ts";
import type { DeviceSessions } from "./frames/message-lane.ts";
import type { SharedState as FormatState } from "./mapping/decoder.ts";
import { answerSchemas } from "./schemas/registry/registry-service.ts";
import { SchemaRecords } from "./schemas/registry/schema-records.ts";
import { SchemaReader } from "./schemas/use/schema-reader.ts";
import { SparkplugHost } from "./sparkplug/host.ts";

/** What all sources share: schemas and their registry, and the nodes of Sparkplug. */
export interface SharedState {
  readonly formats: FormatState;
  readonly sessions: DeviceSessions;
  /** Gives the way to devices, or takes it away. */
  reach(publish: ((message: DevicePublish) => void) | undefined): void;
  stop(): Promise<void>;
}

export function startSharedState(
  { sparkplug }: IngestConfig,
  { log, clock, events }: Pick<Deps, "log" | "clock"> & { readonly events: IngestEvents },
): SharedState {
  const records = new SchemaRecords(log.records);
  const schemas = new SchemaReader(records);
  const stops = [
    answerSchemas(log, { records, onRefused: events.registryRefused }),
    schemas.follow(log, events.registryRefused),
  ];
  const nowMs = () => clock.nowUs() / 1_000;
  const host = new SparkplugHost({ records: log.records, events, nowMs, hostId: sparkplug.host_id });
  return {
    formats: { schemas, sparkplug: host.read },
    sessions: host,
    reach: (publish) => host.reach(publish),
    async stop() {
      for (const stop of stops) stop();
      await host.stop();
    },
  };
}
