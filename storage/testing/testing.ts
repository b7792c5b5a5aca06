import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { FrameWriter } from "../../domain/frame-writer.ts";
import { kindOf, type Reading } from "../../domain/reading.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import type { Log } from "../../platform/log/port.ts";
import { createMetrics } from "../../platform/metrics.ts";
import type { Deps } from "../../platform/service.ts";
import { StorageEvents } from "../common/events.ts";
import type { StoreDeps } from "../common/store-kind.ts";

/** A folder for one test. */
export async function temporaryFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "weir-storage-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

export interface TestDeps extends Deps {
  /** The lines logged so far. */
  readonly lines: readonly { readonly level: number; readonly msg: string }[];
  /** The value of a metric, summed over its labels. */
  figure(name: string): Promise<number>;
}

export function testDeps(given: { readonly log?: Log } = {}): TestDeps {
  const lines: { level: number; msg: string }[] = [];
  const logger = pino({ level: "debug" }, { write: (text: string) => lines.push(JSON.parse(text)) });
  const metrics = createMetrics();
  const clock = { nowUs: () => Date.now() * 1000 };
  return {
    clock,
    logger,
    metrics,
    log: given.log ?? createMemoryLog(clock),
    lines,
    async figure(name) {
      const metric = await metrics.registry.getSingleMetric(name)?.get();
      return (metric?.values ?? []).reduce((sum, { value }) => sum + value, 0);
    },
  };
}

/** The dependencies of a store under test. */
export function storeDeps(deps: Pick<Deps, "log" | "logger" | "metrics" | "clock"> = testDeps()): StoreDeps {
  const events = new StorageEvents(deps.logger, deps.metrics);
  return { log: deps.log, events, nowUs: () => deps.clock.nowUs(), seriesMax: 500_000 };
}

/** Polls until the condition holds. After `msMax` it fails and names what it waited for. */
export async function eventually(what: string, holds: () => Promise<boolean> | boolean, msMax = 15_000): Promise<void> {
  const deadlineMs = performance.now() + msMax;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${msMax} ms until ${what}, in vain`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A log entry with these readings. */
export function frameOf(readings: readonly Reading[]): Uint8Array {
  const writer = new FrameWriter();
  for (const { device, metric, tags, atUs, value } of readings) {
    writer.add({ device, metric, tags, kind: kindOf(value) }, atUs, value);
  }
  return writer.finish(readings[0]?.atUs ?? 0);
}
