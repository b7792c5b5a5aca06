import { PbfReader, PbfWriter } from "pbf";

/** LogEntry.source_sequence in `proto/weir/v1/log.proto`. */
const SOURCE_SEQUENCE = 4;

/**
 * A LogEntry with the position that its source had reached. The field is appended: the fields of a message have no
 * order.
 */
export function withSourceSequence(entry: Uint8Array, sequence: number): Uint8Array {
  const out = new PbfWriter();
  out.writeVarintField(SOURCE_SEQUENCE, sequence);
  const tail = out.finish();
  const bytes = new Uint8Array(entry.length + tail.length);
  bytes.set(entry);
  bytes.set(tail, entry.length);
  return bytes;
}

/** The position that the source of a LogEntry had reached; 0 when the entry has none. */
export function sourceSequenceOf(entry: Uint8Array): number {
  const found = { sequence: 0 };
  new PbfReader(entry).readFields((field, into, pbf) => {
    if (field === SOURCE_SEQUENCE) into.sequence = pbf.readVarint();
  }, found);
  return found.sequence;
}
