import { adviceOf, type LetterRetry, type RetryResult } from "../../../contracts/dead-letters.ts";
import { formatInstantUs } from "../../../domain/time.ts";
import { isRetryable, type KeptLetter } from "../../../platform/dead-letter-log.ts";
import { terminalText } from "../common/terminal-text.ts";

/** A dead letter with its retry, if there was one. */
export interface ShownLetter extends KeptLetter {
  readonly retry: LetterRetry | undefined;
}

export function resultLine({ sequence, outcome, detail }: RetryResult): string {
  return `${String(sequence).padStart(8)}  ${outcome.padEnd(13)} ${detail}`;
}

export function summaryOf(results: readonly RetryResult[]): string {
  if (results.length === 0) return "nothing to retry: no letter is left that matches";
  const counts = new Map<string, number>();
  for (const { outcome } of results) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  const letters = results.length === 1 ? "1 letter" : `${results.length} letters`;
  return `${letters}: ${[...counts].map(([outcome, count]) => `${count} ${outcome}`).join(", ")}`;
}

export function lineOf(shown: ShownLetter): string {
  const { reason, topic, detail } = shown.letter;
  const state = stateOf(shown);
  const about = `${String(shown.sequence).padStart(8)}  ${formatInstantUs(shown.storedAtUs)}  ${terminalText(`${reason.padEnd(14)} ${topic}: ${detail}`)}`;
  return shown.retry === undefined ? about : `${about} [${state}]`;
}

export function stateOf({ letter, retry: done }: ShownLetter): string {
  if (done === undefined)
    return isRetryable(letter) ? "not retried yet" : "cannot be retried: it is not a message of a device";
  const by = done.by === "" ? "" : ` by ${done.by}`;
  return `retried at ${formatInstantUs(done.atUs)}${by}: ${done.outcome}${done.letter === undefined ? "" : `, now letter ${done.letter}`}`;
}

export function jsonOf({ sequence, storedAtUs, letter, retry: done }: ShownLetter): Record<string, unknown> {
  const { payload, ...about } = letter;
  const retryable = isRetryable(letter) && done === undefined;
  const advice = adviceOf({ reason: letter.reason, isCut: letter.wholeBytes !== undefined });
  return { sequence, storedAtUs, ...about, payloadBytes: payload.length, retryable, advice, retry: done };
}

/** The payload as text if possible, else in hexadecimal. */
export function payloadText(payload: Uint8Array): string {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(payload);
    if (!/[^\P{Cc}\t\n\r]/u.test(text)) return text;
  } catch {
    // Not text, so bytes.
  }
  const lines: string[] = [];
  for (let at = 0; at < payload.length; at += 32) {
    lines.push(`${at.toString(16).padStart(6, "0")}  ${Buffer.from(payload.subarray(at, at + 32)).toString("hex")}`);
  }
  return lines.join("\n");
}

export function write(text: string): void {
  process.stdout.write(`${text}\n`);
}
