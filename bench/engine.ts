import { FrameReader, SeriesTable } from "../domain/frame-reader.ts";
import { encodeRuleSet, FrameWriter } from "../domain/frame-writer.ts";
import type { Series } from "../domain/reading.ts";
import { Step } from "../engine/step.ts";
import { versionOf } from "../rule-language/files/load-rules.ts";
import { type RuleSpec, ruleSpecSchema } from "../rule-language/spec/rule-spec.ts";
import { median, printTable } from "./figures.ts";

const KEYS = 5_000;
const FRAME_READINGS = 500;
const ROUNDS = 5;
const BEGIN_US = 1.7e15;

interface Load {
  readonly name: string;
  readonly specs: readonly RuleSpec[];
  readonly seconds: number;
  /** Readings per second; 0 if there is no target. */
  readonly target: number;
}

const base = { aggregate: ["avg", "min", "max"] };
const one = rule("one", { window: { tumbling: "10s" } });

const LOADS: readonly Load[] = [
  { name: "tumbling 10 s, 1 rule", specs: [one], seconds: 400, target: 1.5e6 },
  {
    name: "... with a condition",
    specs: [rule("one", { window: { tumbling: "10s" }, when: "> 29.5" })],
    seconds: 200,
    target: 0,
  },
  {
    name: "hopping 5 m every 10 s",
    specs: [rule("hop", { window: { hopping: "5m", every: "10s" } })],
    seconds: 700,
    target: 0,
  },
  {
    name: "100 rules on the same series: thresholds",
    specs: many(100, (i) => ({ window: { tumbling: "10s" }, when: `> ${28 + i / 50}` })),
    seconds: 60,
    target: 3e5,
  },
  {
    name: "100 rules on the same series: 10 window lengths x 10 thresholds",
    specs: many(100, (i) => ({ window: { tumbling: `${10 + (i % 10)}s` }, when: `> ${28 + i / 50}` })),
    seconds: 40,
    target: 0,
  },
  { name: "p95", specs: [rule("p95", { window: { tumbling: "10s" }, aggregate: "p95" })], seconds: 40, target: 0 },
  { name: "sliding 1 m", specs: [rule("slide", { window: { sliding: "1m" } })], seconds: 80, target: 0 },
  { name: "session 900 ms", specs: [rule("session", { window: { session: "900ms" } })], seconds: 80, target: 0 },
  { name: "count 20", specs: [rule("count", { window: { count: 20 } })], seconds: 80, target: 0 },
];

/** Readings per second of the step alone, including decoding, on one core. */
export async function benchEngine(): Promise<boolean> {
  const frames = makeFrames(Math.max(...LOADS.map(({ seconds }) => seconds)));
  const rows: (string | number)[][] = [["rules", "M readings/s", "M results/s", "target"]];
  let reached = true;
  const rates = new Map<string, number>();
  for (const { name, specs, seconds, target } of LOADS) {
    const { readings, results } = measure(frames.slice(0, (seconds * KEYS) / FRAME_READINGS), specs);
    rates.set(name, readings);
    rows.push([name, (readings / 1e6).toFixed(2), (results / 1e6).toFixed(2), target ? (target / 1e6).toFixed(2) : ""]);
    reached &&= readings >= target;
  }
  process.stdout.write(
    `\nThe step: avg, min, max; ${KEYS} keys; frames of ${FRAME_READINGS}; including decoding (medians of ${ROUNDS})\n`,
  );
  printTable(rows);
  const ratio = (rates.get("tumbling 10 s, 1 rule") ?? 0) / (rates.get("hopping 5 m every 10 s") ?? 1);
  process.stdout.write(`  hopping costs ${ratio.toFixed(2)} times tumbling (target: 2)\n`);
  return reached && ratio <= 2;
}

function rule(id: string, fields: object): RuleSpec {
  return ruleSpecSchema.parse({ id, ...base, ...fields });
}

function many(count: number, fields: (i: number) => object): RuleSpec[] {
  return Array.from({ length: count }, (_, i) => rule(`rule-${i}`, fields(i)));
}

/** Each device sends one reading per second. */
function makeFrames(seconds: number): Uint8Array[] {
  const fleet: Series[] = Array.from({ length: KEYS }, (_, i) => ({
    device: `device-${i}`,
    metric: "temperature",
    tags: { site: `site-${i % 10}` },
    kind: "number",
  }));
  const writer = new FrameWriter();
  const frames: Uint8Array[] = [];
  for (let i = 0; i < seconds * KEYS; i++) {
    const atUs = BEGIN_US + Math.floor(i / KEYS) * 1e6 + (i % KEYS);
    writer.add(fleet[i % KEYS] as Series, atUs, 20 + ((i * 7919) % 1000) / 100);
    if (writer.count === FRAME_READINGS) frames.push(writer.finish(atUs));
  }
  return frames;
}

function measure(frames: readonly Uint8Array[], specs: readonly RuleSpec[]) {
  const rates: number[] = [];
  let results = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const table = new SeriesTable();
    const reader = new FrameReader(table);
    const step = new Step(table);
    const rules = reader.read(encodeRuleSet({ version: versionOf(specs), rulesJson: JSON.stringify(specs) }));
    step.apply(rules, { task: 0, sequence: 1, storedAtUs: BEGIN_US });
    const startedMs = performance.now();
    let windows = 0;
    for (const [i, frame] of frames.entries()) {
      // The log stores frames in real time.
      const position = { task: 0, sequence: i + 2, storedAtUs: BEGIN_US + i * ((FRAME_READINGS / KEYS) * 1e6) };
      windows += step.apply(reader.read(frame), position).results.length;
    }
    const seconds = (performance.now() - startedMs) / 1000;
    if (windows === 0) throw new Error(`no window closed with ${specs[0]?.id}: nothing was measured`);
    rates.push((frames.length * FRAME_READINGS) / seconds);
    results = windows / (frames.length * FRAME_READINGS);
  }
  const readings = median(rates);
  return { readings, results: results * readings };
}
