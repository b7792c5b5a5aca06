import { PbfReader, PbfWriter } from "pbf";
import { writeText } from "../../../domain/proto-text.ts";
import { Progress } from "../progress.ts";

/** A session's progress as it is stored. */
export interface StoredProgress {
  readonly epoch: number;
  readonly incarnation: number;
  /** The last frame that is finished whole, and the messages and bytes of the queue up to it. */
  readonly doneSequence: number;
  readonly doneMessages: number;
  readonly doneBytes: number;
  /** The highest ordinal that was sent; undefined while a client is connected. */
  readonly sentUpTo: number | undefined;
  readonly progress: Progress;
}

const ORIGIN_BYTES = 8;

/** The bytes of a `weir.v1.MqttProgress` (`domain/proto/weir/v1/mqtt_store.proto`). */
export function encodeProgress(stored: StoredProgress): Uint8Array {
  const { progress, sentUpTo } = stored;
  const out = new PbfWriter(new Uint8Array(256));
  out.writeVarintField(1, stored.epoch);
  out.writeVarintField(2, stored.incarnation);
  out.writeVarintField(3, stored.doneSequence);
  out.writeVarintField(4, stored.doneMessages);
  out.writeVarintField(5, stored.doneBytes);
  out.writeVarintField(6, progress.cursor);
  if (progress.finished.size > 0) out.writePackedVarint(7, [...progress.finished]);
  if (progress.received.size > 0) out.writePackedVarint(8, [...progress.received]);
  if (sentUpTo !== undefined) out.writeVarintField(9, sentUpTo + 1);
  if (progress.origins.size > 0) out.writeBytesField(10, joinOrigins(progress.origins));
  for (const [packetId, { receivedAtUs, stored: isStored }] of progress.incoming) {
    out.writeMessage(11, writeIncoming, { packetId, receivedAtUs, isStored });
  }
  for (const taker of progress.takers) out.writeMessage(12, writeTaker, taker);
  return out.finish();
}

function writeTaker([ordinal, clientId]: readonly [number, string], out: PbfWriter): void {
  out.writeVarintField(1, ordinal);
  writeText(out, 2, clientId);
}

interface IncomingEntry {
  packetId: number;
  receivedAtUs: number;
  isStored: boolean;
}

function writeIncoming({ packetId, receivedAtUs, isStored }: IncomingEntry, out: PbfWriter): void {
  out.writeVarintField(1, packetId);
  out.writeVarintField(2, receivedAtUs);
  if (isStored) out.writeBooleanField(3, true);
}

export function decodeProgress(bytes: Uint8Array): StoredProgress {
  const head = { epoch: 0, incarnation: 0, doneSequence: 0, doneMessages: 0, doneBytes: 0 };
  let sentUpTo: number | undefined;
  const progress = new Progress();
  new PbfReader(bytes).readFields((field, into, pbf) => {
    if (field === 1) into.epoch = pbf.readVarint();
    else if (field === 2) into.incarnation = pbf.readVarint();
    else if (field === 3) into.doneSequence = pbf.readVarint();
    else if (field === 4) into.doneMessages = pbf.readVarint();
    else if (field === 5) into.doneBytes = pbf.readVarint();
    else if (field === 6) progress.cursor = pbf.readVarint();
    else if (field === 7) for (const ordinal of pbf.readPackedVarint()) progress.finished.add(ordinal);
    else if (field === 8) for (const ordinal of pbf.readPackedVarint()) progress.received.add(ordinal);
    else if (field === 9) sentUpTo = pbf.readVarint() - 1;
    else if (field === 10) for (const origin of splitOrigins(pbf.readBytes())) progress.origins.add(origin);
    else if (field === 11) {
      const { packetId, receivedAtUs, isStored } = readIncoming(pbf);
      progress.incoming.set(packetId, { receivedAtUs, stored: isStored });
    } else if (field === 12) {
      const { ordinal, clientId } = readTaker(pbf);
      progress.takers.set(ordinal, clientId);
    }
  }, head);
  return { ...head, sentUpTo, progress };
}

function readIncoming(pbf: PbfReader): IncomingEntry {
  const entry: IncomingEntry = { packetId: 0, receivedAtUs: 0, isStored: false };
  return pbf.readMessage((field, into, inner) => {
    if (field === 1) into.packetId = inner.readVarint();
    else if (field === 2) into.receivedAtUs = inner.readVarint(true);
    else if (field === 3) into.isStored = inner.readBoolean();
  }, entry);
}

function readTaker(pbf: PbfReader): { readonly ordinal: number; readonly clientId: string } {
  const entry = { ordinal: 0, clientId: "" };
  return pbf.readMessage((field, into, inner) => {
    if (field === 1) into.ordinal = inner.readVarint();
    else if (field === 2) into.clientId = inner.readString();
  }, entry);
}

/** Origins are kept as base64url of their bytes, see `originKey`. */
function joinOrigins(origins: ReadonlySet<string>): Uint8Array {
  return Buffer.concat(Array.from(origins, (each) => Buffer.from(each, "base64url")));
}

function splitOrigins(bytes: Uint8Array): string[] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: Math.floor(all.length / ORIGIN_BYTES) }, (_, i) =>
    all.toString("base64url", i * ORIGIN_BYTES, (i + 1) * ORIGIN_BYTES),
  );
}
