/** Orders about dead letters, sent over the bus and answered by the ingest. */
export const DEAD_LETTERS_RETRY = "dead-letters.retry";

/** Why a message could not become readings: the same bytes may be readings once the configuration was mended. */
export const RETRYABLE_REASONS: readonly string[] = [
  "unknown-topic",
  "bad-topic",
  "bad-payload",
  "bad-timestamp",
  "bad-name",
  "too-large",
  "reading-failed",
];

/**
 * To `DEAD_LETTERS_RETRY`: these letters, or those of a stretch of the log that fit, oldest first, so that readings come in
 * their order. Answered with a RetryReport; an order that makes no sense is refused.
 */
export type RetryOrder = RetryOfSome | RetryOfMany;

export interface RetryOfSome {
  readonly by: string;
  /** 1 to 500. */
  readonly sequences: readonly number[];
}

export interface RetryOfMany {
  readonly by: string;
  readonly limit: number;
  readonly reason?: string;
  /** A glob with `*` and `?`. */
  readonly topic?: string;
  /** Only letters with a smaller sequence: those that a retry makes are then not retried by it. */
  readonly before?: number;
  /** Only letters with a greater sequence: an earlier report's `next`. */
  readonly after?: number;
}

/**
 * stored: its readings are in the log. empty: it can be read, and no source wants anything of it. refused: it cannot be read
 * yet; a new letter says why. already-done: it was retried before, and nothing was done now. not-retryable: it is no
 * message of a device. not-found: it never was, or is too old.
 */
export type RetryOutcome = "stored" | "empty" | "refused" | "already-done" | "not-retryable" | "not-found";

export interface RetryResult {
  readonly sequence: number;
  readonly outcome: RetryOutcome;
  /** For people: what came of it, and what can be done. */
  readonly detail: string;
  /** What stands in the log of this or an earlier retry. */
  readonly retry?: LetterRetry;
}

/** What stands in the log of a letter's retry: there is one at most. */
export interface LetterRetry {
  readonly outcome: "stored" | "empty" | "refused";
  readonly by: string;
  readonly atUs: number;
  /** Readings that were handed to the log; those that it had already count once. */
  readonly readings: number;
  /** Of a refused one: the letter that names this one. */
  readonly letter?: number;
}

export interface RetryReport {
  /** One for each letter that was looked at and is retried, or was asked for by its sequence; in the log's order. */
  readonly results: readonly RetryResult[];
  /** Give this as `before` to go on with `next`. */
  readonly before: number;
  /** Give this as `after` to go on, or ask again for those behind it; left out when there is no more. */
  readonly next?: number;
}
