import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { rateLimited } from "./rate-limited.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("lets a few calls of each span through", () => {
  const calls: number[] = [];
  const say = rateLimited((n: number) => calls.push(n), { times: 2, everyMs: 1_000 });
  for (let n = 1; n <= 5; n++) say(n);
  vi.advanceTimersByTime(999);
  say(6);
  vi.advanceTimersByTime(1);
  for (let n = 7; n <= 9; n++) say(n);
  expect(calls).toEqual([1, 2, 7, 8]);
});
