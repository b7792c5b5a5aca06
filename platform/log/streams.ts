import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  StoreCompression,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { Logger } from "pino";
import { STREAMS, type StreamName } from "../../domain/subjects.ts";
import { subjectsOf } from "./subject-match.ts";

/** What a stream keeps: the newest, up to an age and a size. */
export interface Retention {
  readonly maxAgeMs: number;
  readonly maxBytes: number;
}

export interface Retentions {
  readonly readings: Retention;
  /** What partitions forward to rules over several devices. Without it: as long as `readings`, and a quarter of its size. */
  readonly groups?: Retention;
  readonly windows: Retention;
  readonly alerts: Retention;
  readonly deadLetters: Retention;
  /** A year and 256 MiB when left out. */
  readonly notifications?: Retention;
}

export interface StreamsOptions {
  readonly retention: Retentions;
  readonly replicas: number;
  readonly duplicateWindowMs: number;
  readonly serverVersion: string;
  readonly logger: Logger;
}

/** As JetStream's default. Ids cost the server memory for this long. */
export const DUPLICATE_WINDOW_MS = 120_000;
const NOTIFICATIONS_RETENTION: Retention = { maxAgeMs: 365 * 86_400_000, maxBytes: 256 * 1_048_576 };
const MAX_BYTES_MIN = 64 * 1_048_576;
export const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_IN_USE = 10058;
const INSUFFICIENT_STORAGE = 10047;

type WantedConfig = Partial<StreamConfig> & { readonly name: StreamName; readonly max_bytes: number };

/**
 * Creates the streams or updates them, and warns where the server's differ from what was asked. Resolves to
 * the newest sequence of each.
 */
export async function ensureStreams(
  jsm: JetStreamManager,
  options: StreamsOptions,
): Promise<ReadonlyMap<string, number>> {
  const ends = new Map<string, number>();
  for (const name of STREAMS) {
    const wanted = wantedConfig(name, options);
    const given = await ensureStream(jsm, wanted, options.logger);
    reportDifferences(wanted, given.config, options.logger);
    ends.set(name, given.state.last_seq);
  }
  return ends;
}

function wantedConfig(name: StreamName, options: Omit<StreamsOptions, "logger">): WantedConfig {
  const { duplicateWindowMs } = options;
  const { maxAgeMs, maxBytes } = retentionOf(name, options.retention);
  return {
    name,
    subjects: [subjectsOf(name)],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: nanos(maxAgeMs),
    max_bytes: maxBytes,
    num_replicas: options.replicas,
    // The server refuses a window longer than the messages live.
    duplicate_window: nanos(maxAgeMs > 0 ? Math.min(duplicateWindowMs, maxAgeMs) : duplicateWindowMs),
    allow_direct: true,
    ...(isAtLeast(options.serverVersion, 2, 10) ? { compression: StoreCompression.S2 } : {}),
  };
}

function retentionOf(name: StreamName, retentions: Retentions): Retention {
  switch (name) {
    case "READINGS":
      return retentions.readings;
    case "GROUPS":
      return retentions.groups ?? groupsRetention(retentions.readings);
    case "WINDOWS":
      return retentions.windows;
    case "ALERTS":
      return retentions.alerts;
    case "DEADLETTERS":
      return retentions.deadLetters;
    case "NOTIFICATIONS":
      return retentions.notifications ?? NOTIFICATIONS_RETENTION;
  }
}

/** As old as the readings, so that a repeat is recognised even after a long pause. */
function groupsRetention({ maxAgeMs, maxBytes }: Retention): Retention {
  return { maxAgeMs, maxBytes: maxBytes > 0 ? Math.ceil(maxBytes / 4) : maxBytes };
}

async function ensureStream(jsm: JetStreamManager, wanted: WantedConfig, logger: Logger): Promise<StreamInfo> {
  let config = wanted;
  for (;;) {
    try {
      return await addOrUpdate(jsm, config);
    } catch (error) {
      const half = Math.floor(config.max_bytes / 2);
      if (errorCode(error) !== INSUFFICIENT_STORAGE || half < MAX_BYTES_MIN) throw error;
      // The server reserves max_bytes of its disk; a small disk keeps less rather than nothing.
      logger.warn(`NATS has no room for ${config.max_bytes} bytes of ${config.name}; asking for ${half}`);
      config = { ...config, max_bytes: half };
    }
  }
}

async function addOrUpdate(jsm: JetStreamManager, config: WantedConfig): Promise<StreamInfo> {
  try {
    await jsm.streams.info(config.name);
  } catch (error) {
    if (errorCode(error) !== STREAM_NOT_FOUND) throw error;
    try {
      return await jsm.streams.add(config);
    } catch (addError) {
      // Another gateway was faster, with other settings.
      if (errorCode(addError) !== STREAM_NAME_IN_USE) throw addError;
    }
  }
  return await jsm.streams.update(config.name, config);
}

function reportDifferences(wanted: WantedConfig, given: StreamConfig, logger: Logger): void {
  for (const { key, given: got, wanted: value } of differencesOf(wanted, given)) {
    logger.warn(`stream ${wanted.name} has ${key} ${got}, asked for ${value}`);
  }
}

const COMPARED = [
  "max_age",
  "max_bytes",
  "duplicate_window",
  "allow_direct",
  "compression",
  "num_replicas",
  "storage",
] as const;

/** A setting of a stream that is not as it would be asked for. Ages are in nanoseconds, as NATS has them. */
export interface StreamDifference {
  readonly key: (typeof COMPARED)[number];
  readonly given: unknown;
  readonly wanted: unknown;
}

/** Where a stream on a server is not as `ensureStreams` would make it. */
export function streamDifferences(
  name: StreamName,
  given: StreamConfig,
  options: Omit<StreamsOptions, "logger">,
): readonly StreamDifference[] {
  return differencesOf(wantedConfig(name, options), given);
}

function differencesOf(wanted: WantedConfig, given: StreamConfig): readonly StreamDifference[] {
  return COMPARED.filter((key) => wanted[key] !== undefined && wanted[key] !== given[key]).map((key) => ({
    key,
    given: given[key],
    wanted: wanted[key],
  }));
}

export function errorCode(error: unknown): number {
  return error instanceof JetStreamApiError ? error.code : 0;
}

export function isAtLeast(version: string, major: number, minor: number): boolean {
  const [gotMajor = 0, gotMinor = 0] = version.split(".").map(Number);
  return gotMajor > major || (gotMajor === major && gotMinor >= minor);
}
