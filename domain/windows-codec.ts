import { PbfReader, PbfWriter } from "pbf";
import { readTag, writeTag, writeText } from "./proto-text.ts";
import type { Tags } from "./reading.ts";
import type { SharedResult, WindowResult, WindowsFrame } from "./window-result.ts";

const KEYS_PER_GROUP_MAX = 64;

/** The labels of one group as frames hold them: the field of the dictionary, with its tag and length. */
interface KnownKey {
  readonly rules: readonly string[];
  readonly aggregates: readonly string[];
  readonly field: Uint8Array;
  /** Identifies the frame in which it has this `position`. */
  frame: object | undefined;
  position: number;
}

/** By the labels object, which the results of one group share across frames. */
const knownKeys = new WeakMap<Tags, KnownKey[]>();

/** Reused, because a new writer starts at 16 bytes and must grow. */
const scratch = new PbfWriter(new Uint8Array(4_096));

type EmittedResult = WindowResult | SharedResult;

/** The bytes of a `weir.v1.Windows` (`proto/weir/v1/windows.proto`). Values that rules share are written once. */
export function encodeWindows(
  frame: Omit<WindowsFrame, "results"> & { readonly results: readonly EmittedResult[] },
): Uint8Array {
  const out = new PbfWriter();
  out.writeVarintField(1, frame.partition);
  out.writeVarintField(2, frame.firstInput);
  out.writeVarintField(3, frame.lastInput);
  out.writeVarintField(4, frame.part);
  out.writeVarintField(5, frame.parts);
  const { results } = frame;
  const thisFrame = {};
  const rows = results.length;
  const index = new Array<number>(rows);
  const starts = new Array<number>(rows);
  const lengths = new Array<number>(rows);
  const revisions = new Array<number>(rows);
  const values: number[] = [];
  const textPositions: number[] = [];
  const texts: string[] = [];
  const fields: Uint8Array[] = [];
  let lastStartUs = 0;
  for (let row = 0; row < rows; row++) {
    const result = results[row] as EmittedResult;
    const key = knownKeyOf(result);
    if (key.frame !== thisFrame) {
      key.frame = thisFrame;
      key.position = fields.push(key.field) - 1;
    }
    index[row] = key.position;
    starts[row] = result.startUs - lastStartUs;
    lengths[row] = result.endUs - result.startUs;
    revisions[row] = result.revision;
    lastStartUs = result.startUs;
    for (const name of key.aggregates) {
      const value = result.aggregates[name];
      if (typeof value === "string") {
        textPositions.push(values.length);
        texts.push(value);
      }
      values.push(typeof value === "number" ? value : Number.NaN);
    }
  }
  appendFields(out, fields);
  out.writePackedVarint(7, index);
  out.writePackedSVarint(8, starts);
  out.writePackedVarint(9, lengths);
  out.writePackedVarint(10, revisions);
  out.writePackedDouble(11, values);
  out.writePackedVarint(12, textPositions);
  for (const text of texts) writeText(out, 13, text);
  return out.finish();
}

function knownKeyOf(result: EmittedResult): KnownKey {
  const { labels, aggregates } = result;
  let ofLabels = knownKeys.get(labels);
  if (ofLabels === undefined) {
    ofLabels = [];
    knownKeys.set(labels, ofLabels);
  }
  for (const known of ofLabels) if (isOf(known.rules, result) && namesAre(aggregates, known.aggregates)) return known;
  const rules = rulesOf(result);
  scratch.pos = 0;
  scratch.writeMessage(6, writeKey, { ...result, rules });
  const field = scratch.buf.slice(0, scratch.pos);
  const key = { rules, aggregates: Object.keys(aggregates), field, frame: undefined, position: 0 };
  // A group has only a few rules. The remains of an edited rule are dropped with the oldest.
  if (ofLabels.length === KEYS_PER_GROUP_MAX) ofLabels.shift();
  ofLabels.push(key);
  return key;
}

function rulesOf(result: EmittedResult): readonly string[] {
  return "rules" in result ? result.rules : [result.rule];
}

function isOf(rules: readonly string[], result: EmittedResult): boolean {
  if ("rules" in result) return rules === result.rules;
  return rules.length === 1 && rules[0] === result.rule;
}

