import { expect, test } from "vitest";
import { EventClock } from "./event-clock.ts";

const SECOND_US = 1_000_000;
const HOUR_US = 3_600 * SECOND_US;
const NOW_US = Date.UTC(2026, 10, 22) * 1000;
const RECORDED_US = Date.UTC(2014, 0, 1) * 1000;

/** Half a minute of a recording, an hour each second. */
function replay(clock: EventClock): void {
  for (let second = 0; second < 30; second++) {
    clock.observe({ newestUs: RECORDED_US + second * HOUR_US, seenUs: NOW_US + second * SECOND_US });
  }
}

test("nothing is known before the first reading", () => {
  expect(new EventClock().read(NOW_US)).toEqual({ kind: "none" });
});

test("readings close to their arrival are live", () => {
  const clock = new EventClock();
  const newestUs = NOW_US - 30 * SECOND_US;
  clock.observe({ newestUs, seenUs: NOW_US });
  expect(clock.read(NOW_US)).toEqual({ kind: "live", newestUs });
  // A device that is silent since yesterday was live, and is no recording.
  expect(clock.read(NOW_US + 24 * HOUR_US)).toEqual({ kind: "live", newestUs });
});

test("readings of another year are a replay, with its speed", () => {
  const clock = new EventClock();
  replay(clock);
  const time = clock.read(NOW_US + 30 * SECOND_US);
  expect(time).toEqual({ kind: "replay", newestUs: RECORDED_US + 29 * HOUR_US, speed: 3_600 });
});

test("live devices beside a replay are both, until the replay ends", () => {
  const clock = new EventClock();
  clock.observe({ newestUs: NOW_US, seenUs: NOW_US });
  replay(clock);
  expect(clock.read(NOW_US + 30 * SECOND_US)).toEqual({
    kind: "mixed",
    newestUs: RECORDED_US + 29 * HOUR_US,
    speed: 3_600,
  });
  expect(clock.presents).toEqual([NOW_US, RECORDED_US + 29 * HOUR_US]);
  expect(clock.read(NOW_US + HOUR_US)).toEqual({ kind: "live", newestUs: NOW_US });
});

test("an older reading does not move the clock back", () => {
  const clock = new EventClock();
  clock.observe({ newestUs: NOW_US, seenUs: NOW_US });
  clock.observe({ newestUs: NOW_US - SECOND_US, seenUs: NOW_US + SECOND_US });
  expect(clock.newestUs).toBe(NOW_US);
});
