import { FrameReader, SeriesTable } from "../domain/frame-reader.ts";
import { encodeRuleSet, FrameWriter } from "../domain/frame-writer.ts";
import type { Series } from "../domain/reading.ts";
import { Step } from "../engine/step.ts";
import { freeze, thaw } from "../processors/checkpoints.ts";
import { versionOf } from "../rule-language/files/load-rules.ts";
import { ruleSpecSchema } from "../rule-language/spec/rule-spec.ts";
import { median, printTable } from "./figures.ts";
import { liveBytes } from "./live-bytes.ts";
import { watchEventLoop } from "./watch-event-loop.ts";

const RULES = 8_000;
const KEYS = 100_000;
const MESSAGES_PER_SECOND = 1_000;
const FRAME_MESSAGES = 10;
const LIVE_SECONDS = 120;
const SAVES = 5;
const BEGIN_US = 1.7e15;

/** The cost of many rules over many sensors: time, memory and checkpoints. */
export async function benchEngineScale(): Promise<boolean> {
  const world = new World();
  const bytesBefore = liveBytes();
  world.begin();
  const bytesWithRules = liveBytes();
  // Every sensor has readings, and open, closed and retained windows.
  world.play(400);
  const bytesWithKeys = liveBytes();
  const cpuBefore = process.cpuUsage();
  world.play(LIVE_SECONDS);
  const { user, system } = process.cpuUsage(cpuBefore);
  const share = (user + system) / 1e6 / LIVE_SECONDS;
  const saves: { totalMs: number; longestMs: number; restoreMs: number; bytes: number }[] = [];
  for (let i = 0; i < SAVES; i++) saves.push(await world.save());

  const perRule = (bytesWithRules - bytesBefore) / RULES / 1024;
  const perKey = (bytesWithKeys - bytesWithRules) / KEYS / 1024;
  const frozenMs = median(saves.map(({ totalMs }) => totalMs));
  const longestMs = median(saves.map(({ longestMs: ms }) => ms));
  const restoreMs = median(saves.map(({ restoreMs: ms }) => ms));
  const rows: readonly [string, number, number, string][] = [
    [`CPU at ${MESSAGES_PER_SECOND} messages/s, including encoding`, share * 100, 10, "% of a core"],
    ["memory of a rule", perRule, 20, "KB"],
    ["memory of a live key, including its series", perKey, 1, "KB"],
    [`checkpoint (${((saves[0]?.bytes ?? 0) / 1e6).toFixed(0)} MB), processing is paused`, frozenMs, 300, "ms"],
    ["... longest time that the event loop is blocked", longestMs, 20, "ms"],
    ["recovery from it", restoreMs / 1000, 3, "s"],
  ];
  process.stdout.write(`\n${RULES} rules, ${KEYS} sensors, each with its own window (saves: medians of ${SAVES})\n`);
  printTable([
    ["", "measured", "target", ""],
    ...rows.map(([name, value, target, unit]) => [name, value.toFixed(2), target, unit]),
  ]);
  return rows.every(([, value, target]) => value < target);
}

class World {
  readonly #specs = Array.from({ length: RULES }, (_, i) =>
    ruleSpecSchema.parse({
      id: `room-${i}-warm`,
      where: { metric: "temperature", room: `room-${i}` },
      window: { tumbling: "1m" },
      when: "> 25",
      for: "2m",
    }),
  );
  readonly #fleet: Series[] = Array.from({ length: KEYS }, (_, i) => ({
    device: `device-${i}`,
    metric: "temperature",
    tags: { room: `room-${i % RULES}` },
    kind: "number",
  }));
  readonly #table = new SeriesTable({ keepsSeries: false });
  readonly #frames = new FrameReader(this.#table);
  readonly #step = new Step(this.#table);
  readonly #writer = new FrameWriter();
  #sequence = 0;
  #second = 0;

  constructor() {
    // Excludes the writer's memory.
    for (const series of this.#fleet) this.#writer.add(series, BEGIN_US, 0);
    this.#writer.finish(BEGIN_US);
  }

  begin(): void {
    const rulesJson = JSON.stringify(this.#specs);
    this.#apply(encodeRuleSet({ version: versionOf(this.#specs), rulesJson }), BEGIN_US);
  }

  play(seconds: number): void {
    for (const end = this.#second + seconds; this.#second < end; this.#second++) {
      for (let message = 0; message < MESSAGES_PER_SECOND; message++) {
        const i = this.#second * MESSAGES_PER_SECOND + message;
        const atUs = BEGIN_US + i * (1e6 / MESSAGES_PER_SECOND);
        this.#writer.add(this.#fleet[i % KEYS] as Series, atUs, 20 + ((i * 7919) % 400) / 100);
        if (this.#writer.count === FRAME_MESSAGES) this.#apply(this.#writer.finish(atUs), atUs);
      }
    }
  }

  async save() {
    // Excludes garbage from the previous recovery.
    liveBytes();
    const loop = watchEventLoop();
    const startedMs = performance.now();
    const { pieces, bytes } = await freeze(this.#step.snapshot());
    const totalMs = performance.now() - startedMs;
    const longestMs = await loop.stop();
    const state = Buffer.concat(pieces);
    const restoredMs = performance.now();
    const restored = new Step(new SeriesTable({ keepsSeries: false }));
    restored.restore(thaw(state));
    const restoreMs = performance.now() - restoredMs;
    if (restored.keyCount !== KEYS) throw new Error(`${restored.keyCount} keys came back of ${KEYS}`);
    return { totalMs, longestMs, restoreMs, bytes };
  }

  #apply(payload: Uint8Array, storedAtUs: number): void {
    this.#step.apply(this.#frames.read(payload), { task: 0, sequence: ++this.#sequence, storedAtUs });
  }
}
