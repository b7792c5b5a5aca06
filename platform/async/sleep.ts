export interface SleepOptions {
  /** Ends the sleep at once. */
  readonly signal?: AbortSignal | undefined;
  /** False: the process may exit while this sleeps. */
  readonly ref?: boolean;
}

/**
 * Resolves after `ms`, or as soon as the signal aborts; it never rejects. Loops check the signal themselves: `while
 * (!signal.aborted) { await attempt(); await sleep(backoff.nextMs(), { signal }); }`.
 */
export function sleep(ms: number, { signal, ref = true }: SleepOptions = {}): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    if (!ref) timer.unref();
    signal?.addEventListener("abort", end);
    function end(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    }
  });
}
