import { FrameReader, SeriesTable } from "../domain/frame-reader.ts";
import { encodeRuleSet, FrameWriter } from "../domain/frame-writer.ts";
import { Step } from "../engine/step.ts";
import { versionOf } from "../rule-language/files/load-rules.ts";
import { ruleSpecSchema } from "../rule-language/spec/rule-spec.ts";
import { median, printTable } from "./figures.ts";
import { liveBytes } from "./live-bytes.ts";

const BEGIN_US = 1.7e15;
const HOUR_READINGS = 3_600;
const KEYS = 20;
const KEY_BYTES_MAX = 64 * 1024;
const SLIDING_READINGS = 3_000;
const LATE_EVERY = 50;
const LATE_BY = 20;
const LATE_RATIO_MAX = 2;
const ROUNDS = 5;

const KINDS: readonly (readonly [name: string, fields: object])[] = [
  ["tumbling 1 h", { window: { tumbling: "1h" } }],
  ["tumbling 1 s, lateness 1 h", { window: { tumbling: "1s" }, lateness: "1h" }],
  ["tumbling 1 h, p95", { window: { tumbling: "1h" }, aggregate: "p95" }],
  ["tumbling 1 h, distinct", { window: { tumbling: "1h" }, aggregate: "distinct" }],
  ["tumbling 1 h, time_avg", { window: { tumbling: "1h" }, aggregate: "time_avg" }],
  ["hopping 1 h every 1 m", { window: { hopping: "1h", every: "1m" } }],
  ["hopping 1 h every 1 m, p95", { window: { hopping: "1h", every: "1m" }, aggregate: "p95" }],
  ["hopping 1 h every 1 m, time_avg", { window: { hopping: "1h", every: "1m" }, aggregate: "time_avg" }],
  ["sliding 1 m", { window: { sliding: "1m" } }],
  ["sliding 1 h", { window: { sliding: "1h" } }],
  ["session 1 h", { window: { session: "1h" } }],
  ["count 3600", { window: { count: HOUR_READINGS } }],
];

/** What a key of each kind of window keeps, and what late readings of sliding windows cost. */
export function benchEngineWindows(): boolean {
  const rows = KINDS.map(([name, fields]) => [name, bytesOf(fields)] as const);
  process.stdout.write(`\nMemory of a key: 1 reading a second for three hours (mean of ${KEYS})\n`);
  printTable([
    ["window", "KB", "target"],
    ...rows.map(([name, bytes]) => [name, (bytes / 1024).toFixed(1), KEY_BYTES_MAX / 1024]),
  ]);
  const ratio = median(Array.from({ length: ROUNDS }, () => slidingMs(true) / slidingMs(false)));
  process.stdout.write(
    `  sliding over ${SLIDING_READINGS} readings: with 2 % late, ${ratio.toFixed(2)} times as long `,
  );
  process.stdout.write(`(target: ${LATE_RATIO_MAX})\n`);
  return ratio <= LATE_RATIO_MAX && rows.every(([, bytes]) => bytes <= KEY_BYTES_MAX);
}

function bytesOf(fields: object): number {
  const before = liveBytes();
  const play = player(fields, KEYS);
  const empty = liveBytes() - before;
  // A quarter of the values repeat.
  for (let i = 0; i < 3 * HOUR_READINGS; i++) play(i, 20 + ((i * 7919) % 2_700) / 100);
  const bytes = (liveBytes() - before - empty) / KEYS;
  // Keeps the step alive until here.
  play(3 * HOUR_READINGS, 0);
  return bytes;
}

/** Time for windows that hold as many readings, on a key that begins with as many. */
function slidingMs(hasLate: boolean): number {
  const play = player({ window: { sliding: `${SLIDING_READINGS}s` } }, 1);
  const total = 4 * SLIDING_READINGS;
  const cpuBefore = process.cpuUsage();
  for (let i = 0; i < total; i++) {
    const isMissing = hasLate && i % LATE_EVERY === 0;
    if (!isMissing) play(i, i % 17);
    if (hasLate && i > LATE_EVERY && i % LATE_EVERY === LATE_BY) play(i - LATE_BY, 5);
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  return (user + system) / 1000;
}

/** Gives a step one reading of each key, at a second. */
function player(fields: object, keys: number) {
  const specs = [ruleSpecSchema.parse({ id: "one", ...fields })];
  const table = new SeriesTable();
  const frames = new FrameReader(table);
  const step = new Step(table);
  const writer = new FrameWriter();
  let sequence = 0;
  const apply = (frame: Uint8Array, storedAtUs: number) =>
    step.apply(frames.read(frame), { task: 0, sequence: ++sequence, storedAtUs });
  apply(encodeRuleSet({ version: versionOf(specs), rulesJson: JSON.stringify(specs) }), BEGIN_US);
  const play = (second: number, value: number) => {
    const atUs = BEGIN_US + second * 1e6;
    for (let key = 0; key < keys; key++)
      writer.add({ device: `d${key}`, metric: "m", tags: {}, kind: "number" }, atUs, value);
    apply(writer.finish(atUs), BEGIN_US + sequence);
  };
  return play;
}
