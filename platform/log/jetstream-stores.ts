import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { Objm, StorageType } from "@nats-io/obj";
import type { Connection } from "./jetstream-connection.ts";
import { type Append, type Appended, type Blobs, type Records, TooLargeError } from "./port.ts";

const RECORDS_BUCKET = "weir_records";
const BLOBS_BUCKET = "weir_blobs";
const RECORD_BYTES_MAX = 512 * 1024;
const NAME = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;

/**
 * A NATS key-value bucket. Written through the appender, so that a set whose acknowledgement was lost is neither
 * done twice nor taken for somebody else's.
 */
export async function openRecords(
  js: JetStreamClient,
  replicas: number,
  append: (message: Append) => Promise<Appended>,
  newest: (stream: string, subject: string) => Promise<{ payload: Uint8Array; sequence: number } | undefined>,
): Promise<Records> {
  await new Kvm(js).create(RECORDS_BUCKET, { history: 1, replicas, storage: StorageType.File });
  const subjectOf = (name: string) => `$KV.${RECORDS_BUCKET}.${checkedName(name)}`;
  return {
    async get(name) {
      const message = await newest(`KV_${RECORDS_BUCKET}`, subjectOf(name));
      return message && { value: message.payload, revision: message.sequence };
    },
    async set(name, value, expectRevision) {
      const subject = subjectOf(name);
      if (value.length > RECORD_BYTES_MAX) {
        throw new TooLargeError(`record ${name} has ${value.length} bytes, at most ${RECORD_BYTES_MAX}`);
      }
      const { sequence } = await append({ subject, payload: value, expectLastSubjectSequence: expectRevision });
      return sequence;
    },
  };
}

export async function openBlobs(js: JetStreamClient, replicas: number, connection: Connection): Promise<Blobs> {
  const store = await new Objm(js).create(BLOBS_BUCKET, { replicas, storage: StorageType.File });
  return {
    async get(name) {
      const value = await connection.retrying(`reading blob ${name}`, () => store.getBlob(checkedName(name)));
      return value ?? undefined;
    },
    async put(name, value) {
      await connection.retrying(`writing blob ${name}`, () => store.putBlob({ name: checkedName(name) }, value));
    },
    async delete(name) {
      await connection.retrying(`deleting blob ${name}`, async () => {
        if ((await store.info(checkedName(name))) !== null) await store.delete(name);
      });
    },
  };
}

/** One message, read from the stream's leader. */
export async function getMessage(
  jsm: JetStreamManager,
  connection: Connection,
  stream: string,
  query: { readonly last_by_subj: string } | { readonly seq: number; readonly next_by_subj: string },
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

/** Whole microseconds of an RFC 3339 text with up to nine decimals; 0 for NATS' "never". */
export function instantUs(text: string): number {
  const match = /^(.*?)(?:\.(\d+))?Z$/.exec(text);
  if (match === null) return Date.parse(text) * 1000;
  const seconds = Date.parse(`${match[1]}Z`) / 1000;
  const us = seconds * 1_000_000 + Number((match[2] ?? "").padEnd(6, "0").slice(0, 6));
  return Math.max(us, 0);
}

function checkedName(name: string): string {
  if (!NAME.test(name)) throw new TypeError(`no name for a record or blob: ${JSON.stringify(name)}`);
  return name;
}
