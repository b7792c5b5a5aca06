import { expect, test } from "vitest";
import { TimeSlice } from "./time-slice.ts";

/** Keeps the thread busy until the slice is over. */
function work(slice: TimeSlice): void {
  while (!slice.over);
}

test("what arrives while many work waits for the slice of one, not of all", async () => {
  const done: string[] = [];
  async function worker(name: string): Promise<void> {
    const slice = new TimeSlice();
    for (let i = 0; i < 3; i++) {
      work(slice);
      await slice.rest();
      done.push(name);
    }
  }
  async function asker(): Promise<void> {
    // One turn of the event loop for each answer.
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      done.push("answer");
    }
  }
  await Promise.all([worker("a"), worker("b"), worker("c"), asker()]);
  expect(done.filter((name) => name !== "answer")).toEqual(["a", "b", "c", "a", "b", "c", "a", "b", "c"]);
  for (let i = 1; i <= 3; i++) {
    const answeredAt = done.flatMap((name, at) => (name === "answer" ? [at] : []))[i - 1];
    expect(answeredAt).toBeLessThanOrEqual(2 * i);
  }
});

test("a slice measures the work without the rests", async () => {
  const slice = new TimeSlice();
  work(slice);
  const busyMs = slice.busyMs;
  await slice.rest();
  expect(slice.over).toBe(false);
  expect(slice.busyMs).toBeGreaterThanOrEqual(busyMs);
});
