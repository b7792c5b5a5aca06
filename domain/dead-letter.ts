/** A message that could not become readings, kept whole if it fits into the log. */
export interface DeadLetter {
  /** One word: `unknown-topic`, `bad-payload`, `bad-timestamp`, `bad-name`, `too-large`, `write-refused`... */
  readonly reason: string;
  /** What was wrong, for people. */
  readonly detail: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly clientId: string;
  readonly receivedAtUs: number;
  /** The first bad byte of the payload, where it is known. */
  readonly position?: number;
  /** The topic of the source that was tried, as `weir.yaml` has it. */
  readonly source?: string;
  /** The sequence of the letter whose retry produced this one. */
  readonly retryOf?: number;
  /** Bytes of the whole payload, when `payload` is only its beginning. */
  readonly wholeBytes?: number;
}
