import type { PbfReader, PbfWriter } from "pbf";

const encoder = new TextEncoder();
/** Most texts are short. A buffer for each would cost more than its encoding. */
const scratch = new Uint8Array(1_024);
const UTF8_BYTES_MAX = 3;

/** A string field. Not pbf's own: it garbles characters from U+20000 on. */
export function writeText(out: PbfWriter, field: number, text: string): void {
  if (text.length * UTF8_BYTES_MAX > scratch.length) out.writeBytesField(field, encoder.encode(text));
  else out.writeBytesField(field, scratch.subarray(0, encoder.encodeInto(text, scratch).written));
}

/** A `weir.v1.Tag` message. */
export function writeTag(tag: readonly [name: string, value: string], out: PbfWriter): void {
  writeText(out, 1, tag[0]);
  writeText(out, 2, tag[1]);
}

export function readTag(pbf: PbfReader): [name: string, value: string] {
  const tag: [string, string] = ["", ""];
  return pbf.readMessage((field, into, inner) => {
    if (field === 1) into[0] = inner.readString();
    else if (field === 2) into[1] = inner.readString();
  }, tag);
}
