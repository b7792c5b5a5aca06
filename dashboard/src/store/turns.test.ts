import { expect, test } from "vitest";
import { createFrame } from "./frame.ts";
import { Turns } from "./turns.ts";

function createScreen(count: number) {
  const frames: (() => void)[] = [];
  const frame = createFrame((run) => frames.push(run), { batched: false });
  const drawn: number[] = [];
  const turns = new Turns<number>({ frame, nowMs: () => 0, draw: (item) => drawn.push(item) });
  const items = Array.from({ length: count }, (_, index) => index);
  turns.arrange(items);
  /** What the next frame draws; undefined when none was requested. */
  function next(): readonly number[] | undefined {
    const run = frames.shift();
    if (run === undefined) return undefined;
    drawn.length = 0;
    run();
    return [...drawn];
  }
  return { turns, items, next };
}

test("neighbours are drawn together, and every other frame is left to the browser", () => {
  const { turns, items, next } = createScreen(50);
  for (const item of items) turns.due(item);
  expect(next()).toEqual(items.slice(0, 18));
  // A chart that is due again neither shortens the rest nor delays the other charts.
  turns.due(3);
  expect(next()).toEqual([]);
  expect(next()).toEqual(items.slice(18, 36));
  expect(next()).toEqual([]);
  expect(next()).toEqual(items.slice(36));
  expect(next()).toEqual([]);
  expect(next()).toEqual([3]);
  expect(next()).toEqual([]);
  expect(next()).toBeUndefined();
});

test("charts that are far apart are not drawn together", () => {
  const { turns, next } = createScreen(50);
  for (const item of [2, 45, 10]) turns.due(item);
  expect(next()).toEqual([2, 10]);
  next();
  expect(next()).toEqual([45]);
});

test("a chart that is not on the screen yet waits until it is", () => {
  const { turns, next } = createScreen(1);
  turns.due(7);
  expect(next()).toEqual([]);
  expect(next()).toBeUndefined();
  turns.arrange([0, 7]);
  expect(next()).toEqual([7]);
});

test("nothing is drawn after the end", () => {
  const { turns, next } = createScreen(2);
  turns.due(1);
  turns.end();
  expect(next()).toEqual([]);
  expect(next()).toBeUndefined();
});
