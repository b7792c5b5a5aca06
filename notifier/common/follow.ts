import { setTimeout as pause } from "node:timers/promises";
import type { StreamName } from "../../domain/subjects.ts";
import type { Log, LogMessage, LogReader } from "../../platform/log/port.ts";

const RETRY_MS = 500;

/** Gives the newest message of each subject, up to what the stream holds now. Resolves to the sequence to go on from. */
export async function readNewest(log: Log, stream: StreamName, apply: (message: LogMessage) => void): Promise<number> {
  const { lastSequence, messages } = await log.bounds(stream);
  if (messages === 0) return lastSequence + 1;
  const reader = log.read({ stream, from: { kind: "last-per-subject" } });
  try {
    // The newest message of the whole stream is the newest of its subject too, so this comes to an end.
    for await (const batch of reader) {
      for (const message of batch) {
        if (message.sequence <= lastSequence) apply(message);
        if (message.sequence >= lastSequence) return lastSequence + 1;
      }
    }
  } finally {
    await reader.close();
  }
  throw new Error(`reading ${stream} ended`);
}

export interface Follower {
  stop(): Promise<void>;
}

/** Gives the messages of a stream from a sequence on, live, until stopped; `apply` may hold the reading up. */
export function follow(options: {
  readonly log: Log;
  readonly stream: StreamName;
  readonly subjects?: readonly string[];
  readonly from: number;
  readonly apply: (message: LogMessage) => Promise<void> | void;
  readonly onFailed: (error: unknown) => void;
}): Follower {
  const { log, stream, subjects, apply, onFailed } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let sequence = options.from;
  let reader: LogReader | undefined;

  async function read(): Promise<void> {
    reader = log.read({
      stream,
      from: { kind: "sequence", sequence },
      ...(subjects === undefined ? {} : { subjects }),
    });
    try {
      for await (const batch of reader) {
        for (const message of batch) {
          if (signal.aborted) return;
          await apply(message);
          sequence = message.sequence + 1;
        }
      }
    } finally {
      await reader.close();
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      try {
        await read();
        if (!signal.aborted) onFailed(new Error(`reading ${stream} ended`));
      } catch (error) {
        if (!signal.aborted) onFailed(error);
      }
      await pause(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await reader?.close();
      // A log that is away may keep a question waiting; nothing is lost by not waiting for it.
      await Promise.race([running, pause(RETRY_MS, undefined, { ref: false })]);
    },
  };
}
