import { deserialize, serialize } from "node:v8";
import { ConflictError, type Log } from "../platform/log/port.ts";
import type { StepSnapshot } from "./step/step.ts";

/** Counts up when a snapshot's form changes; older ones are then not used. */
const FORMAT = 1;

export interface Checkpoint {
  /** The last input that the state holds. */
  readonly sequence: number;
  readonly snapshot: StepSnapshot;
}

interface Pointer {
  readonly format: number;
  readonly sequence: number;
  readonly blob: string;
}

/**
 * A partition's saved states: the state as a blob, and a record that points to the newest one. The record changes by
 * compare-and-set, so a second processor of the same partition fails with ConflictError instead of overwriting.
 */
export class Checkpoints {
  readonly #log: Log;
  readonly #partition: number;
  #revision = 0;
  #blob: string | undefined;

  constructor(log: Log, partition: number) {
    this.#log = log;
    this.#partition = partition;
  }

  /** The newest checkpoint; `problem` says why there is one that cannot be used. */
  async load(): Promise<{ readonly checkpoint?: Checkpoint; readonly problem?: string }> {
    const record = await this.#log.records.get(this.#name);
    if (record === undefined) return {};
    this.#revision = record.revision;
    const pointer: Pointer = JSON.parse(new TextDecoder().decode(record.value));
    this.#blob = pointer.blob;
    if (pointer.format !== FORMAT) return { problem: `it has format ${pointer.format}, this version reads ${FORMAT}` };
    const bytes = await this.#log.blobs.get(pointer.blob);
    if (bytes === undefined) return { problem: `its state ${pointer.blob} is gone` };
    return { checkpoint: { sequence: pointer.sequence, snapshot: deserialize(bytes) } };
  }

  /** Resolves to the size of the state in bytes. */
  async save(checkpoint: { readonly sequence: number; readonly state: Uint8Array }): Promise<number> {
    const { sequence, state } = checkpoint;
    const blob = `${this.#name}.${sequence}.${this.#revision}`;
    const pointer: Pointer = { format: FORMAT, sequence, blob };
    await this.#log.blobs.put(blob, state);
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
    return state.length;
  }

  get #name(): string {
    return `checkpoint.${this.#partition}`;
  }
}

/** The bytes of a state, taken at once: what happens to the step afterwards does not change them. */
export function freeze(snapshot: StepSnapshot): Uint8Array {
  return serialize(snapshot);
}
