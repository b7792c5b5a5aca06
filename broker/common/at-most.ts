import { setTimeout as sleep } from "node:timers/promises";

/** Resolves with the work, or after this time: then it goes on, and its failure is the caller's only before. */
export async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  const abort = new AbortController();
  const late = sleep(ms, undefined, { ref: false, signal: abort.signal }).catch(() => {});
  try {
    await Promise.race([work, late]);
  } finally {
    abort.abort();
  }
}
