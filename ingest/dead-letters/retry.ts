import {
  DEAD_LETTERS_RETRY,
  type LetterRetry,
  type RetryOfMany,
  type RetryOrder,
  type RetryReport,
  type RetryResult,
} from "../../contracts/dead-letters.ts";
import type { DeadLetter } from "../../domain/dead-letter.ts";
import { deadLetterRetrySubject } from "../../domain/subjects.ts";
import type { Clock } from "../../platform/clock.ts";
import {
  isRetryable,
  type KeptLetter,
  letterAt,
  letterFits,
  readLetters,
  retryOf,
} from "../../platform/dead-letter-log.ts";
import { ConflictError, type Log, TooLargeError } from "../../platform/log/port.ts";
import type { InboundMessage } from "../../platform/publish-gate.ts";
import type { IngestEvents } from "../common/events.ts";

/** How many letters' payloads are in memory at a time. */
const STEP = 64;
/** Limits how much of the log one request reads, and for how long. The report says where to continue. */
const ENTRIES_MAX = 20_000;
const WORK_MS_MAX = 4_000;
const ORDERS_WAITING_MAX = 32;

export interface RetriesOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly events: IngestEvents;
  /**
   * Processes a message as if it had just arrived. Resolves once it is in the log: as readings, or as a letter that
   * names the first one.
   */
  readonly take: (message: InboundMessage, retryOf: number) => Promise<Taken>;
}

export interface Taken {
  readonly readings: number;
  readonly letter?: number;
}

/**
 * Answers requests to retry dead letters. The outcome of a retry is written to the log after its readings, or the new
 * letter. If a crash comes between the two, the letter may be retried again; readings that arrive twice count once.
 */
export function answerRetries(options: RetriesOptions): { stop(): Promise<void> } {
  const { log, events } = options;
  const inFlight = new Set<Promise<unknown>>();
  // One request at a time: two for the same letter must not overlap.
  let last: Promise<unknown> = Promise.resolve();
  let stopped = false;

  async function answer(order: RetryOrder): Promise<RetryReport> {
    if (stopped) throw new Error("the ingest is stopping; try again");
    return await retryAll(options, order, () => stopped);
  }

  async function inTurn(order: RetryOrder): Promise<RetryReport> {
    if (inFlight.size >= ORDERS_WAITING_MAX)
      throw new Error("too many requests to retry letters are waiting; try again later");
    const answered = last.then(() => answer(order));
    last = answered.catch(() => {}).finally(() => inFlight.delete(answered));
    inFlight.add(answered);
    return await answered;
  }

  const unlisten = log.bus.respond(DEAD_LETTERS_RETRY, inTurn, events.retryRefused);
  return {
    async stop() {
      stopped = true;
      unlisten();
      await Promise.allSettled(inFlight);
    },
  };
}

async function retryAll(options: RetriesOptions, order: RetryOrder, isStopped: () => boolean): Promise<RetryReport> {
  const { log } = options;
  const untilMs = performance.now() + WORK_MS_MAX;
  const inTime = () => !isStopped() && performance.now() < untilMs;
  if ("sequences" in order) {
    const sequences = [...new Set(order.sequences)].sort((a, b) => a - b);
    const results: RetryResult[] = [];
    const before = (sequences.at(-1) ?? 0) + 1;
    for (const [i, each] of sequences.entries()) {
      if (i > 0 && !inTime()) return { results, before, next: each - 1 };
      const kept = await letterAt(log, each);
      results.push(...(kept === undefined ? [notFound(each)] : await retryEach(options, [kept], order.by)));
    }
    return { results, before };
  }
  return await retryMany(options, order, inTime);
}

async function retryMany(options: RetriesOptions, order: RetryOfMany, inTime: () => boolean): Promise<RetryReport> {
  const { log } = options;
  const { firstSequence, lastSequence } = await log.bounds("DEADLETTERS");
  const before = Math.min(lastSequence + 1, order.before ?? Number.POSITIVE_INFINITY);
  const begin = Math.max(firstSequence, (order.after ?? 0) + 1);
  const results: RetryResult[] = [];
  let start = begin;
  while (start < before && start - begin < ENTRIES_MAX && inTime()) {
    const end = Math.min(before, start + STEP);
    const found = (await readLetters(log, start, end)).filter(
      ({ letter }) => isRetryable(letter) && letterFits(order, letter),
    );
    const open = await withoutRetried(log, found);
    const taken = open.slice(0, order.limit - results.length);
    results.push(...(await retryEach(options, taken, order.by)));
    if (results.length >= order.limit) {
      start = (taken.at(-1)?.sequence ?? end - 1) + 1;
      break;
    }
    start = end;
  }
  return { results, before, ...(start < before ? { next: start - 1 } : {}) };
}

