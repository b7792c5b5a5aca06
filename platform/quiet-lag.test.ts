import { expect, test, vi } from "vitest";
import { createMetrics } from "./metrics.ts";
import { QuietLag } from "./quiet-lag.ts";

test("a lag is what was measured last, and zero once nothing came for a while", async () => {
  vi.useFakeTimers();
  try {
    const gauge = createMetrics().gauge("weir_lag_seconds", "A lag.", ["stream"]);
    const lag = new QuietLag(gauge, 1_000);
    const values = async () => (await gauge.get()).values.map(({ labels, value }) => [labels.stream, value]);
    lag.measured("ALERTS", 100);
    vi.advanceTimersByTime(900);
    lag.measured("ALERTS", 90);
    lag.measured("WINDOWS", 5);
    vi.advanceTimersByTime(900);
    expect(await values()).toEqual([
      ["ALERTS", 90],
      ["WINDOWS", 5],
    ]);
    vi.advanceTimersByTime(200);
    expect(await values()).toEqual([
      ["ALERTS", 0],
      ["WINDOWS", 0],
    ]);
  } finally {
    vi.useRealTimers();
  }
});
