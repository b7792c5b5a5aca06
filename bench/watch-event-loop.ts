import { setImmediate as nextTurn } from "node:timers/promises";

/** Measures the longest time, in ms, that the event loop is blocked until `stop`. */
export function watchEventLoop(): { stop(): Promise<number> } {
  let longestMs = 0;
  let lastMs = performance.now();
  let going = true;
  const watching = (async () => {
    while (going) {
      await nextTurn();
      const nowMs = performance.now();
      longestMs = Math.max(longestMs, nowMs - lastMs);
      lastMs = nowMs;
    }
  })();
  return {
    async stop() {
      going = false;
      await watching;
      return longestMs;
    },
  };
}
