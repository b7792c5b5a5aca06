import { getEventListeners } from "node:events";
import { expect, it } from "vitest";
import { sleep } from "./sleep.ts";

it("resolves after the time", async () => {
  const startMs = performance.now();
  await sleep(20);
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(19);
});

it("ends as soon as the signal aborts, and leaves no listener behind", async () => {
  const stopping = new AbortController();
  const slept = sleep(600_000, { signal: stopping.signal });
  stopping.abort();
  await slept;
  await sleep(600_000, { signal: stopping.signal });
  expect(getEventListeners(stopping.signal, "abort")).toEqual([]);
});

it("leaves no listener behind after the time", async () => {
  const { signal } = new AbortController();
  await sleep(1, { signal });
  expect(getEventListeners(signal, "abort")).toEqual([]);
});
