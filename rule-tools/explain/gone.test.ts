import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, expect, test } from "vitest";
import { encodeGone } from "../../domain/frame-writer.ts";
import { encodeEntry, reading } from "../../engine/testing/step-kit.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { processorsConfigSchema } from "../../processors/config.ts";
import { startProcessors } from "../../processors/processors.ts";
import { loadRules } from "../../rule-language/files/load-rules.ts";
import { explainFromLog, whyNotFromLog } from "./explain.ts";

const WAIT = { timeout: 20_000, interval: 20 };
const SECOND_US = 1e6;
const START_US = Date.UTC(2026, 0, 5) * 1000;
const RULES = `
rules:
  - { id: silent, where: { metric: m }, absent: 1h }
  - { id: at-night, where: { metric: m }, absent: 1h, active: { hours: ["22:00-23:00"] } }
  - { id: by-metric, where: { metric: m }, group_by: [metric], absent: 1h }
`;
const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

test("an incident of a device that said it is gone says so, and so does why another rule waits", async () => {
  const rulesDir = await mkdtemp(join(tmpdir(), "weir-gone-"));
  undo.push(() => rm(rulesDir, { recursive: true, force: true }));
  await writeFile(join(rulesDir, "rules.yaml"), RULES);
  let nowUs = START_US;
  const log = createMemoryLog({ nowUs: () => nowUs });
  const clock = { nowUs: () => nowUs };
  const config = processorsConfigSchema.parse({ rules_dir: rulesDir, tick: "1m", checkpoint: "10m", lease: "10m" });
  const logger = pino({ level: "silent" });
  const service = await startProcessors(config, { clock, logger, log, metrics: createMetrics(), partitions: 1 });
  undo.push(() => service.stop());
  const append = (payload: Uint8Array) => log.append({ subject: "readings.0", payload });
  await append(encodeEntry({ kind: "readings", storedAtUs: nowUs, readings: [reading("d", nowUs, 1)] }));
  nowUs += 3 * SECOND_US;
  await append(encodeGone([{ device: "d", tags: { site: "s" } }]));
  const alerts = async () => (await log.bounds("ALERTS")).lastSequence;
  await expect.poll(alerts, WAIT).toBe(1);
  const [batch] = await log
    .read({ stream: "ALERTS", from: { kind: "first" } })
    [Symbol.asyncIterator]()
    .next()
    .then(({ value }) => [value]);
  const { data } = JSON.parse(new TextDecoder().decode(batch[0].payload));
  const rules = await loadRules(rulesDir);
  const deps = { log, partitions: 1, rules: () => rules.specs, nowUs: () => nowUs };
  const { steps } = await explainFromLog(data.incident, deps);
  expect(steps).toMatchObject([
    {
      state: "firing",
      closedBy: "gone",
      predicate: "the device said that it is gone, after 3 s of silence (absent 1h)",
    },
  ]);
  const reasonsOf = async (rule: string, labels: Record<string, string>) =>
    (await whyNotFromLog({ rule, labels }, deps)).alerts.map(({ state, reasons }) => [state, reasons.at(-1)?.text]);
  const said = "; its device said at 2026-01-05T00:00:03.000Z that it is gone";
  const device = { device: "d" };
  expect(await reasonsOf("silent", device)).toEqual([["firing", expect.stringContaining(said)]]);
  expect(await reasonsOf("at-night", device)).toEqual([["inactive", expect.stringContaining(said)]]);
  expect(await reasonsOf("by-metric", { metric: "m" })).toEqual([
    ["inactive", expect.stringMatching(/^silent for \d+s of 1h$/)],
  ]);
}, 60_000);
