import { DEAD_LETTERS_DISMISS, type DismissOrder, type DismissReport } from "../../contracts/dead-letters.ts";
import { DEAD_LETTER_DISMISSALS } from "../../domain/subjects.ts";
import type { Clock } from "../../platform/clock.ts";
import { letterFits, readLetters } from "../../platform/dead-letter-log.ts";
import type { Log } from "../../platform/log/port.ts";
import type { IngestEvents } from "../common/events.ts";

/** How many letters' payloads are in memory, and how many deletions are on their way, at a time. */
const STEP = 64;
/** Limits how much of the log one request reads, and for how long. The report says where to continue. */
const ENTRIES_MAX = 20_000;
const WORK_MS_MAX = 4_000;

export interface DismissalsOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly events: Pick<IngestEvents, "lettersDismissed" | "dismissalRefused">;
}

/**
 * Answers requests to dismiss dead letters: nobody needs their messages, so they are deleted. The log keeps who ordered
 * it. Returns a function that stops it.
 */
export function answerDismissals(options: DismissalsOptions): () => void {
  const { log, events } = options;
  return log.bus.respond(DEAD_LETTERS_DISMISS, (order) => dismiss(options, order), events.dismissalRefused);
}

async function dismiss({ log, clock, events }: DismissalsOptions, order: DismissOrder): Promise<DismissReport> {
  // First, so that the newest entry of the stream is never a deleted one: readers wait for the newest.
  const payload = new TextEncoder().encode(JSON.stringify({ ...order, atUs: clock.nowUs() }));
  const mark = await log.append({ subject: DEAD_LETTER_DISMISSALS, payload });
  const { firstSequence } = await log.bounds("DEADLETTERS");
  const sequences = "sequences" in order ? [...new Set(order.sequences)].sort((a, b) => a - b) : undefined;
  const before = Math.min(mark.sequence, "before" in order ? (order.before ?? mark.sequence) : mark.sequence);
  let dismissed = 0;
  async function remove(start: number, end: number): Promise<void> {
    const letters = await readLetters(log, start, end);
    const found = letters.filter(({ letter }) => "sequences" in order || letterFits(order, letter));
    await Promise.all(found.map(({ sequence }) => log.remove("DEADLETTERS", sequence)));
    dismissed += found.length;
  }
  if (sequences !== undefined) {
    for (const each of sequences) if (each >= firstSequence && each < mark.sequence) await remove(each, each + 1);
    events.lettersDismissed(dismissed, order.by);
    return { dismissed, before };
  }
  const begin = Math.max(firstSequence, ("after" in order ? (order.after ?? 0) : 0) + 1);
  const untilMs = performance.now() + WORK_MS_MAX;
  let start = begin;
  for (; start < before && start - begin < ENTRIES_MAX && performance.now() < untilMs; start += STEP) {
    await remove(start, Math.min(before, start + STEP));
  }
  events.lettersDismissed(dismissed, order.by);
  return { dismissed, before, ...(start < before ? { next: start - 1 } : {}) };
}
