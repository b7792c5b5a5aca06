import {
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  StoreCompression,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { MQTT_STREAMS, type MqttStreamName, STREAMS, type StreamName } from "../../domain/subjects.ts";
import { subjectsOf } from "./subject-match.ts";

/** What a stream keeps: the newest, up to an age and a size. */
export interface Retention {
  readonly maxAgeMs: number;
  readonly maxBytes: number;
}

export interface Retentions {
  readonly readings: Retention;
  /**
   * Readings that partitions forward to rules over several devices. Default: as long as `readings`, and a quarter of
   * its size.
   */
  readonly groups?: Retention;
  readonly windows: Retention;
  readonly alerts: Retention;
  readonly deadLetters: Retention;
  /** Default: a year and 256 MiB. */
  readonly notifications?: Retention;
  /** Default: a week and 256 MiB. */
  readonly bridges?: Retention;
  /** Default: the default bounds of the broker. */
  readonly mqtt?: MqttBounds;
}

/** The bounds that the broker itself keeps. Its streams are larger, so that no stream drops a message before. */
export interface MqttBounds {
  readonly queuedBytes: number;
  readonly retainedBytes: number;
}

export interface StreamSettings {
  readonly retention: Retentions;
  readonly replicas: number;
  readonly duplicateWindowMs: number;
  readonly serverVersion: string;
}

/** JetStream's default. Ids cost the server memory for this long. */
export const DUPLICATE_WINDOW_MS = 120_000;
const NOTIFICATIONS_RETENTION: Retention = { maxAgeMs: 365 * 86_400_000, maxBytes: 256 * 1_048_576 };
const BRIDGES_RETENTION: Retention = { maxAgeMs: 7 * 86_400_000, maxBytes: 256 * 1_048_576 };
const MQTT_BOUNDS: MqttBounds = { queuedBytes: 64 * 1_048_576, retainedBytes: 64 * 1_048_576 };
/** About 1 KiB for each session, with plenty to spare. */
const MQTT_STATE_BYTES = 64 * 1_048_576;
/** Frames have overhead, and what is finished is deleted a little later. */
const MQTT_ROOM = 2;
/** Streams that are appended many messages at a time. */
const BATCHED: ReadonlySet<StreamName> = new Set(["WINDOWS", "ALERTS", ...MQTT_STREAMS]);
/** Read at random, one message here and one there: compressed, each costs the decompression of a block of 8 MB. */
const UNCOMPRESSED: ReadonlySet<StreamName> = new Set(MQTT_STREAMS);
/** Only the newest message of a subject counts. */
const NEWEST_ONLY: ReadonlySet<StreamName> = new Set(["MQTT_SESSIONS", "MQTT_PROGRESS", "MQTT_RETAINED"]);
export const STREAM_NOT_FOUND = 10059;
const MESSAGE_NOT_FOUND = 10037;
const SEQUENCE_NOT_FOUND = 10043;
const DELETION_FAILED = 10057;
export const STREAM_NAME_IN_USE = 10058;
export const INSUFFICIENT_STORAGE = 10047;

/** A stream's settings according to weir.yaml. */
export type WantedConfig = Partial<StreamConfig> & {
  readonly name: StreamName;
  readonly max_age: number;
  readonly max_bytes: number;
};

/** All streams according to weir.yaml, regardless of the server's. */
export function wantedConfigs(options: StreamSettings): readonly WantedConfig[] {
  return STREAMS.map((name) => wantedConfig(name, options));
}

function wantedConfig(name: StreamName, options: StreamSettings): WantedConfig {
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
    ...(NEWEST_ONLY.has(name) ? { max_msgs_per_subject: 1 } : {}),
    allow_direct: true,
    ...(isAtLeast(options.serverVersion, 2, 10) ? { compression: compressionOf(name) } : {}),
    // Older servers sync each message of a batch: there, batches only cost (ADR 17).
    ...(BATCHED.has(name) && isAtLeast(options.serverVersion, 2, 15) ? { allow_atomic: true } : {}),
  };
}

function compressionOf(name: StreamName): StoreCompression {
  return UNCOMPRESSED.has(name) ? StoreCompression.None : StoreCompression.S2;
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
    case "MQTT_SESSIONS":
    case "MQTT_PROGRESS":
    case "MQTT_QUEUE":
    case "MQTT_RETAINED":
      return { maxAgeMs: 0, maxBytes: mqttBytes(name, retentions.mqtt ?? MQTT_BOUNDS) };
    case "BRIDGES":
      return retentions.bridges ?? BRIDGES_RETENTION;
  }
}

function mqttBytes(name: MqttStreamName, { queuedBytes, retainedBytes }: MqttBounds): number {
  if (name === "MQTT_QUEUE") return MQTT_ROOM * queuedBytes;
  return name === "MQTT_RETAINED" ? MQTT_ROOM * retainedBytes : MQTT_STATE_BYTES;
}

/** As old as the readings, so that a repeat is recognised even after a long pause. */
function groupsRetention({ maxAgeMs, maxBytes }: Retention): Retention {
  return { maxAgeMs, maxBytes: maxBytes > 0 ? Math.ceil(maxBytes / 4) : maxBytes };
}

const COMPARED = [
  "max_age",
  "max_bytes",
  "duplicate_window",
  "allow_direct",
  "compression",
  "num_replicas",
  "allow_atomic",
  "storage",
] as const;

/** A setting of a stream that differs from weir.yaml. Ages are in nanoseconds, as in NATS. */
export interface StreamDifference {
  readonly key: (typeof COMPARED)[number];
  readonly given: unknown;
  readonly wanted: unknown;
}

/** The settings in which a stream on a server differs from the wanted ones. */
export function differencesOf(wanted: WantedConfig, given: StreamConfig): readonly StreamDifference[] {
  return COMPARED.filter((key) => wanted[key] !== undefined && wanted[key] !== given[key]).map((key) => ({
    key,
    given: given[key],
    wanted: wanted[key],
  }));
}

export function errorCode(error: unknown): number {
  return error instanceof JetStreamApiError ? error.code : 0;
}

/** Whether a deletion failed because no message has that sequence (any more, or yet). */
export function isMissingMessage(error: unknown): boolean {
  const code = errorCode(error);
  if (code === MESSAGE_NOT_FOUND || code === SEQUENCE_NOT_FOUND) return true;
  return code === DELETION_FAILED && /EOF|no message found|not found/.test(String(error));
}

export function isAtLeast(version: string, major: number, minor: number): boolean {
  const [gotMajor = 0, gotMinor = 0] = version.split(".").map(Number);
  return gotMajor > major || (gotMajor === major && gotMinor >= minor);
}
