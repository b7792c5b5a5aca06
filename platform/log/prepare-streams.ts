import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import type { Logger } from "pino";
import { alignStreams } from "./align-streams.ts";
import { createMissingStreams } from "./create-streams.ts";
import { type ConnectionOptions, openConnection } from "./jetstream-connection.ts";
import { differencesText } from "./stream-texts.ts";
import { DUPLICATE_WINDOW_MS, differencesOf, type Retentions, type WantedConfig, wantedConfigs } from "./streams.ts";

export interface PrepareOptions extends ConnectionOptions {
  readonly retention: Retentions;
  readonly replicas: number;
  /** Free bytes on the disk of the store, if only this gateway uses the server. Undefined for any other server. */
  readonly ownDiskFreeBytes: (() => Promise<number>) | undefined;
  readonly nowUs: () => number;
}

/**
 * Runs once at each start, before the services: creates the missing streams. On its own server, a gateway also brings
 * the other streams to weir.yaml (align-streams.ts). On a shared server it only warns of those that differ, because
 * each process there may have another weir.yaml. There, only `weir log apply` changes a stream.
 */
export async function prepareStreams(options: PrepareOptions): Promise<void> {
  const connection = await openConnection(options);
  try {
    const { nc, logger } = connection;
    const jsm = await connection.retrying("asking NATS for JetStream", () => jetstreamManager(nc));
    const { retention, replicas, ownDiskFreeBytes, nowUs } = options;
    const serverVersion = nc.info?.version ?? "0";
    const wanted = wantedConfigs({ retention, replicas, duplicateWindowMs: DUPLICATE_WINDOW_MS, serverVersion });
    await connection.retrying("preparing the streams", async () => {
      if (ownDiskFreeBytes === undefined) return await createAndCompare(jsm, wanted, logger);
      await alignStreams({ jsm, wanted, freeBytes: await ownDiskFreeBytes(), nowUs: nowUs(), logger });
    });
  } finally {
    await connection.close();
  }
}

async function createAndCompare(jsm: JetStreamManager, wanted: readonly WantedConfig[], logger: Logger): Promise<void> {
  const existing = await createMissingStreams(jsm, wanted, logger);
  for (const config of wanted) {
    const stream = existing.get(config.name);
    const differences = stream === undefined ? [] : differencesOf(config, stream.config);
    if (differences.length === 0) continue;
    logger.warn(
      `stream ${config.name} differs from weir.yaml: ${differencesText(differences)}; apply it with: weir log apply`,
    );
  }
}
