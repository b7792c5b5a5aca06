import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import type { StreamName } from "../../domain/subjects.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Log, LogMessage, LogReader, ReadFrom } from "../../platform/log/port.ts";
import { sequenceOf } from "../common/cursor.ts";
import type { Progress } from "./progress.ts";

const TURN_MS = 8;
const RETRY_MS = 1_000;

export interface FollowOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly stream: StreamName;
  readonly progress: Progress;
  /** Begin when this is settled. */
  readonly after: Promise<void>;
  /** Begin so many entries before the end of the stream, or at its beginning. */
  readonly lookbackEntries: number;
  /** When the stream is longer than that: take the newest message of each subject first, and go on at the end. */
  readonly newestOfEachSubject?: boolean;
  readonly apply: (message: LogMessage) => void;
  /** After some messages were applied, before the event loop turns. */
  readonly onApplied?: () => void;
  /** A message could not be applied. */
  readonly onBadMessage: (message: LogMessage, error: unknown) => void;
  readonly onReadFailed: (error: unknown) => void;
  /** How long ago the log stored the message that was just applied. */
  readonly onLag: (lagUs: number) => void;
}

export interface Follower {
  /** The log is being read. */
  readonly reading: boolean;
  stop(): Promise<void>;
}

/** Feeds a view from the log, from some time back on and then live, until stopped. */
export function follow(options: FollowOptions): Follower {
  const { log, clock, stream, progress } = options;
  const stopping = new AbortController();
  let reader: LogReader | undefined;
  let reading = false;
  let target = 0;

  async function run(): Promise<void> {
    await options.after;
    while (!stopping.signal.aborted) {
      try {
        const from = await start();
        if (from !== undefined) await read(from);
        // A reader ends by itself only when the log was closed.
        if (!stopping.signal.aborted) options.onReadFailed(new Error(`reading ${stream} ended`));
      } catch (error) {
        if (!stopping.signal.aborted) options.onReadFailed(error);
      }
      reading = false;
      await pause(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  }

  /** Where to read on from; undefined when stopped meanwhile. */
  async function start(): Promise<ReadFrom | undefined> {
    if (progress.head > 0) return { kind: "sequence", sequence: sequenceOf(progress.head) + 1 };
    const { firstSequence, lastSequence, messages } = await log.bounds(stream);
    target = messages === 0 ? 0 : lastSequence;
    if (target === 0) {
      progress.begin(lastSequence + 1);
      progress.loaded = true;
      return { kind: "sequence", sequence: lastSequence + 1 };
    }
    const first = Math.max(firstSequence, 1);
    const long = lastSequence - first >= options.lookbackEntries;
    if (!long || options.newestOfEachSubject !== true) {
      const sequence = long ? lastSequence - options.lookbackEntries + 1 : first;
      progress.begin(sequence);
      return { kind: "sequence", sequence };
    }
    // A second reader goes on exactly behind the bounds: what is newer is left to it.
    await read({ kind: "last-per-subject" }, lastSequence);
    if (stopping.signal.aborted) return undefined;
    progress.begin(lastSequence + 1);
    progress.loaded = true;
    return { kind: "sequence", sequence: lastSequence + 1 };
  }

  /** Applies messages until stopped, or up to and with `lastSequence`. */
  async function read(from: ReadFrom, lastSequence = Number.POSITIVE_INFINITY): Promise<void> {
    const mine = log.read({ stream, from });
    reader = mine;
    reading = true;
    try {
      let turnEndsAtMs = performance.now() + TURN_MS;
      for await (const batch of mine) {
        for (const message of batch) {
          if (stopping.signal.aborted || message.sequence > lastSequence) return;
          applyOne(message);
          if (message.sequence === lastSequence) return;
          // The newest of each subject is no stretch of the log that could be gone on from.
          if (from.kind === "sequence") done(message);
          if (performance.now() < turnEndsAtMs) continue;
          // A long past must not hold up sockets and timers.
          applied(message);
          await nextTurn();
          turnEndsAtMs = performance.now() + TURN_MS;
        }
        const last = batch.at(-1);
        if (last !== undefined) applied(last);
      }
    } finally {
      await mine.close();
    }
  }

  function applyOne(message: LogMessage): void {
    try {
      options.apply(message);
    } catch (error) {
      options.onBadMessage(message, error);
    }
  }

  function done(message: LogMessage): void {
    progress.done(message.sequence);
    if (message.sequence >= target) progress.loaded = true;
  }

  function applied(last: LogMessage): void {
    options.onLag(Math.max(0, clock.nowUs() - last.storedAtUs));
    options.onApplied?.();
  }

  const running = run();

  return {
    get reading() {
      return reading;
    },
    async stop() {
      stopping.abort();
      await reader?.close();
      // A question to a log that is away may never be answered.
      await Promise.race([running, pause(RETRY_MS, undefined, { ref: false })]);
    },
  };
}
