import { expect, test } from "vitest";
import { FrameReader, SeriesTable } from "../domain/frame-reader.ts";
import { US_PER_DAY, US_PER_MINUTE } from "../domain/time.ts";
import { Step } from "./step.ts";
import { encodeEntry, reading, rule, type TestEntry } from "./testing/step-kit.ts";

const DEVICES_PER_DAY = 1_000;
const DAYS = 100;
const specs = [
  rule({ id: "hot", window: { tumbling: "1m" }, aggregate: ["max", "last"], when: "> 8" }),
  rule({ id: "silent", absent: "1h" }),
];

/** The readings of a day, each of a device that is never heard again. */
function entryOf(day: number): TestEntry {
  const storedAtUs = day * US_PER_DAY;
  const readings = Array.from({ length: DEVICES_PER_DAY }, (_, i) => reading(`device-${day}-${i}`, storedAtUs, i % 10));
  return { kind: "readings", storedAtUs, readings };
}

test("a hundred thousand devices over 100 days take as much state as those of the last 30 days", () => {
  const table = new SeriesTable({ keepsSeries: false });
  const frames = new FrameReader(table);
  const step = new Step(table, { onSeriesForgotten: (id) => table.release(id) });
  let sequence = 0;
  let open = 0;
  function apply(entry: TestEntry): void {
    const position = { task: 0, sequence: ++sequence, storedAtUs: entry.storedAtUs };
    const { alerts } = step.apply(frames.read(encodeEntry(entry)), position);
    for (const { state } of alerts) open += state === "firing" ? 1 : state === "resolved" ? -1 : 0;
  }
  const sizes: number[] = [];
  apply({ kind: "rules", storedAtUs: US_PER_DAY, specs });
  for (let day = 1; day <= DAYS; day++) {
    apply(entryOf(day));
    // Watched, so that absences are noticed.
    for (let minute = 1; minute <= 125; minute++)
      apply({ kind: "tick", storedAtUs: day * US_PER_DAY + (minute * US_PER_MINUTE) / 2 });
    if (day === 34 || day === 67 || day === DAYS) sizes.push(bytesOf(step));
  }
  expect(step.keyCount).toBeLessThanOrEqual(2 * 31 * DEVICES_PER_DAY);
  expect(open).toBeLessThanOrEqual(2 * 31 * DEVICES_PER_DAY);
  expect(table.size).toBeLessThan(100 * DEVICES_PER_DAY * 0.75);
  expect(Math.max(...sizes)).toBeLessThan((sizes[0] as number) * 1.05);
}, 240_000);

function bytesOf(step: Step): number {
  let bytes = 0;
  for (const part of step.snapshot()) {
    if (part?.kind === "doubles") bytes += part.doubles.byteLength;
    else if (part?.kind === "bytes") bytes += part.bytes.byteLength;
    else if (part?.kind === "texts") bytes += part.json.length;
    else if (part?.kind === "values") bytes += JSON.stringify(part.values).length;
  }
  return bytes;
}
