import { type JetStreamManager, jetstreamManager, type StreamConfig, type StreamState } from "@nats-io/jetstream";
import {
  AuthorizationError,
  connect,
  type NatsConnection,
  UserAuthenticationExpiredError,
} from "@nats-io/transport-node";
import { reasonOf } from "../../domain/reason.ts";
import { STREAMS } from "../../domain/subjects.ts";
import { BLOBS_STREAM, RECORDS_STREAM, recordSubject } from "./jetstream-stores.ts";
import type { Durability } from "./port.ts";
import { errorCode, STREAM_NOT_FOUND } from "./streams.ts";

/** All streams of Weir on a server: its own, and those of its records and blobs. */
export const ALL_STREAMS: readonly string[] = [...STREAMS, RECORDS_STREAM, BLOBS_STREAM];

export interface ProbedStream {
  readonly config: StreamConfig;
  readonly state: StreamState;
}

/** A server's description of itself. */
export type JetStreamProbe =
  | { readonly state: "unreachable"; readonly reason: string }
  | { readonly state: "refused"; readonly reason: string }
  | { readonly state: "no-jetstream"; readonly version: string }
  | { readonly state: "silent"; readonly version: string; readonly reason: string }
  | {
      readonly state: "ready";
      readonly version: string;
      readonly account: AccountUse;
      /** By name: the streams of Weir that exist. */
      readonly streams: ReadonlyMap<string, ProbedStream>;
      readonly durability: Durability;
      /** A value of the records, such as "partitions"; undefined when it does not exist. */
      readonly record: (name: string) => string | undefined;
    };

export interface AccountUse {
  readonly storageBytes: number;
  /** -1 without a limit. */
  readonly storageBytesMax: number;
}

export interface ProbeOptions {
  readonly servers: string;
  readonly token?: string;
  readonly name: string;
  /** For each answer. */
  readonly timeoutMs: number;
  /** The records to read. */
  readonly records: readonly string[];
}

/** Asks a server, once, what it has of Weir. Creates and changes nothing. */
export async function probeJetStream(options: ProbeOptions): Promise<JetStreamProbe> {
  const { servers, token, name, timeoutMs } = options;
  let nc: NatsConnection;
  try {
    const access = token === undefined ? {} : { token };
    nc = await connect({ servers, name, ...access, reconnect: false, timeout: timeoutMs });
  } catch (error) {
    const refused = error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError;
    return { state: refused ? "refused" : "unreachable", reason: reasonOf(error) };
  }
  const version = nc.info?.version ?? "unknown";
  try {
    return await askJetStream(await jetstreamManager(nc, { timeout: timeoutMs }), version, options.records);
  } catch (error) {
    if (isJetStreamMissing(error)) return { state: "no-jetstream", version };
    return { state: "silent", version, reason: reasonOf(error) };
  } finally {
    await nc.close();
  }
}

async function askJetStream(
  jsm: JetStreamManager,
  version: string,
  names: readonly string[],
): Promise<Extract<JetStreamProbe, { state: "ready" }>> {
  const { storage, limits } = await jsm.getAccountInfo();
  const streams = new Map<string, ProbedStream>();
  for (const name of ALL_STREAMS) {
    const found = await infoOf(jsm, name);
    if (found !== undefined) streams.set(name, found);
  }
  const records = new Map<string, string>();
  if (streams.has(RECORDS_STREAM)) {
    for (const name of names) {
      const message = await jsm.streams.getMessage(RECORDS_STREAM, { last_by_subj: recordSubject(name) });
      if (message !== null) records.set(name, message.string());
    }
  }
  const replicas = streams.get("READINGS")?.config.num_replicas ?? 1;
  return {
    state: "ready",
    version,
    account: { storageBytes: storage, storageBytesMax: limits.max_storage },
    streams,
    durability: replicas > 1 ? "replicated" : "unknown",
    record: (name) => records.get(name),
  };
}

/** The client does not export its class. */
export function isJetStreamMissing(error: unknown): boolean {
  return error instanceof Error && error.name === "JetStreamNotEnabled";
}

/** Undefined when the stream does not exist. */
export async function infoOf(jsm: JetStreamManager, name: string): Promise<ProbedStream | undefined> {
  try {
    return await jsm.streams.info(name);
  } catch (error) {
    if (errorCode(error) === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}
