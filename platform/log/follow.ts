import { setImmediate as nextTurn } from "node:timers/promises";
import { Backoff, type BackoffLimits } from "../../domain/backoff.ts";
import type { StreamName } from "../../domain/subjects.ts";
import { sleep } from "../async/sleep.ts";
import type { Log, LogMessage, LogReader } from "./port.ts";

/** How often a long catch-up yields to sockets and timers. */
const TURN_MS = 8;
const RETRY: BackoffLimits = { firstMs: 500, maxMs: 5_000 };
/** A log that is unreachable may never answer; not waiting for it loses nothing. */
const STOP_MS_MAX = 1_000;

export interface FollowOptions {
  readonly log: Pick<Log, "read" | "bounds">;
  readonly stream: StreamName;
  readonly subjects?: readonly string[];
  /**
   * The first sequence to give. A function is called before every start, with the sequence after the last applied
   * message (undefined at the first start): a follower whose effects have a stored position returns that position.
   */
  readonly from: number | ((next: number | undefined) => Promise<number> | number);
  /**
   * Takes one message; reading waits for it. A message counts as applied when this returns. `"restart"` ends this
   * reading and calls `from` again at once; an error goes to `onFailed`, and reading restarts after a pause.
   */
  readonly apply: (message: LogMessage) => Promise<Applied> | Applied;
  /** Called after some messages were applied, before the event loop turns. */
  readonly onApplied?: (last: LogMessage) => void;
  /**
   * Everything that the stream held at this start is applied. Not with `subjects`: the end may belong to another
   * subject.
   */
  readonly onCaughtUp?: () => void;
  /** Reading or applying failed, or the log was closed; reading restarts unless stopped. */
  readonly onFailed: (error: unknown) => void;
  readonly retry?: BackoffLimits;
}

// biome-ignore lint/suspicious/noConfusingVoidType: most followers return nothing
export type Applied = void | "restart";

export interface Follower {
  /** The log is being read now. */
  readonly reading: boolean;
  /** Ends the current reading, which restarts after a pause: for an effect that failed outside `apply`. */
  restart(): void;
  /** Stops reading. Idempotent; waits for a running `apply`, but not for an unreachable log. */
  stop(): Promise<void>;
}

/**
 * Gives the messages of a stream in order, from a remembered position, then live, until stopped. After an error,
 * reading restarts at the first message that is not applied: each message is applied at least once.
 */
export function follow(options: FollowOptions): Follower {
  const follower = new StreamFollower(options);
  follower.start();
  return follower;
}

class StreamFollower implements Follower {
  readonly #options: FollowOptions;
  readonly #stopping = new AbortController();
  readonly #backoff: Backoff;
  #running: Promise<void> = Promise.resolve();
  #reader: LogReader | undefined;
  #restarting = false;
  #next: number | undefined;
  /** The end of the stream at this start, until everything up to it is applied. */
  #end: number | undefined;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.retry ?? RETRY, Math.random);
  }

  get reading(): boolean {
    return this.#reader !== undefined;
  }

  start(): void {
    this.#running = this.#run();
  }

  restart(): void {
    this.#restarting = true;
    void this.#reader?.close();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#reader?.close();
    await Promise.race([this.#running, sleep(STOP_MS_MAX, { ref: false })]);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { stream, onFailed } = this.#options;
    while (!signal.aborted) {
      this.#restarting = false;
      try {
        if ((await this.#readFrom(await this.#place())) === "restart") continue;
        if (!signal.aborted && !this.#restarting) onFailed(new Error(`reading ${stream} ended`));
      } catch (error) {
        if (!signal.aborted) onFailed(error);
      }
      await sleep(this.#backoff.nextMs(), { signal });
    }
  }

  async #place(): Promise<number> {
    const { from } = this.#options;
    return typeof from === "number" ? (this.#next ?? from) : await from(this.#next);
  }

  async #readFrom(sequence: number): Promise<Applied> {
    const { log, stream, subjects } = this.#options;
    this.#end = this.#options.onCaughtUp === undefined ? undefined : (await log.bounds(stream)).lastSequence;
    this.#caughtUpTo(sequence - 1);
    if (this.#stopping.signal.aborted) return;
    const reader = log.read({ stream, from: { kind: "sequence", sequence }, ...(subjects ? { subjects } : {}) });
    this.#reader = reader;
    try {
      for await (const batch of reader) {
        if ((await this.#applyAll(batch)) === "restart") return "restart";
      }
    } finally {
      this.#reader = undefined;
      await reader.close();
    }
  }

  async #applyAll(batch: readonly LogMessage[]): Promise<Applied> {
    const { apply, onApplied } = this.#options;
    let applied: LogMessage | undefined;
    let turnEndsAtMs = performance.now() + TURN_MS;
    for (const message of batch) {
      if (this.#stopping.signal.aborted || this.#restarting) break;
      if ((await apply(message)) === "restart") return "restart";
      applied = message;
      this.#next = message.sequence + 1;
      this.#caughtUpTo(message.sequence);
      if (performance.now() < turnEndsAtMs) continue;
      onApplied?.(message);
      applied = undefined;
      await nextTurn();
      turnEndsAtMs = performance.now() + TURN_MS;
    }
    if (applied === undefined) return;
    this.#backoff.reset();
    onApplied?.(applied);
  }

  #caughtUpTo(sequence: number): void {
    if (this.#end === undefined || sequence < this.#end) return;
    this.#end = undefined;
    this.#options.onCaughtUp?.();
  }
}