async function withoutRetried(log: Log, letters: readonly KeptLetter[]): Promise<KeptLetter[]> {
  const retries = await Promise.all(letters.map(({ sequence }) => retryOf(log, sequence)));
  return letters.filter((_, i) => retries[i] === undefined);
}

/** In the given order. All readings share frames. */
async function retryEach(options: RetriesOptions, letters: readonly KeptLetter[], by: string): Promise<RetryResult[]> {
  const earlier = await Promise.all(letters.map(({ sequence }) => retryOf(options.log, sequence)));
  return await Promise.all(
    letters.map(({ sequence, letter }, i) => {
      const retry = earlier[i];
      if (retry !== undefined) return alreadyDone(sequence, retry);
      if (!isRetryable(letter)) return notRetryable(sequence, letter);
      return retryOne(options, { sequence, letter, by });
    }),
  );
}

async function retryOne(
  { log, clock, events, take }: RetriesOptions,
  { sequence, letter, by }: { readonly sequence: number; readonly letter: DeadLetter; readonly by: string },
): Promise<RetryResult> {
  const { topic, payload, clientId, receivedAtUs } = letter;
  const message = { topic, payload, clientId, sender: clientId, receivedAtUs, qos: 1, retain: false } as const;
  let taken: Taken;
  try {
    taken = await take(message, sequence);
  } catch (error) {
    // The log's own limit. It must not make the other letters of the request fail.
    if (!(error instanceof TooLargeError)) throw error;
    const detail = `it still cannot be read, and is too large to be kept with the new reason: ${error.message}`;
    return { sequence, outcome: "not-retryable", detail };
  }
  const outcome = taken.letter !== undefined ? "refused" : taken.readings > 0 ? "stored" : "empty";
  const retry: LetterRetry = { outcome, by, atUs: clock.nowUs(), ...taken };
  try {
    const mark = { subject: deadLetterRetrySubject(sequence), payload: toBytes(retry) };
    await log.append({ ...mark, expectLastSubjectSequence: 0 });
  } catch (error) {
    // Another gateway retried it in the meantime: that outcome is valid, and the readings count once.
    const theirs = error instanceof ConflictError ? await retryOf(log, sequence) : undefined;
    if (theirs === undefined) throw error;
    return alreadyDone(sequence, theirs);
  }
  events.letterRetried(sequence, outcome, by);
  return { sequence, outcome, detail: outcomeText(retry), retry };
}

function outcomeText({ outcome, readings, letter }: LetterRetry): string {
  const gave = `${readings} ${readings === 1 ? "reading" : "readings"}`;
  switch (outcome) {
    case "stored":
      return `${gave} went into the log`;
    case "empty":
      return "it can be read, but has no reading that a source selects";
    case "refused":
      return `it still cannot be read${readings > 0 ? ` as a whole (${gave} went into the log)` : ""}: letter ${letter} says why`;
  }
}

function alreadyDone(sequence: number, retry: LetterRetry): RetryResult {
  const who = retry.by === "" ? "" : ` by ${retry.by}`;
  const when = new Date(Math.floor(retry.atUs / 1_000)).toISOString();
  const instead = retry.outcome === "refused" ? `; retry letter ${retry.letter} instead` : "";
  const detail = `it was already retried at ${when}${who}: ${outcomeText(retry)}${instead}`;
  return { sequence, outcome: "already-done", detail, retry };
}

const WHY_NOT: Readonly<Record<string, string>> = {
  "write-refused":
    "it is a line that the store refused, not a message of a device. Its reading is in the log, and windows and alerts have " +
    "counted it. Fix the cause, and later readings are stored",
  "unreadable-entry":
    "it is an entry of the log that the storage service could not read, not a message of a device. A newer version may read it",
  notification:
    "it is a notification that could not be delivered, not a message of a device. Sent late it would mislead: " +
    "`weir alerts list` shows what is open now, and `repeat_interval` notifies again of alerts that continue",
};

function notRetryable(sequence: number, { reason, payload, wholeBytes }: DeadLetter): RetryResult {
  const why =
    wholeBytes === undefined
      ? (WHY_NOT[reason] ?? `"${reason}" is not a reason for refusing device messages`)
      : `only the first ${payload.length} of the payload's ${wholeBytes} bytes are kept, because the log had no room for more`;
  return { sequence, outcome: "not-retryable", detail: `it cannot be retried: ${why}` };
}

function notFound(sequence: number): RetryResult {
  const detail = `there is no dead letter ${sequence}: it never existed, or has expired`;
  return { sequence, outcome: "not-found", detail };
}

function toBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
