import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Arrivals, INTERVALS_KEPT, rhythmOf } from "./rhythm.ts";

const S = 1_000_000;
const MIN = 60 * S;
const HOUR = 60 * MIN;

/** Sends at these instants, in seconds; returns how long after the last one the series is silent. */
function patienceAfter(receivedAtS: readonly number[]): number {
  const arrivals = new Arrivals();
  for (const atS of receivedAtS) arrivals.note(0, (1_000_000 + atS) * S);
  return arrivals.rhythm(0).patienceUs;
}

const every = (seconds: number, count: number) => Array.from({ length: count }, (_, i) => i * seconds);

describe("rhythmOf", () => {
  it.each([
    { what: "each second", intervalsUs: Array(16).fill(1 * S), everyUs: 1 * S, patienceUs: 10 * S },
    { what: "every ten seconds", intervalsUs: Array(16).fill(10 * S), everyUs: 10 * S, patienceUs: 30 * S },
    { what: "each hour", intervalsUs: Array(16).fill(HOUR), everyUs: HOUR, patienceUs: 3 * HOUR },
    { what: "each day", intervalsUs: Array(3).fill(24 * HOUR), everyUs: 24 * HOUR, patienceUs: 72 * HOUR },
    { what: "no interval yet", intervalsUs: [], everyUs: undefined, patienceUs: 5 * MIN },
    { what: "one short interval", intervalsUs: [2], everyUs: undefined, patienceUs: 5 * MIN },
    { what: "one long interval", intervalsUs: [HOUR], everyUs: undefined, patienceUs: 3 * HOUR },
    { what: "an outage among seconds", intervalsUs: [S, S, 8 * HOUR, S, S], everyUs: S, patienceUs: 10 * S },
    { what: "pauses", intervalsUs: [S, S, 4 * S, S, S, 4 * S, S], everyUs: 4 * S, patienceUs: 12 * S },
    { what: "events", intervalsUs: [S, S, MIN, S, S, HOUR, S], everyUs: undefined, patienceUs: 3 * HOUR },
    { what: "frequent events", intervalsUs: [S, S, MIN, S, MIN, S], everyUs: undefined, patienceUs: 5 * MIN },
  ])("$what: silent after $patienceUs us", ({ intervalsUs, everyUs, patienceUs }) => {
    expect(rhythmOf(intervalsUs)).toEqual({ everyUs, patienceUs });
  });

  it("prefers the interval that a person expects", () => {
    expect(rhythmOf(Array(16).fill(S), MIN)).toEqual({ everyUs: MIN, patienceUs: 3 * MIN });
    expect(rhythmOf([], HOUR)).toEqual({ everyUs: HOUR, patienceUs: 3 * HOUR });
  });

  it("never takes a device for silent that keeps its rhythm, late by up to a half", () => {
    const jitter = fc.array(fc.double({ min: 0.5, max: 1.5, noNaN: true }), { minLength: 3, maxLength: 60 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 86_400 }), jitter, (seconds, factors) => {
        const kept = factors.map((factor) => seconds * factor * S).slice(-INTERVALS_KEPT);
        expect(rhythmOf(kept).patienceUs).toBeGreaterThanOrEqual(seconds * 1.5 * S);
      }),
    );
  });
});

describe("Arrivals", () => {
  it("a device that sends each second is silent within half a minute, and one that sends each hour is not", () => {
    expect(patienceAfter(every(1, 60))).toBe(10 * S);
    expect(patienceAfter(every(3600, 5))).toBeCloseTo(3 * HOUR, -3);
    expect(patienceAfter([0])).toBe(5 * MIN);
  });

  it("follows a device that changes its rhythm", () => {
    const slower = [...every(1, 60), ...every(600, 4).map((at) => 660 + at)];
    expect(Math.round(patienceAfter(slower) / MIN)).toBe(30);
    const faster = [...every(600, 20), ...every(1, 20).map((at) => 12_000 + at)];
    expect(patienceAfter(faster)).toBe(10 * S);
  });

  it("counts readings of one frame as one arrival, and ignores retried letters", () => {
    const arrivals = new Arrivals();
    for (const atS of [0, 60, 60, 60, 120, 30, 180, 240]) arrivals.note(700, (1_000 + atS) * S);
    expect(arrivals.lastUs(700)).toBe(1_240 * S);
    expect(arrivals.rhythm(700)).toEqual({ everyUs: MIN, patienceUs: 3 * MIN });
    expect(arrivals.lastUs(3)).toBe(0);
    expect(arrivals.lastUs(7_000)).toBe(0);
  });
});
