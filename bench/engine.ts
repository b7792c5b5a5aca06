import { FrameReader, SeriesTable } from "../domain/frame-reader.ts";
import { encodeRuleSet, FrameWriter } from "../domain/frame-writer.ts";
import type { Series } from "../domain/reading.ts";
import { versionOf } from "../processors/rules/load-rules.ts";
import { type RuleSpec, ruleSpecSchema } from "../processors/rules/rule-spec.ts";
import { Step } from "../processors/step/step.ts";
import { median, printTable } from "./figures.ts";

const KEYS = 5_000;
const FRAME_READINGS = 500;
const READINGS = 2_000_000;
const ROUNDS = 5;

/** Readings per second of the step alone, decoding included, on one core. */
export async function benchEngine(): Promise<boolean> {
  const frames = makeFrames();
  const one = ruleSpecSchema.parse({ id: "one", window: { tumbling: "10s" }, aggregate: ["avg", "min", "max"] });
  const hundred = Array.from({ length: 100 }, (_, i) => ({ ...one, id: `rule-${i}` }));
  const rows: (string | number)[][] = [["rules", "M readings/s", "target"]];
  const single = measure(frames, [one]);
  rows.push(["1", (single / 1e6).toFixed(2), "1.50"]);
  const many = measure(frames.slice(0, frames.length / 10), hundred);
  rows.push(["100 on the same series", (many / 1e6).toFixed(2), "0.30"]);
  process.stdout.write(
    `\nThe step: tumbling 10 s avg, min, max; ${KEYS} keys; frames of ${FRAME_READINGS} (medians of ${ROUNDS})\n`,
  );
  printTable(rows);
  return single >= 1.5e6 && many >= 0.3e6;
}

function makeFrames(): Uint8Array[] {
  const fleet: Series[] = Array.from({ length: KEYS }, (_, i) => ({
    device: `device-${i}`,
    metric: "temperature",
    tags: { site: `site-${i % 10}` },
    kind: "number",
  }));
  const writer = new FrameWriter();
  const frames: Uint8Array[] = [];
  for (let i = 0; i < READINGS; i++) {
    // Each device speaks once a second.
    const atUs = 1.7e15 + Math.floor(i / KEYS) * 1e6 + (i % KEYS);
    writer.add(fleet[i % KEYS] as Series, atUs, 20 + ((i * 7919) % 1000) / 100);
    if (writer.count === FRAME_READINGS) frames.push(writer.finish(atUs));
  }
  return frames;
}

function measure(frames: readonly Uint8Array[], specs: readonly RuleSpec[]): number {
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const table = new SeriesTable();
    const reader = new FrameReader(table);
    const step = new Step(table);
    const rules = reader.read(encodeRuleSet({ version: versionOf(specs), rulesJson: JSON.stringify(specs) }));
    step.apply(rules, { partition: 0, sequence: 1, storedAtUs: 1.7e15 });
    const startedMs = performance.now();
    let windows = 0;
    for (const [i, frame] of frames.entries()) {
      const position = { partition: 0, sequence: i + 2, storedAtUs: 1.7e15 + i * 1e5 };
      windows += step.apply(reader.read(frame), position).windows.length;
    }
    const seconds = (performance.now() - startedMs) / 1000;
    if (windows === 0) throw new Error("no window closed: nothing was measured");
    rates.push((frames.length * FRAME_READINGS) / seconds);
  }
  return median(rates);
}
