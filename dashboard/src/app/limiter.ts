import { ApiError } from "./api-error.ts";

/** Runs a few tasks at once and queues others. Bounded: refuses a task when the queue is full. */
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
      // The next task takes the place of this one.
      if (next === undefined) running--;
      else next();
    }
  };
}
