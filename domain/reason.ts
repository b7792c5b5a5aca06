/**
 * What went wrong, for a message or a log line: the error's message, followed by those of its causes unless it
 * includes them.
 */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || error.name;
  if (error.cause === undefined || error.cause === error) return own;
  const cause = reasonOf(error.cause);
  return own.includes(cause) ? own : `${own}: ${cause}`;
}

/** The error itself, or a new one around a thrown value that is not an error. */
export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
