import { ApiError } from "./api-error.ts";

/** Runs so many tasks at once and keeps a bounded line of waiting ones; beyond it a task is refused. */
export function createLimiter(
  atOnce: number,
  waitingMax: number,
): <Result>(task: () => Promise<Result>) => Promise<Result> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (task) => {
    if (running >= atOnce) {
      if (waiting.length >= waitingMax) throw new ApiError(`more than ${waitingMax} requests are waiting`);
      await new Promise<void>((go) => waiting.push(go));
    } else {
      running++;
    }
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      // The place in the running ones is handed on.
      if (next === undefined) running--;
      else next();
    }
  };
}
