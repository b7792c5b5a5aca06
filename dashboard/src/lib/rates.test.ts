import { describe, expect, test } from "vitest";
import { createRateTracker } from "./rates.ts";

const READINGS = "weir_ingest_readings_total";

function report(instance: string, atSeconds: number, values: Record<string, number>) {
  return { instance, atUs: atSeconds * 1_000_000, values };
}

describe("rates", () => {
  test("are unknown before the second report", () => {
    const tracker = createRateTracker();
    expect(tracker.rate(READINGS)).toBeUndefined();
    tracker.add(report("a", 1, { [READINGS]: 100 }));
    expect(tracker.rate(READINGS)).toBeUndefined();
    expect(tracker.total(READINGS)).toBe(100);
  });

  test("are growth over time, summed over instances and labels", () => {
    const tracker = createRateTracker();
    for (const second of [0, 1, 2]) {
      tracker.add(report("a", second, { 'x_total{state="firing"}': second * 10, 'x_total{state="resolved"}': second }));
      tracker.add(report("b", second + 0.5, { x_total: second * 100 }));
    }
    expect(tracker.rate("x_total")).toBeCloseTo(111);
    expect(tracker.total("x_total")).toBe(222);
  });

  test("a counter that falls is a restart", () => {
    const tracker = createRateTracker();
    tracker.add(report("a", 0, { [READINGS]: 1_000_000 }));
    tracker.add(report("a", 1, { [READINGS]: 1_000_100 }));
    tracker.add(report("a", 2, { [READINGS]: 60 }));
    expect(tracker.rate(READINGS)).toBe(80);
  });

  test("ages and times that are left do not add up over streams and processes", () => {
    const tracker = createRateTracker();
    tracker.add(report("a", 1, { 'left{stream="READINGS"}': 3_600, 'left{stream="ALERTS"}': 60 }));
    tracker.add(report("b", 1, { 'left{stream="READINGS"}': 600 }));
    expect([tracker.least("left"), tracker.greatest("left"), tracker.least("none")]).toEqual([60, 3_600, undefined]);
  });

  test("a process that no longer reports does not count", () => {
    const tracker = createRateTracker();
    tracker.add(report("gone", 0, { weir_feed_clients: 5 }));
    tracker.add(report("here", 1, { weir_feed_clients: 2 }));
    expect(tracker.total("weir_feed_clients")).toBe(7);
    tracker.add(report("here", 60, { weir_feed_clients: 3 }));
    expect(tracker.total("weir_feed_clients")).toBe(3);
  });

  test("repeated and out-of-order reports are ignored", () => {
    const tracker = createRateTracker();
    tracker.add(report("a", 1, { [READINGS]: 10 }));
    tracker.add(report("a", 2, { [READINGS]: 20 }));
    tracker.add(report("a", 2, { [READINGS]: 20 }));
    tracker.add(report("a", 1, { [READINGS]: 10 }));
    expect(tracker.rate(READINGS)).toBe(10);
  });

  test("totals by label, with its escapes", () => {
    const tracker = createRateTracker();
    tracker.add(report("a", 1, { 'd_total{reason="bad-payload",x="1"}': 2, 'd_total{x="2",reason="a \\"b\\""}': 1 }));
    tracker.add(report("b", 1, { 'd_total{reason="bad-payload"}': 3, 'other{reason="bad-payload"}': 9 }));
    expect([...tracker.byLabel("d_total", "reason")]).toEqual([
      ["bad-payload", 5],
      ['a "b"', 1],
    ]);
  });
});
