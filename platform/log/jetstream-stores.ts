import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { type ObjectStore, Objm, StorageType, setSha256Backend } from "@nats-io/obj";
import type { Connection } from "./jetstream-connection.ts";
import { type Append, type Appended, type Blobs, type LogMessage, type Records, TooLargeError } from "./port.ts";

const RECORDS_BUCKET = "weir_records";
const BLOBS_BUCKET = "weir_blobs";
/** The streams of the two buckets. */
export const RECORDS_STREAM = `KV_${RECORDS_BUCKET}`;
export const BLOBS_STREAM = `OBJ_${BLOBS_BUCKET}`;
const RECORD_BYTES_MAX = 512 * 1024;
/** The size of one message of a blob in the object store: a server that syncs always does so for each of them. */
const CHUNK_BYTES = 512 * 1024;
const HEADER_BYTES = 1_024;
const NAME = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;

/**
 * A NATS key-value bucket. Written through the appender, so that a set whose acknowledgement was lost is neither
 * repeated nor mistaken for another writer's.
 */
export async function openRecords(
  js: JetStreamClient,
  replicas: number,
  append: (message: Append) => Promise<Appended>,
  newest: (stream: string, subject: string) => Promise<{ payload: Uint8Array; sequence: number } | undefined>,
): Promise<Records> {
  await new Kvm(js).create(RECORDS_BUCKET, { history: 1, replicas, storage: StorageType.File });
  return {
    async get(name) {
      const message = await newest(RECORDS_STREAM, recordSubject(name));
      return message && { value: message.payload, revision: message.sequence };
    },
    async set(name, value, expectRevision) {
      const subject = recordSubject(name);
      if (value.length > RECORD_BYTES_MAX) {
        throw new TooLargeError(`record ${name} has ${value.length} bytes, at most ${RECORD_BYTES_MAX}`);
      }
      const { sequence } = await append({ subject, payload: value, expectLastSubjectSequence: expectRevision });
      return sequence;
    },
  };
}

export function recordSubject(name: string): string {
  return `$KV.${RECORDS_BUCKET}.${checkedName(name)}`;
}

export async function countBySubject(
  connection: Connection,
  jsm: JetStreamManager,
  stream: string,
  pattern: string,
): Promise<Map<string, number>> {
  const { state } = await connection.retrying(`counting ${pattern}`, () =>
    jsm.streams.info(stream, { subjects_filter: pattern }),
  );
  return new Map(Object.entries(state.subjects ?? {}));
}

export async function openBlobs(js: JetStreamClient, replicas: number, connection: Connection): Promise<Blobs> {
  // The default, in JavaScript, blocks the event loop for a second for each 50 MB.
  setSha256Backend("native");
  const store = await new Objm(js).create(BLOBS_BUCKET, { replicas, storage: StorageType.File });
  return {
    async get(name) {
      return await connection.retrying(`reading blob ${name}`, () => readBlob(store, checkedName(name)));
    },
    async put(name, value) {
      const pieces = value instanceof Uint8Array ? [value] : value;
      const chunkBytes = Math.min(CHUNK_BYTES, (connection.nc.info?.max_payload ?? CHUNK_BYTES) - HEADER_BYTES);
      await connection.retrying(`writing blob ${name}`, () =>
        store.put({ name: checkedName(name), options: { max_chunk_size: chunkBytes } }, streamOf(pieces)),
      );
    },
    async delete(name) {
      await connection.retrying(`deleting blob ${name}`, async () => {
        if ((await store.info(checkedName(name))) !== null) await store.delete(name);
      });
    },
  };
}

/** Each chunk is copied to its place as it arrives: joining them all at the end would block the event loop. */
async function readBlob(store: ObjectStore, name: string): Promise<Uint8Array | undefined> {
  const found = await store.get(name);
  if (found === null) return undefined;
  const value = new Uint8Array(found.info.size);
  async function take(chunks: ReadableStream<Uint8Array>): Promise<void> {
    let at = 0;
    for await (const chunk of chunks) {
      value.set(chunk, at);
      at += chunk.length;
    }
  }
  const [error] = await Promise.all([found.error, take(found.data)]);
  if (error) throw error;
  return value;
}

/** In pieces of a chunk at most: for each chunk that it sends, the store copies everything that it was given. */
function streamOf(pieces: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunksOf(pieces));
}

function* chunksOf(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += CHUNK_BYTES) yield piece.subarray(at, at + CHUNK_BYTES);
  }
}

/** One message, read from the stream's leader. */
export async function getMessage(
  jsm: JetStreamManager,
  connection: Connection,
  stream: string,
  query: { readonly last_by_subj: string } | { readonly seq: number; readonly next_by_subj?: string },
) {
  const message = await connection.retrying(`reading from ${stream}`, () => jsm.streams.getMessage(stream, query));
  if (message === null) return undefined;
  const { subject, seq, data, timestamp, header } = message;
  return {
    subject,
    sequence: seq,
    storedAtUs: instantUs(timestamp),
    payload: data,
    id: header.get("Nats-Msg-Id"),
  };
}

/** As readers get it. */
export function withoutId(message: (LogMessage & { readonly id: string }) | undefined): LogMessage | undefined {
  if (message === undefined) return undefined;
  const { id: _, ...kept } = message;
  return kept;
}

/** Whole microseconds of an RFC 3339 text with up to nine decimals; 0 for NATS' "never". */
export function instantUs(text: string): number {
  const match = /^(.*?)(?:\.(\d+))?Z$/.exec(text);
  if (match === null) return Date.parse(text) * 1000;
  const seconds = Date.parse(`${match[1]}Z`) / 1000;
  const us = seconds * 1_000_000 + Number((match[2] ?? "").padEnd(6, "0").slice(0, 6));
  return Math.max(us, 0);
}

function checkedName(name: string): string {
  if (!NAME.test(name)) throw new TypeError(`not a valid name for a record or blob: ${JSON.stringify(name)}`);
  return name;
}
