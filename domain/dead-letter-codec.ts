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
  if (letter.wholeBytes !== undefined) out.writeVarintField(9, letter.wholeBytes);
  if (letter.source !== undefined) writeText(out, 10, letter.source);
  return out.finish();
}

const NO_BYTES = new Uint8Array();
/** A payload's field number and length. */
const HEAD_BYTES_MAX = 6;
/** The limit for each text, when not even the texts fit. */
const TEXT_CHARACTERS_MIN = 500;

/**
 * Like `encodeDeadLetter`, in at most `bytesMax` (8 KiB or more). A letter that is too large keeps only the beginning
 * of its payload. If its texts alone are too large, it also keeps only their beginnings. Its detail says so.
 */
export function encodeDeadLetterWithin(letter: DeadLetter, bytesMax: number): Uint8Array {
  const whole = encodeDeadLetter(letter);
  if (whole.length <= bytesMax) return whole;
  const withTexts = encodeCut(letter, bytesMax);
  return withTexts.length <= bytesMax ? withTexts : encodeCut(withShortTexts(letter), bytesMax);
}

/** With as much of the payload as fits: nothing, if the texts alone are too large. */
function encodeCut(letter: DeadLetter, bytesMax: number): Uint8Array {
  const { payload, wholeBytes = payload.length } = letter;
  const cutTo = (kept: number): DeadLetter => {
    const detail = `${letter.detail}; of the payload's ${wholeBytes} bytes only the first ${kept} are kept`;
    return { ...letter, payload: kept === 0 ? NO_BYTES : payload.subarray(0, kept), wholeBytes, detail };
  };
  const restBytes = encodeDeadLetter({ ...cutTo(payload.length), payload: NO_BYTES }).length;
  return encodeDeadLetter(cutTo(Math.max(0, Math.min(payload.length, bytesMax - restBytes - HEAD_BYTES_MAX))));
}

function withShortTexts(letter: DeadLetter): DeadLetter {
  const topic = letter.topic.slice(0, TEXT_CHARACTERS_MIN);
  const clientId = letter.clientId.slice(0, TEXT_CHARACTERS_MIN);
  const cut = `of the topic's ${letter.topic.length} characters only the first ${topic.length} are kept`;
  const source = letter.source === undefined ? {} : { source: letter.source.slice(0, TEXT_CHARACTERS_MIN) };
  return { ...letter, topic, clientId, ...source, detail: `${letter.detail.slice(0, TEXT_CHARACTERS_MIN)}; ${cut}` };
}

export function decodeDeadLetter(bytes: Uint8Array): DeadLetter {
  const letter = { reason: "", detail: "", topic: "", payload: new Uint8Array(), clientId: "", receivedAtUs: 0 };
  const more: { position?: number; retryOf?: number; wholeBytes?: number; source?: string } = {};
  new PbfReader(bytes).readFields((field, into, pbf) => {
    if (field === 1) into.reason = pbf.readString();
    else if (field === 2) into.detail = pbf.readString();
    else if (field === 3) into.topic = pbf.readString();
    else if (field === 4) into.payload = pbf.readBytes().slice();
    else if (field === 5) into.clientId = pbf.readString();
    else if (field === 6) into.receivedAtUs = pbf.readVarint(true);
    else if (field === 7) more.position = pbf.readVarint();
    else if (field === 8) more.retryOf = pbf.readVarint();
    else if (field === 9) more.wholeBytes = pbf.readVarint();
    else if (field === 10) more.source = pbf.readString();
  }, letter);
  return { ...letter, ...more };
}