function namesAre(aggregates: WindowResult["aggregates"], names: readonly string[]): boolean {
  let at = 0;
  for (const name in aggregates) if (names[at++] !== name) return false;
  return at === names.length;
}

function appendFields(out: PbfWriter, fields: readonly Uint8Array[]): void {
  let length = 0;
  for (const field of fields) length += field.length;
  out.realloc(length);
  for (const field of fields) {
    out.buf.set(field, out.pos);
    out.pos += field.length;
  }
}

function writeKey(result: SharedResult, out: PbfWriter): void {
  const [rule = "", ...others] = result.rules;
  writeText(out, 1, rule);
  for (const name of Object.keys(result.labels).sort()) {
    out.writeMessage(2, writeTag, [name, result.labels[name] ?? ""] as const);
  }
  for (const name of Object.keys(result.aggregates)) writeText(out, 3, name);
  for (const other of others) writeText(out, 4, other);
}

interface Key {
  readonly rules: string[];
  labels: Record<string, string>;
  aggregates: string[];
}

/** Throws RangeError when the columns do not match. */
export function decodeWindows(bytes: Uint8Array): WindowsFrame {
  const head = { partition: 0, firstInput: 0, lastInput: 0, part: 0, parts: 1 };
  const keys: Key[] = [];
  let index: number[] = [];
  let starts: number[] = [];
  let lengths: number[] = [];
  let revisions: number[] = [];
  let values: number[] = [];
  let textPositions: number[] = [];
  const texts: string[] = [];
  new PbfReader(bytes).readFields((field, into, pbf) => {
    if (field === 1) into.partition = pbf.readVarint();
    else if (field === 2) into.firstInput = pbf.readVarint();
    else if (field === 3) into.lastInput = pbf.readVarint();
    else if (field === 4) into.part = pbf.readVarint();
    else if (field === 5) into.parts = pbf.readVarint();
    else if (field === 6) keys.push(pbf.readMessage(readKey, { rules: [], labels: {}, aggregates: [] }));
    else if (field === 7) index = pbf.readPackedVarint();
    else if (field === 8) starts = pbf.readPackedSVarint();
    else if (field === 9) lengths = pbf.readPackedVarint();
    else if (field === 10) revisions = pbf.readPackedVarint();
    else if (field === 11) values = pbf.readPackedDouble();
    else if (field === 12) textPositions = pbf.readPackedVarint();
    else if (field === 13) texts.push(pbf.readString());
  }, head);
  if (textPositions.length !== texts.length) {
    throw new RangeError(`${texts.length} texts for ${textPositions.length} positions`);
  }
  const textAt = new Map(textPositions.map((position, i) => [position, texts[i] ?? ""]));
  let lastStartUs = 0;
  let value = 0;
  const results: WindowResult[] = [];
  for (const [row, position] of index.entries()) {
    const key = keys[position];
    if (key === undefined) throw new RangeError(`row ${row} names key ${position} of ${keys.length}`);
    lastStartUs += starts[row] ?? 0;
    const aggregates: Record<string, number | string> = {};
    for (const name of key.aggregates) {
      aggregates[name] = textAt.get(value) ?? values[value] ?? Number.NaN;
      value++;
    }
    const startUs = lastStartUs;
    const endUs = startUs + (lengths[row] ?? 0);
    const revision = revisions[row] ?? 0;
    for (const rule of key.rules) results.push({ rule, labels: key.labels, startUs, endUs, revision, aggregates });
  }
  if (value !== values.length) throw new RangeError(`${values.length} values for ${value} aggregates`);
  return { ...head, results };
}

/** The number of results in the frame; results that rules share count once. */
export function countRows(bytes: Uint8Array): number {
  const count = { rows: 0 };
  new PbfReader(bytes).readFields((field, into, pbf) => {
    if (field === 7) into.rows = pbf.readPackedVarint().length;
  }, count);
  return count.rows;
}

function readKey(field: number, into: Key, pbf: PbfReader): void {
  if (field === 1 || field === 4) into.rules.push(pbf.readString());
  else if (field === 2) {
    const [name, value] = readTag(pbf);
    into.labels[name] = value;
  } else if (field === 3) into.aggregates.push(pbf.readString());
}
