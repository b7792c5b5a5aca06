/**
 * Lets the first `times` calls of each `everyMs` through; the others do nothing. For log lines: the counters count
 * every call.
 */
export function rateLimited<Args extends readonly unknown[]>(
  call: (...args: Args) => void,
  { times = 1, everyMs }: { readonly times?: number; readonly everyMs: number },
): (...args: Args) => void {
  let sinceMs = Number.NEGATIVE_INFINITY;
  let calls = 0;
  return (...args) => {
    const nowMs = performance.now();
    if (nowMs - sinceMs >= everyMs) {
      sinceMs = nowMs;
      calls = 0;
    }
    if (++calls <= times) call(...args);
  };
}
