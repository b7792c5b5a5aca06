import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import type { Logger } from "pino";
import { changeStream, fitToDisk, limitsThatDelete } from "./align-streams.ts";
import { existingStreams } from "./create-streams.ts";
import type { Connection } from "./jetstream-connection.ts";
import { getMessage } from "./jetstream-stores.ts";
import type { ProbedStream } from "./probe.ts";
import {
  differencesOf,
  type StreamDifference,
  type StreamSettings,
  type WantedConfig,
  wantedConfigs,
} from "./streams.ts";

const NS_PER_US = 1_000;

/** A change that brings an existing stream to weir.yaml. */
export interface StreamChange {
  readonly stream: ProbedStream;
  readonly wanted: WantedConfig;
  readonly differences: readonly StreamDifference[];
  /** What the change would delete now. */
  readonly deletes: Deletion;
}

/** Both numbers are about right for messages of about the same size. */
export interface Deletion {
  readonly messages: number;
  readonly bytes: number;
}

interface ChangesOptions extends Omit<StreamSettings, "serverVersion"> {
  /** Of the disk of the store, if the server is a gateway's own. */
  readonly freeBytes: number | undefined;
  readonly nowUs: number;
  readonly logger: Logger;
}

/** The streams that differ from weir.yaml. Only reads. */
export async function streamChanges(connection: Connection, options: ChangesOptions): Promise<readonly StreamChange[]> {
  const { freeBytes, nowUs, logger } = options;
  const jsm = await jetstreamManager(connection.nc);
  const all = wantedConfigs({ ...options, serverVersion: connection.nc.info?.version ?? "0" });
  const existing = await existingStreams(jsm, all);
  const present = all.filter(({ name }) => existing.has(name));
  const wanted = freeBytes === undefined ? present : fitToDisk({ wanted: present, existing, freeBytes, logger });
  const changes: StreamChange[] = [];
  for (const config of wanted) {
    const stream = existing.get(config.name);
    const differences = stream === undefined ? [] : differencesOf(config, stream.config);
    if (stream === undefined || differences.length === 0) continue;
    changes.push({
      stream,
      wanted: config,
      differences,
      deletes: await deletionOf({ connection, jsm, stream }, config, nowUs),
    });
  }
  return changes;
}

/**
 * Changes the stream, even if that deletes messages. Resolves to whether the server accepts the change; logs the
 * reason if not.
 */
export async function applyChange(
  connection: Connection,
  { stream, wanted }: StreamChange,
  logger: Logger,
): Promise<boolean> {
  return await changeStream({ jsm: await jetstreamManager(connection.nc), stream, config: wanted, logger });
}

interface Asked {
  readonly connection: Connection;
  readonly jsm: JetStreamManager;
  readonly stream: ProbedStream;
}

async function deletionOf(asked: Asked, config: WantedConfig, nowUs: number): Promise<Deletion> {
  const { stream } = asked;
  const limits = limitsThatDelete(stream, config, nowUs);
  const { messages, bytes, first_seq } = stream.state;
  if (limits.length === 0) return { messages: 0, bytes: 0 };
  const perMessage = bytes / messages;
  const tooMany = limits.includes("max_bytes") ? Math.ceil((bytes - config.max_bytes) / perMessage) : 0;
  const fromUs = nowUs - config.max_age / NS_PER_US;
  const tooOld = limits.includes("max_age") ? (await firstSequenceFrom(asked, fromUs)) - first_seq : 0;
  const deleted = Math.min(messages, Math.max(tooMany, tooOld));
  return { messages: deleted, bytes: Math.round(deleted * perMessage) };
}

/** The sequence of the first message stored at this time or later; messages are stored in the order of time. */
async function firstSequenceFrom({ connection, jsm, stream }: Asked, fromUs: number): Promise<number> {
  const { config, state } = stream;
  let low = state.first_seq;
  let high = state.last_seq + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const message = await getMessage(jsm, connection, config.name, { seq: middle, next_by_subj: ">" });
    if (message === undefined || message.storedAtUs >= fromUs) high = middle;
    else low = message.sequence + 1;
  }
  return low;
}
