import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { compileFilter } from "../common/filter.ts";
import { appendWindows, windowResult } from "../testing/test-kit.ts";
import { Progress } from "../views/progress.ts";
import { collect } from "../views/view.ts";
import { WindowsView } from "../views/windows-view.ts";
import type { Interest } from "./interest.ts";
import { SharedFrames } from "./shared-frames.ts";

const PATTERNS = ["*", "d1", "d2", "d?", "d*", "x", "d[", ""];

describe("changes distributed to the matching filters", () => {
  it("are the same as each filter finds by evaluating all changes", async () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant("append" as const),
        devices: fc.array(fc.nat(12), { minLength: 1, maxLength: 8 }),
      }),
      fc.record({ kind: fc.constant("join" as const), pattern: fc.constantFrom(...PATTERNS) }),
      fc.record({ kind: fc.constant("leave" as const), at: fc.nat(20) }),
      fc.record({ kind: fc.constant("look" as const), back: fc.nat(6) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const log = createMemoryLog({ nowUs: () => 0 });
        const progress = new Progress();
        const view = new WindowsView({ progress, windowsPerSeries: 2, windowsMax: 15, onRepeat: () => {} });
        const shared = new SharedFrames(() => "id");
        const interests: Interest[] = [];
        let sequence = 0;
        for (const one of steps) {
          if (one.kind === "append") {
            sequence++;
            const results = one.devices.map((device) =>
              windowResult({
                startUs: sequence * 60e6,
                labels: { device: `d${device}` },
                aggregates: { avg: sequence },
              }),
            );
            await appendWindows(log, { lastInput: sequence }, results);
            const message = await log.lastFor("WINDOWS", "windows.0");
            if (message !== undefined) view.apply(message);
            progress.done(sequence);
          } else if (one.kind === "join") {
            interests.push(shared.interest("windows", view, compileFilter({ device: one.pattern })));
          } else if (one.kind === "leave") {
            const [gone] = interests.splice(one.at % Math.max(1, interests.length), 1);
            if (gone !== undefined) shared.release(gone);
          } else {
            const after = Math.max(0, sequence - one.back) * 65_536;
            for (const interest of interests) {
              const { items, count } = interest.batch(after, "live");
              const whole = collect(view, view.matcher(interest.filter), { after, bytesMax: Number.POSITIVE_INFINITY });
              expect({ items, count }).toEqual({ items: whole.items, count: whole.count });
            }
            shared.clear();
          }
        }
      }),
    );
  });

  it("still reach the remaining filters after many were removed", async () => {
    const log = createMemoryLog({ nowUs: () => 0 });
    const progress = new Progress();
    const view = new WindowsView({ progress, windowsPerSeries: 2, windowsMax: 15, onRepeat: () => {} });
    const shared = new SharedFrames(() => "id");
    const interestIn = (device: string) => shared.interest("windows", view, compileFilter({ device }));
    const gone = Array.from({ length: 500 }, (_, i) => interestIn(`gone-${i}`));
    const staying = interestIn("d1");
    for (let sequence = 1; sequence <= 2; sequence++) {
      await appendWindows(log, { lastInput: sequence }, [
        windowResult({ startUs: sequence, labels: { device: "d1" } }),
      ]);
      const message = await log.lastFor("WINDOWS", "windows.0");
      if (message !== undefined) view.apply(message);
      progress.done(sequence);
      shared.clear();
      expect(staying.batch((sequence - 1) * 65_536 + 65_535, "live").count).toBe(1);
      for (const interest of gone.splice(0)) shared.release(interest);
    }
    // New filters, too.
    expect(interestIn("d?").batch(0, "live").count).toBe(2);
  });
});
