import type { StreamName } from "../../../domain/subjects.ts";
import { ConflictError, type Log, LogClosedError } from "../../../platform/log/port.ts";
import { GroupCommit } from "./group-commit.ts";

const GATHER_MS = 2;
const GROUP_MAX = 2_000;

export interface NewestWrite {
  readonly stream: StreamName;
  readonly subject: string;
  /** Called when the write begins: the newest state then. */
  readonly payload: () => Uint8Array;
  /** The sequence of the value that this one replaces, 0 for none. */
  readonly expected: () => number;
}

interface Prepared {
  readonly stream: StreamName;
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly expectLastSubjectSequence: number;
}

/** Replaces the newest values of subjects by compare-and-set, many in one step. One write of a subject at a time. */
export class NewestWriter {
  readonly #log: Log;
  readonly #group: GroupCommit<NewestWrite, number>;

  constructor(log: Log) {
    this.#log = log;
    this.#group = new GroupCommit<NewestWrite, number>({
      gatherMs: GATHER_MS,
      weightMax: GROUP_MAX,
      weightOf: () => 1,
      commit: (writes) => this.#commit(writes),
    });
  }

  /** Resolves to the new sequence. Rejects with `ConflictError`, `TooLargeError` and `LogClosedError`. */
  write(write: NewestWrite): Promise<number> {
    return this.#group.add(write);
  }

  close(error: Error): void {
    this.#group.close(error);
  }

  /** A batch of the log belongs to one stream. */
  async #commit(writes: readonly NewestWrite[]): Promise<readonly PromiseSettledResult<number>[]> {
    const outcomes = new Map<Prepared, PromiseSettledResult<number>>();
    const prepared = writes.map(({ stream, subject, payload, expected }) => {
      return { stream, subject, payload: payload(), expectLastSubjectSequence: expected() };
    });
    const streams = [...new Set(prepared.map(({ stream }) => stream))];
    const commitOne = async (stream: StreamName) => {
      const own = prepared.filter((each) => each.stream === stream);
      for (const [i, outcome] of (await this.#commitTo(own)).entries()) outcomes.set(own[i] as Prepared, outcome);
    };
    await Promise.all(streams.map(commitOne));
    return prepared.map((each) => outcomes.get(each) ?? { status: "rejected", reason: new Error("not written") });
  }

  async #commitTo(prepared: readonly Prepared[]): Promise<readonly PromiseSettledResult<number>[]> {
    try {
      const appended = await this.#log.appendAll(prepared);
      return appended.map(({ sequence }) => ({ status: "fulfilled", value: sequence }));
    } catch (error) {
      if (error instanceof LogClosedError) throw error;
      // One of them failed, and others may be stored: each alone.
      return await Promise.allSettled(prepared.map((each) => this.#writeAlone(each)));
    }
  }

  async #writeAlone(write: Prepared): Promise<number> {
    const { stream, subject, payload } = write;
    try {
      return (await this.#log.append(write)).sequence;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      // Values name their writer and its epoch: an equal one is the group's own.
      const newest = await this.#log.lastFor(stream, subject);
      if (newest !== undefined && Buffer.compare(newest.payload, payload) === 0) return newest.sequence;
      throw error;
    }
  }
}
