import { userInfo } from "node:os";
import {
  DEAD_LETTERS_RETRY,
  type RetryOrder,
  type RetryReport,
  type RetryResult,
} from "../../../contracts/dead-letters.ts";
import type { Question } from "../../../contracts/question.ts";
import type { LogForReading } from "../../../platform/log/jetstream-reading.ts";
import { NoAnswerError } from "../../../platform/log/port.ts";
import { UsageError } from "../common/failures.ts";
import { resultLine, summaryOf, write } from "./letter-lines.ts";

/** At most twice as long as the ingest may take for one order. */
const ANSWER_MS_MAX = 10_000;
const AT_ONCE = 100;
const SEQUENCES_MAX = 500;

/** The letters to retry. */
export interface RetryFlags {
  readonly reason?: string;
  readonly topic?: string;
  readonly all?: true;
  readonly by?: string;
}

/** Retries letters and prints the results. Resolves to whether some could not be retried. */
export async function retry(log: LogForReading, first: RetryOrder, format: "text" | "json"): Promise<boolean> {
  const results: RetryResult[] = [];
  for (let order: RetryOrder | undefined = first; order !== undefined; ) {
    const report = await askIngest(log, DEAD_LETTERS_RETRY, order, "a letter is retried once.");
    results.push(...report.results);
    // Letters that could not be retried are printed at once: many letters take some time.
    if (format === "text") {
      for (const result of report.results) if ("sequences" in order || isLeft(result)) write(resultLine(result));
    }
    order = nextOrder(order, report);
  }
  if (format === "json") write(JSON.stringify(results, undefined, 2));
  else if (!("sequences" in first)) write(summaryOf(results));
  return results.some(isLeft);
}

function nextOrder(order: RetryOrder, { before, next }: RetryReport): RetryOrder | undefined {
  if (next === undefined) return undefined;
  if (!("sequences" in order)) return { ...order, before, after: next };
  const sequences = order.sequences.filter((sequence) => sequence > next);
  return sequences.length === 0 ? undefined : { ...order, sequences };
}

/** `again`: why asking again does no harm. Throws UsageError. */
export async function askIngest<Ask, Asked, Answer>(
  { bus }: LogForReading,
  what: Question<Ask, Asked, Answer>,
  order: Ask,
  again: string,
): Promise<Answer> {
  try {
    return await bus.request(what, order, { timeoutMs: ANSWER_MS_MAX });
  } catch (error) {
    if (error instanceof NoAnswerError) {
      throw new UsageError(
        `the ingest does not answer: is it running? (weir up, or weir run edge) Asking again does no harm: ${again}`,
      );
    }
    throw error instanceof Error ? new UsageError(error.message) : error;
  }
}

/** The order from the arguments and flags. Throws UsageError. */
export function orderOf(
  named: readonly string[],
  { reason, topic, all, by = userInfo().username }: RetryFlags,
): RetryOrder {
  const many = reason !== undefined || topic !== undefined || all === true;
  if (named.length === 0 && !many) {
    throw new UsageError("say which letters: numbers (weir deadletters list shows them), --reason, --topic, or --all");
  }
  if (named.length > 0 && many) throw new UsageError("give either numbers, or --reason, --topic or --all");
  if (all === true && (reason !== undefined || topic !== undefined)) {
    throw new UsageError("--all is everything; omit it to take only what --reason and --topic select");
  }
  if (named.length > SEQUENCES_MAX)
    throw new UsageError(
      `at most ${SEQUENCES_MAX} numbers at once; --reason, --topic and --all take any number of letters`,
    );
  if (named.length > 0) return { by, sequences: named.map(parseSequence) };
  return { by, limit: AT_ONCE, ...(reason === undefined ? {} : { reason }), ...(topic === undefined ? {} : { topic }) };
}

function isLeft({ outcome, retry: earlier }: RetryResult): boolean {
  if (outcome === "already-done") return earlier?.outcome === "refused";
  return outcome !== "stored" && outcome !== "empty";
}

/** The number of a letter. Throws UsageError. */
export function parseSequence(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new UsageError(`"${text}" is not the number of a letter; \`weir deadletters list\` shows them`);
}
