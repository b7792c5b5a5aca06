import { expect, test } from "vitest";
import { EventClock } from "./event-clock.ts";

const SECOND_US = 1_000_000;
const NOW_US = Date.UTC(2026, 10, 22) * 1000;

test("nothing is known before the first reading", () => {
  expect(new EventClock().read(NOW_US)).toEqual({ kind: "none" });
});

test("readings close to the present are live", () => {
  const clock = new EventClock();
  clock.observe(NOW_US - 30 * SECOND_US, NOW_US);
  expect(clock.read(NOW_US)).toEqual({ kind: "live", newestUs: NOW_US - 30 * SECOND_US });
});

test("readings of another year are a replay, with its speed", () => {
  const clock = new EventClock();
  const startUs = Date.UTC(2014, 0, 1) * 1000;
  for (let second = 0; second < 30; second++) {
    clock.observe(startUs + second * 3_600 * SECOND_US, NOW_US + second * SECOND_US);
  }
  const time = clock.read(NOW_US + 30 * SECOND_US);
  expect(time).toEqual({ kind: "replay", newestUs: startUs + 29 * 3_600 * SECOND_US, speed: 3_600 });
});

test("an older reading does not move the clock back", () => {
  const clock = new EventClock();
  clock.observe(NOW_US, NOW_US);
  clock.observe(NOW_US - SECOND_US, NOW_US + SECOND_US);
  expect(clock.newestUs).toBe(NOW_US);
});
