import { expect, test } from "vitest";
import { framesApart } from "./apart.ts";

test("skips a frame in which something else changes, but not the next one", () => {
  const frames: (() => void)[] = [];
  let changes = 0;
  const request = framesApart((run) => frames.push(run), { elsewhere: () => changes });
  let runs = 0;
  const next = () => frames.shift()?.();

  // This change is already on the screen.
  changes++;
  request(() => runs++);
  next();
  expect(runs).toBe(1);

  request(() => runs++);
  changes++;
  next();
  expect(runs).toBe(1);
  changes++;
  next();
  expect(runs).toBe(2);
  expect(frames).toEqual([]);
});
