import { deserialize, serialize } from "node:v8";
import { crc32 } from "node:zlib";
import { ConflictError, type Log } from "../platform/log/port.ts";
import { TimeSlice } from "./time-slice.ts";

/** Increase it when the format of a state changes; older states are then ignored. */
const FORMAT = 5;
/** Values are serialized together up to about this size: alone, the overhead of a small one exceeds its content. */
const PIECE_BYTES = 256 * 1024;
const VALUES_PER_PIECE_MAX = 2_048;
/** The approximate size of a value that is neither text nor bytes. */
const VALUE_BYTES = 64;
/** Before each piece: four bytes for its length, one for its kind. */
const LENGTH_BYTES = 4;
const HEAD_BYTES = LENGTH_BYTES + 1;
const LIST = 0;
/** The bytes of an array of doubles or bytes, not copied: they are most of a state. */
const DOUBLES = 1;
const BYTES = 2;

export interface Checkpoint {
  /** The last input that the state includes. */
  readonly sequence: number;
  /** The frozen values. Iterate once: they are decoded during the iteration. */
  readonly values: Iterable<unknown>;
}

interface Pointer {
  readonly format: number;
  readonly sequence: number;
  readonly blob: string;
  /** Of the blob: it detects a damaged state. */
  readonly crc32: number;
}

/** A state as bytes, in pieces. */
export interface FrozenState {
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
  readonly crc32: number;
  /** How long freezing kept the thread busy. */
  readonly busyMs: number;
}

/**
 * A task's saved states: the state as a blob, and a record that points to the newest one. The record changes by
 * compare-and-set, so a second processor of the same task fails with ConflictError instead of overwriting it.
 */
export class Checkpoints {
  readonly #log: Log;
  readonly #task: number;
  #revision = 0;
  #blob: string | undefined;

  constructor(log: Log, task: number) {
    this.#log = log;
    this.#task = task;
  }

  /** The newest checkpoint; `problem` says why an existing one cannot be used. */
  async load(): Promise<{ readonly checkpoint?: Checkpoint; readonly problem?: string }> {
    const record = await this.#log.records.get(this.#name);
    if (record === undefined) return {};
    this.#revision = record.revision;
    const pointer: Pointer = JSON.parse(new TextDecoder().decode(record.value));
    this.#blob = pointer.blob;
    if (pointer.format !== FORMAT) return { problem: `it has format ${pointer.format}, this version reads ${FORMAT}` };
    const bytes = await this.#log.blobs.get(pointer.blob);
    if (bytes === undefined) return { problem: `its state ${pointer.blob} is gone` };
    if ((await checksumOf(bytes)) !== pointer.crc32) return { problem: `its state ${pointer.blob} is damaged` };
    return { checkpoint: { sequence: pointer.sequence, values: thaw(bytes) } };
  }

  /** `state` is the result of `freeze`. */
  async save(checkpoint: { readonly sequence: number; readonly state: FrozenState }): Promise<void> {
    const { sequence, state } = checkpoint;
    const blob = `${this.#name}.${sequence}.${this.#revision}`;
    const pointer: Pointer = { format: FORMAT, sequence, blob, crc32: state.crc32 };
    await this.#log.blobs.put(blob, state.pieces);
    const value = new TextEncoder().encode(JSON.stringify(pointer));
    try {
      this.#revision = await this.#log.records.set(this.#name, value, this.#revision);
    } catch (error) {
      if (error instanceof ConflictError) await this.#log.blobs.delete(blob);
      throw error;
    }
    const old = this.#blob;
    this.#blob = blob;
    if (old !== undefined && old !== blob) await this.#log.blobs.delete(old);
  }

  get #name(): string {
    return nameOf(this.#task);
  }
}

/** Whether a state of the task was ever saved. */
export async function hasCheckpoint({ records }: Pick<Log, "records">, task: number): Promise<boolean> {
  return (await records.get(nameOf(task))) !== undefined;
}

function nameOf(task: number): string {
  return `checkpoint.${task}`;
}

/**
 * The bytes of a state: lists of its values, one after another, each preceded by its length. Yields to the event loop
 * between them; the state must not change until it resolves.
 */
export async function freeze(values: Iterable<unknown>): Promise<FrozenState> {
  const slice = new TimeSlice();
  const pieces: Uint8Array[] = [];
  let checksum = 0;
  let bytes = 0;
  let list: unknown[] = [];
  let listBytes = 0;
  function add(piece: Uint8Array, kind: number): void {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32LE(piece.length);
    head[LENGTH_BYTES] = kind;
    pieces.push(head, piece);
    checksum = crc32(head, checksum);
    // Skip empty pieces: zlib may treat a missing buffer as a request to restart.
    if (piece.length > 0) checksum = crc32(piece, checksum);
    bytes += HEAD_BYTES + piece.length;
  }
  function close(): void {
    if (list.length > 0) add(serialize(list), LIST);
    list = [];
    listBytes = 0;
  }
  for (const value of values) {
    const flat = flatOf(value);
    if (flat !== undefined) {
      close();
      add(
        new Uint8Array(flat.buffer, flat.byteOffset, flat.byteLength),
        flat instanceof Float64Array ? DOUBLES : BYTES,
      );
    } else if (value !== undefined) {
      list.push(value);
      listBytes += sizeOf(value);
    }
    if (listBytes >= PIECE_BYTES || list.length >= VALUES_PER_PIECE_MAX) close();
    if (slice.over) await slice.rest();
  }
  close();
  return { pieces, bytes, crc32: checksum, busyMs: slice.busyMs };
}

async function checksumOf(bytes: Uint8Array): Promise<number> {
  let checksum = 0;
  const slice = new TimeSlice();
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    checksum = crc32(bytes.subarray(at, at + PIECE_BYTES), checksum);
    if (slice.over) await slice.rest();
  }
  return checksum;
}

/** The frozen values, one by one. Throws RangeError when the bytes are truncated. */
export function* thaw(bytes: Uint8Array): Generator<unknown> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.length; ) {
    const start = at + HEAD_BYTES;
    const end = start > bytes.length ? start : start + view.getUint32(at, true);
    if (end > bytes.length) throw new RangeError(`the state is cut short: ${bytes.length} bytes of ${end}`);
    yield* pieceOf(bytes.subarray(start, end), bytes[at + LENGTH_BYTES]);
    at = end;
  }
}

function pieceOf(piece: Uint8Array, kind: number | undefined): readonly unknown[] {
  // The copy also aligns the doubles.
  if (kind === DOUBLES) return [{ kind: "doubles", doubles: new Float64Array(new Uint8Array(piece).buffer) }];
  return kind === BYTES ? [{ kind: "bytes", bytes: new Uint8Array(piece) }] : deserialize(piece);
}

/** The content of an array of doubles or bytes. */
function flatOf(value: unknown): Float64Array | Uint8Array | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if ("doubles" in value && value.doubles instanceof Float64Array) return value.doubles;
  return "bytes" in value && value.bytes instanceof Uint8Array ? value.bytes : undefined;
}

/** The approximate size of a value and its members, one level deep. */
function sizeOf(value: unknown): number {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return flatSizeOf(value);
  let size = VALUE_BYTES;
  for (const each of Object.values(value)) size += flatSizeOf(each);
  return size;
}

function flatSizeOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  return Array.isArray(value) ? value.length * VALUE_BYTES : VALUE_BYTES;
}
