import { PbfReader, PbfWriter } from "pbf";
import { readTag, writeTag, writeText } from "./proto-text.ts";
import type { WindowResult, WindowsFrame } from "./window-result.ts";
import { windowKey } from "./window-result.ts";

/** The bytes of a `weir.v1.Windows` (`proto/weir/v1/windows.proto`). */
export function encodeWindows(frame: WindowsFrame): Uint8Array {
  const out = new PbfWriter();
  out.writeVarintField(1, frame.partition);
  out.writeVarintField(2, frame.firstInput);
  out.writeVarintField(3, frame.lastInput);
  out.writeVarintField(4, frame.part);
  out.writeVarintField(5, frame.parts);
  const index: number[] = [];
  const starts: number[] = [];
  const values: number[] = [];
  const dictionary = new Map<string, number>();
  let lastStartUs = 0;
  for (const result of frame.results) {
    const key = `${windowKey(result)}\u0000${Object.keys(result.aggregates).join("\u0001")}`;
    let position = dictionary.get(key);
    if (position === undefined) {
      position = dictionary.size;
      dictionary.set(key, position);
      out.writeMessage(6, writeKey, result);
    }
    index.push(position);
    starts.push(result.startUs - lastStartUs);
    lastStartUs = result.startUs;
    for (const value of Object.values(result.aggregates)) values.push(value);
  }
  out.writePackedVarint(7, index);
  out.writePackedSVarint(8, starts);
  out.writePackedVarint(
    9,
    frame.results.map((result) => result.endUs - result.startUs),
  );
  out.writePackedVarint(
    10,
    frame.results.map((result) => result.revision),
  );
  out.writePackedDouble(11, values);
  return out.finish();
}

function writeKey(result: WindowResult, out: PbfWriter): void {
  writeText(out, 1, result.rule);
  for (const name of Object.keys(result.labels).sort()) {
    out.writeMessage(2, writeTag, [name, result.labels[name] ?? ""] as const);
  }
  for (const name of Object.keys(result.aggregates)) writeText(out, 3, name);
}

interface Key {
  rule: string;
  labels: Record<string, string>;
  aggregates: string[];
}

/** Throws RangeError when the columns do not fit one another. */
export function decodeWindows(bytes: Uint8Array): WindowsFrame {
  const head = { partition: 0, firstInput: 0, lastInput: 0, part: 0, parts: 1 };
  const keys: Key[] = [];
  let index: number[] = [];
  let starts: number[] = [];
  let lengths: number[] = [];
  let revisions: number[] = [];
  let values: number[] = [];
  new PbfReader(bytes).readFields((field, into, pbf) => {
    if (field === 1) into.partition = pbf.readVarint();
    else if (field === 2) into.firstInput = pbf.readVarint();
    else if (field === 3) into.lastInput = pbf.readVarint();
    else if (field === 4) into.part = pbf.readVarint();
    else if (field === 5) into.parts = pbf.readVarint();
    else if (field === 6) keys.push(pbf.readMessage(readKey, { rule: "", labels: {}, aggregates: [] }));
    else if (field === 7) index = pbf.readPackedVarint();
    else if (field === 8) starts = pbf.readPackedSVarint();
    else if (field === 9) lengths = pbf.readPackedVarint();
    else if (field === 10) revisions = pbf.readPackedVarint();
    else if (field === 11) values = pbf.readPackedDouble();
  }, head);
  let lastStartUs = 0;
  let value = 0;
  const results = index.map((position, row): WindowResult => {
    const key = keys[position];
    if (key === undefined) throw new RangeError(`row ${row} names key ${position} of ${keys.length}`);
    lastStartUs += starts[row] ?? 0;
    const aggregates: Record<string, number> = {};
    for (const name of key.aggregates) aggregates[name] = values[value++] ?? Number.NaN;
    return {
      rule: key.rule,
      labels: key.labels,
      startUs: lastStartUs,
      endUs: lastStartUs + (lengths[row] ?? 0),
      revision: revisions[row] ?? 0,
      aggregates,
    };
  });
  if (value !== values.length) throw new RangeError(`${values.length} values for ${value} aggregates`);
  return { ...head, results };
}

function readKey(field: number, into: Key, pbf: PbfReader): void {
  if (field === 1) into.rule = pbf.readString();
  else if (field === 2) {
    const [name, value] = readTag(pbf);
    into.labels[name] = value;
  } else if (field === 3) into.aggregates.push(pbf.readString());
}
