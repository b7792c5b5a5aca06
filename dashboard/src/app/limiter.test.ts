import { expect, test } from "vitest";
import { createLimiter } from "./limiter.ts";

test("sends a few requests at a time, and refuses more when the queue is full", async () => {
  const limit = createLimiter(2, 3);
  let running = 0;
  let most = 0;
  const finish: (() => void)[] = [];
  const task = async () => {
    running++;
    most = Math.max(most, running);
    await new Promise<void>((done) => finish.push(done));
    running--;
  };
  const tasks = Array.from({ length: 5 }, () => limit(task));
  await expect(limit(task)).rejects.toThrow("waiting");
  for (let done = 0; done < 5; done++) {
    await expect.poll(() => finish.length).toBeGreaterThan(done);
    finish[done]?.();
  }
  await Promise.all(tasks);
  expect(most).toBe(2);
});
