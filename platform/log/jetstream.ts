import { type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { StreamName } from "../../domain/subjects.ts";
import { appendEach, onlyOne } from "./append-each.ts";
import { createMissingStreams, existingStreams } from "./create-streams.ts";
import { Appender, type FirstAfter } from "./jetstream-append.ts";
import { BatchAppender } from "./jetstream-batch.ts";
import { createNatsBus } from "./jetstream-bus.ts";
import { type Connection, type ConnectionOptions, openConnection } from "./jetstream-connection.ts";
import { deletions } from "./jetstream-deletions.ts";
import { EachReader } from "./jetstream-each.ts";
import { JetStreamReader } from "./jetstream-read.ts";
import { countBySubject, getMessage, instantUs, openBlobs, openRecords, withoutId } from "./jetstream-stores.ts";
import {
  type Append,
  type Blobs,
  type Durability,
  type Log,
  LogClosedError,
  type Records,
  type StreamBounds,
  TooLargeError,
} from "./port.ts";
import { DUPLICATE_WINDOW_MS, type Retentions, wantedConfigs } from "./streams.ts";
import { streamOf, subjectsOf } from "./subject-match.ts";

/** Space for headers beside a payload: an id, an expected sequence. */
const HEADER_BYTES_MAX = 1_024;
const CLOSE_GRACE_MS = 2_000;

export interface JetStreamLogOptions extends ConnectionOptions {
  /** Of the readings stream; subjects are `readings.0` to `readings.<partitions - 1>`. */
  readonly partitions: number;
  readonly retention: Retentions;
  readonly replicas?: number;
  /** Known when this process started the server itself. */
  readonly knownDurability?: Durability;
  readonly payloadBytesMax?: number;
  readonly duplicateWindowMs?: number;
}

/** Waits until the server answers, creates what is missing there, and returns its log. */
export async function connectJetStreamLog(options: JetStreamLogOptions): Promise<Log> {
  const connection = await openConnection(options);
  try {
    return await openLog(connection, options);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** The parts of the log. */
interface Parts {
  readonly connection: Connection;
  readonly jsm: JetStreamManager;
  readonly appender: Appender;
  readonly batches: BatchAppender;
  /** Whether the stream accepts batches. */
  readonly isBatched: (stream: StreamName) => boolean;
  readonly records: Records;
  readonly blobs: Blobs;
}

async function openLog(connection: Connection, options: JetStreamLogOptions): Promise<Log> {
  const { nc } = connection;
  const serverBytesMax = (nc.info?.max_payload ?? 1_048_576) - HEADER_BYTES_MAX;
  const payloadBytesMax = Math.min(serverBytesMax, options.payloadBytesMax ?? serverBytesMax);
  const durability = options.knownDurability ?? ((options.replicas ?? 1) > 1 ? "replicated" : "unknown");
  return logOf(await openParts(connection, options), { payloadBytesMax, durability });
}

async function openParts(connection: Connection, options: JetStreamLogOptions): Promise<Parts> {
  const { nc, logger } = connection;
  const { replicas = 1, duplicateWindowMs = DUPLICATE_WINDOW_MS } = options;
  const jsm = await connection.retrying("asking NATS for JetStream", () => jetstreamManager(nc));
  const js = jetstream(nc);
  const serverVersion = nc.info?.version ?? "0";
  const wanted = wantedConfigs({ retention: options.retention, replicas, duplicateWindowMs, serverVersion });
  await connection.retrying("creating the streams", () => createMissingStreams(jsm, wanted, logger));
  const streams = await connection.retrying("asking for the streams", () => existingStreams(jsm, wanted));
  const ends = new Map<string, number>([...streams].map(([name, { state }]) => [name, state.last_seq]));
  const firstAfter: FirstAfter = (subject, sequence) =>
    getMessage(jsm, connection, streamNameOf(subject), { seq: sequence + 1, next_by_subj: subject });
  const endAtStart = (subject: string) => ends.get(streamNameOf(subject)) ?? 0;
  const memory = { connection, duplicateWindowMs, firstAfter, endAtStart };
  const appender = new Appender(memory);
  appender.start();
  const batches = new BatchAppender({ ...memory, append: (message) => appender.append(message) });
  const isBatched = (name: StreamName) => streams.get(name)?.config.allow_atomic === true;
  const newest = (stream: string, subject: string) => getMessage(jsm, connection, stream, { last_by_subj: subject });
  const records = await connection.retrying("opening the records", () =>
    openRecords(js, replicas, (message) => appender.append(message), newest),
  );
  const blobs = await connection.retrying("opening the blobs", () => openBlobs(js, replicas, connection));
  return { connection, jsm, appender, batches, isBatched, records, blobs };
}

function logOf(parts: Parts, { payloadBytesMax, durability }: Pick<Log, "payloadBytesMax" | "durability">): Log {
  const { connection, jsm, appender, batches, isBatched, records, blobs } = parts;
  const readers = new Set<JetStreamReader>();
  const each = new EachReader(connection, jsm);

  function checkOpen(): void {
    if (connection.isClosed()) throw new LogClosedError("the log is closed");
  }

  function checkAppend({ subject, payload }: Append): StreamName {
    if (payload.length > payloadBytesMax) {
      throw new TooLargeError(`${payload.length} bytes for ${subject}, at most ${payloadBytesMax}`);
    }
    return streamOf(subject);
  }

  return {
    payloadBytesMax,
    durability,
    records,
    blobs,
    bus: createNatsBus(connection),
    healthy: () => connection.isUp() && appender.prompt() && batches.prompt(),
    async append(message) {
      checkAppend(message);
      return await appender.append(message);
    },
    async appendAll(messages) {
      const stream = onlyOne(messages.map((message) => checkAppend(message)));
      if (stream !== undefined && isBatched(stream)) return await batches.appendAll(messages);
      return await appendEach((message) => appender.append(message), messages);
    },
    read(query) {
      checkOpen();
      const reader: JetStreamReader = new JetStreamReader(connection, jsm, query, () => readers.delete(reader));
      readers.add(reader);
      reader.start();
      return reader;
    },
    async readEach(stream, sequences) {
      checkOpen();
      return await each.read(stream, sequences);
    },
    async lastFor(stream, subject) {
      checkOpen();
      return withoutId(await getMessage(jsm, connection, stream, { last_by_subj: subject }));
    },
    async newest(stream) {
      checkOpen();
      return withoutId(await getMessage(jsm, connection, stream, { last_by_subj: subjectsOf(stream) }));
    },
    async bounds(stream) {
      checkOpen();
      const info = await connection.retrying(`asking for ${stream}`, () => jsm.streams.info(stream));
      return boundsOf(info.state);
    },
    ...deletions(connection, jsm, checkOpen),
    async countBySubject(stream, pattern) {
      checkOpen();
      return await countBySubject(connection, jsm, stream, pattern);
    },
    async close() {
      if (connection.isClosed()) return;
      await Promise.all([appender.close(CLOSE_GRACE_MS), batches.close(CLOSE_GRACE_MS)]);
      await Promise.all([...readers].map((reader) => reader.close()));
      await connection.close();
    },
  };
}

interface StreamState {
  readonly first_seq: number;
  readonly last_seq: number;
  readonly messages: number;
  readonly bytes: number;
  readonly first_ts: string;
  readonly last_ts: string;
}

function boundsOf(state: StreamState): StreamBounds {
  return {
    firstSequence: Math.max(1, state.first_seq),
    lastSequence: state.last_seq,
    messages: state.messages,
    bytes: state.bytes,
    firstAtUs: instantUs(state.first_ts),
    lastAtUs: instantUs(state.last_ts),
  };
}

function streamNameOf(subject: string): string {
  return subject.startsWith("$KV.") ? `KV_${subject.split(".")[1]}` : streamOf(subject);
}
