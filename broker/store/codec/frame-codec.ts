import { PbfReader, PbfWriter } from "pbf";
import { writeText } from "../../../domain/proto-text.ts";
import type { Message } from "../port.ts";
import { qosOf, readMessage } from "./message-codec.ts";

/** What a queue frame says of itself, without its messages. */
export interface FrameHead {
  readonly writer: string;
  readonly messagesHint: number;
  readonly bytesHint: number;
  readonly count: number;
  readonly bytes: number;
}

/** A message for one session, as a frame holds it. */
export interface FrameCopy {
  readonly message: Message;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  readonly identifiers: readonly number[];
}

export interface EncodedCopy extends Omit<FrameCopy, "message"> {
  /** Of `encodeMessage`: encoded once for all sessions that get it. */
  readonly encoded: Uint8Array;
}

/** The bytes of a `weir.v1.MqttQueueFrame` (`domain/proto/weir/v1/mqtt_store.proto`). */
export function encodeFrame(head: FrameHead, copies: readonly EncodedCopy[]): Uint8Array {
  const out = new PbfWriter(new Uint8Array(128 + copies.reduce((sum, each) => sum + each.encoded.length + 32, 0)));
  writeText(out, 1, head.writer);
  out.writeVarintField(2, head.messagesHint);
  out.writeVarintField(3, head.bytesHint);
  out.writeVarintField(4, head.count);
  out.writeVarintField(5, head.bytes);
  for (const copy of copies) out.writeMessage(6, writeCopy, copy);
  return out.finish();
}

function writeCopy({ encoded, qos, retain, identifiers }: EncodedCopy, out: PbfWriter): void {
  out.writeBytesField(1, encoded);
  out.writeVarintField(2, qos);
  if (retain) out.writeBooleanField(3, true);
  if (identifiers.length > 0) out.writePackedVarint(4, [...identifiers]);
}

const COPIES = 6;

export function decodeFrameHead(bytes: Uint8Array): FrameHead {
  const head = { writer: "", messagesHint: 0, bytesHint: 0, count: 0, bytes: 0 };
  const pbf = new PbfReader(bytes);
  // The copies come last: the head is read without them.
  while (pbf.pos < bytes.length) {
    const tag = pbf.readVarint();
    const field = tag >> 3;
    if (field === COPIES) break;
    if (field === 1) head.writer = pbf.readString();
    else if (field === 2) head.messagesHint = pbf.readVarint();
    else if (field === 3) head.bytesHint = pbf.readVarint();
    else if (field === 4) head.count = pbf.readVarint();
    else if (field === 5) head.bytes = pbf.readVarint();
    else pbf.skip(tag);
  }
  return head;
}

export function decodeCopies(bytes: Uint8Array): FrameCopy[] {
  const copies: FrameCopy[] = [];
  new PbfReader(bytes).readFields((field, into, pbf) => {
    if (field === COPIES) into.push(readCopy(pbf));
  }, copies);
  return copies;
}

function readCopy(pbf: PbfReader): FrameCopy {
  const copy: { message: Message | undefined; qos: 1 | 2; retain: boolean } = {
    message: undefined,
    qos: 1,
    retain: false,
  };
  const identifiers: number[] = [];
  pbf.readMessage((field, into, inner) => {
    if (field === 1) into.message = readMessage(inner);
    else if (field === 2) into.qos = qosOf(inner.readVarint()) === 2 ? 2 : 1;
    else if (field === 3) into.retain = inner.readBoolean();
    else if (field === 4) inner.readPackedVarint(identifiers);
  }, copy);
  const { message, qos, retain } = copy;
  if (message === undefined) throw new RangeError("a queued copy has no message");
  return { message, qos, retain, identifiers };
}
