import { PbfReader, PbfWriter } from "pbf";
import type { DeadLetter } from "./dead-letter.ts";
import { writeText } from "./proto-text.ts";

/** The bytes of a `weir.v1.DeadLetter` (`proto/weir/v1/dead_letter.proto`). */
export function encodeDeadLetter(letter: DeadLetter): Uint8Array {
  const out = new PbfWriter();
  writeText(out, 1, letter.reason);
  writeText(out, 2, letter.detail);
  writeText(out, 3, letter.topic);
  out.writeBytesField(4, letter.payload);
  writeText(out, 5, letter.clientId);
  out.writeVarintField(6, letter.receivedAtUs);
  if (letter.position !== undefined) out.writeVarintField(7, letter.position);
  if (letter.retryOf !== undefined) out.writeVarintField(8, letter.retryOf);
  return out.finish();
}

export function decodeDeadLetter(bytes: Uint8Array): DeadLetter {
  const letter = { reason: "", detail: "", topic: "", payload: new Uint8Array(), clientId: "", receivedAtUs: 0 };
  const more: { position?: number; retryOf?: number } = {};
  new PbfReader(bytes).readFields((field, into, pbf) => {
    if (field === 1) into.reason = pbf.readString();
    else if (field === 2) into.detail = pbf.readString();
    else if (field === 3) into.topic = pbf.readString();
    else if (field === 4) into.payload = pbf.readBytes().slice();
    else if (field === 5) into.clientId = pbf.readString();
    else if (field === 6) into.receivedAtUs = pbf.readVarint(true);
    else if (field === 7) more.position = pbf.readVarint();
    else if (field === 8) more.retryOf = pbf.readVarint();
  }, letter);
  return { ...letter, ...more };
}
