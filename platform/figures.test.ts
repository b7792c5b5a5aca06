import { expect, it } from "vitest";
import { counter, createFigures, gauge, histogram } from "./figures.ts";
import { createMetrics } from "./metrics.ts";

it("creates and registers the figures of a table", async () => {
  const metrics = createMetrics();
  const figures = createFigures(metrics, {
    lost: counter("weir_test_lost_total", "Lost.", ["reason"]),
    open: gauge("weir_test_open", "Open."),
    waits: histogram("weir_test_wait_seconds", "Waits.", [1, 2]),
  });
  figures.lost.inc({ reason: "late" }, 2);
  figures.open.set(3);
  figures.waits.observe(1.5);
  const text = await metrics.registry.metrics();
  expect(text).toContain('weir_test_lost_total{reason="late"} 2');
  expect(text).toContain("weir_test_open 3");
  expect(text).toContain('weir_test_wait_seconds_bucket{le="2"} 1');
});
