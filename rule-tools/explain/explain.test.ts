import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  EXPLAIN_INCIDENT,
  EXPLAIN_WHY_NOT,
  type IncidentExplanation,
  type WhyNotAnswer,
} from "../../contracts/explanations.ts";
import { HISTORY_INCIDENT } from "../../contracts/history.ts";
import type { AlertChange } from "../../domain/alert.ts";
import { partitionOf } from "../../domain/partition.ts";
import type { Reading } from "../../domain/reading.ts";
import { encodeEntry } from "../../engine/testing/step-kit.ts";
import { createMemoryLog } from "../../platform/log/memory.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { processorsConfigSchema } from "../../processors/config.ts";
import { startProcessors } from "../../processors/processors.ts";
import { foldedResults, publishedResults } from "../../processors/testing/folded-log.ts";
import { seeded } from "../../processors/testing/runner-kit.ts";
import { loadRules } from "../../rule-language/files/load-rules.ts";
import { incidentText, whyNotText } from "./explanation-text.ts";
import { respondExplanations } from "./responder.ts";

const PARTITIONS = 2;
const WAIT = { timeout: 30_000, interval: 50 };
const START_US = Date.UTC(2026, 0, 5) * 1000;
const SECOND_US = 1e6;
const END_US = START_US + 3_600 * SECOND_US;

const RULES = `
rules:
  - { id: avg, where: { metric: m }, window: { tumbling: 30s }, aggregate: avg, when: "> 55", lateness: 5s }
  - { id: waits, where: { metric: m }, window: { tumbling: 20s }, aggregate: max, when: "> 80", clear: "< 75", for: 40s }
  - { id: sum, where: { metric: m }, window: { tumbling: 30s }, aggregate: sum, when: "> 1500", late: drop }
  - { id: hop, where: { metric: m }, window: { hopping: 60s, every: 10s }, aggregate: p90, when: "> 95" }
  - { id: slide, where: { metric: m }, window: { sliding: 30s }, aggregate: stddev, when: "> 32", lateness: 2s }
  - { id: sessions, where: { metric: m }, window: { session: 2s }, aggregate: range, when: "> 45" }
  - { id: twenty, where: { metric: m }, window: { count: 20 }, aggregate: delta, when: "> 50", lateness: 3s }
  - { id: rate, where: { metric: m }, window: { tumbling: 15s }, aggregate: rate, when: "outside -4 and 4" }
  - { id: states, where: { metric: door }, window: { tumbling: 60s }, aggregate: duration(open), when: "> 35" }
  - { id: kinds, where: { metric: door }, window: { tumbling: 60s }, aggregate: distinct, when: "== 2" }
  - { id: high, where: { metric: m }, window: { tumbling: 30s }, aggregate: "count_if(> 90)", when: ">= 5" }
  - { id: site, where: { metric: m }, group_by: [site], window: { tumbling: 20s }, aggregate: [avg, count], when: "> 53", lateness: 5s }
  - { id: both, group_by: [device], window: { tumbling: 30s }, let: { level: { metric: m }, doors: { metric: door, aggregate: count } }, when: "level > 55 && doors >= 3" }
  - { id: silent, where: { device: d3 }, absent: 20s }
  - { id: windows-only, where: { metric: m }, window: { tumbling: 30s } }
`;

let nowUs = START_US;
const log = createMemoryLog({ nowUs: () => nowUs });
const undo: (() => unknown)[] = [];
let changes: readonly AlertChange[] = [];

beforeAll(async () => {
  const rulesDir = await mkdtemp(join(tmpdir(), "weir-explain-"));
  undo.push(() => rm(rulesDir, { recursive: true, force: true }));
  await writeFile(join(rulesDir, "rules.yaml"), RULES);
  const config = processorsConfigSchema.parse({ rules_dir: rulesDir, tick: "1m", checkpoint: "10m", lease: "10m" });
  const deps = {
    clock: { nowUs: () => nowUs },
    logger: pino({ level: "silent" }),
    log,
    metrics: createMetrics(),
    partitions: PARTITIONS,
  };
  const service = await startProcessors(config, deps);
  undo.unshift(() => service.stop());
  const rules = await loadRules(rulesDir);
  expect(rules.problems).toEqual([]);
  undo.unshift(respondExplanations({ log, partitions: PARTITIONS, rules: () => rules, nowUs: () => nowUs }));
  for (const { atUs, readings } of arrivals(7)) {
    nowUs = atUs;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const own = readings.filter(({ device }) => partitionOf(device, PARTITIONS) === partition);
      if (own.length === 0) continue;
      await log.append({
        subject: `readings.${partition}`,
        payload: encodeEntry({ kind: "readings", storedAtUs: nowUs, readings: own }),
      });
    }
  }
  await vi.waitFor(async () => expect(await published()).toBeGreaterThan(0), WAIT);
  // Folding is expensive, so it happens once, when nothing more is forwarded.
  await vi.waitFor(async () => {
    const [before, after] = [await published(), await pause().then(published)];
    expect(after).toBe(before);
  }, WAIT);
  const folded = await foldedResults(log, PARTITIONS);
  await vi.waitFor(async () => expect(await published()).toBe(folded.alerts.length), WAIT);
  changes = (await publishedResults(log, PARTITIONS)).alerts;
  expect(changes.some(({ rule }) => rule === "site")).toBe(true);
}, 60_000);

afterAll(async () => {
  for (const step of undo) await step();
  await log.close();
});

async function published(): Promise<number> {
  return (await log.bounds("ALERTS")).messages;
}

/** Yields to other work. */
async function pause(): Promise<void> {
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
}

/**
 * An hour of four devices: some readings are seconds out of order, some arrive twice, and one device is silent now
 * and then.
 */
function arrivals(seed: number): { readonly atUs: number; readonly readings: readonly Reading[] }[] {
  const random = seeded(seed);
  const bySecond = new Map<number, Reading[]>();
  for (let atUs = START_US; atUs < END_US; atUs += SECOND_US) {
    for (const device of ["d1", "d2", "d3", "d4"]) {
      if (random() < 0.1 || (device === "d3" && Math.floor((atUs - START_US) / (100 * SECOND_US)) % 5 === 4)) continue;
      const tags = { site: device < "d3" ? "north" : "south" };
      const value = 50 + 40 * Math.sin((atUs - START_US) / 9e7 + Number(device[1])) + (random() - 0.5) * 60;
      const door = random() < 0.5 ? "open" : "closed";
      const readings: Reading[] = [{ device, metric: "m", tags, atUs, value }];
      if (random() < 0.1) readings.push({ device, metric: "door", tags, atUs, value: door });
      const late = random() < 0.2 ? Math.floor(random() * 12) : 0;
      const copies = random() < 0.05 ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        const arrivesUs = atUs + (late + copy) * SECOND_US;
        bySecond.set(arrivesUs, [...(bySecond.get(arrivesUs) ?? []), ...readings]);
      }
    }
  }
  return [...bySecond].sort(([a], [b]) => a - b).map(([atUs, readings]) => ({ atUs, readings }));
}

async function explain(incident: string): Promise<IncidentExplanation> {
  return await log.bus.request(EXPLAIN_INCIDENT, { incident }, { timeoutMs: 20_000 });
}

describe("an incident that is only in the store", () => {
  const only = createMemoryLog({ nowUs: () => END_US });
  let stop = () => {};
  let stored: readonly AlertChange[] = [];

  beforeAll(() => {
    stop = respondExplanations({
      log: only,
      partitions: PARTITIONS,
      rules: () => ({ specs: [] }),
      nowUs: () => END_US,
    });
    const { incident } = changes.find(({ rule, state }) => rule === "waits" && state === "resolved") ?? {};
    stored = changes.filter((change) => change.incident === incident);
  });
  afterAll(() => stop());

  const ask = (incident: string) => only.bus.request(EXPLAIN_INCIDENT, { incident }, { timeoutMs: 20_000 });

  test("is unknown as long as no store answers", async () => {
    await expect(ask(stored[0]?.incident ?? "")).rejects.toThrow("the log holds no incident");
  });

  test("is explained by its evidence; the readings are gone, also when a new log has other entries", async () => {
    only.bus.respond(HISTORY_INCIDENT, async ({ incident }) => {
      return { changes: stored.filter((change) => change.incident === incident).toReversed(), next: null };
    });
    const explanation = await ask(stored[0]?.incident ?? "");
    expect(explanation.steps.map(({ id, state, value }) => [id, state, value])).toEqual(
      stored.map(({ id, state, value }) => [id, state, value]),
    );
    expect(explanation.notes).toEqual(["the readings behind it are no longer in the log"]);
    await expect(ask("waits-0123456789abcdef-k2x9")).rejects.toThrow("neither the log nor the store holds incident");

    const reading = { device: "d1", metric: "m", tags: {}, atUs: END_US, value: 1 };
    const payload = encodeEntry({ kind: "readings", storedAtUs: END_US, readings: [reading] });
    for (let i = 0; i < 10; i++) await only.append({ subject: "readings.0", payload });
    expect((await ask(stored[0]?.incident ?? "")).notes).toEqual(["the readings behind it are no longer in the log"]);
  });
});

async function whyNot(rule: string, labels: Record<string, string>, atUs?: number): Promise<WhyNotAnswer> {
  return (await log.bus.request(EXPLAIN_WHY_NOT, {
    rule,
    labels,
    ...(atUs === undefined ? {} : { atUs }),
  })) as WhyNotAnswer;
}

test("a hundred random incidents: the aggregate of the listed readings is the emitted value", async () => {
  const random = seeded(3);
  const incidents = [...new Set(changes.map(({ incident }) => incident))].sort((a, b) => a.localeCompare(b));
  expect(incidents.length).toBeGreaterThan(100);
  const byRule = new Map<string, number>();
  const chosen = new Set<string>();
  // At least one of each rule, the rest at random.
  for (const rule of new Set(changes.map((change) => change.rule)))
    chosen.add(incidents.find((one) => one.startsWith(`${rule}-`)) ?? "");
  while (chosen.size < 100) chosen.add(incidents[Math.floor(random() * incidents.length)] ?? "");
  for (const incident of chosen) {
    const { steps, notes } = await explain(incident);
    expect(notes).toEqual([]);
    expect(steps.map(({ id }) => id)).toEqual(
      changes.filter((change) => change.incident === incident).map(({ id }) => id),
    );
    for (const { aggregate, value, recomputed, agrees, readings, readingsInAll, window } of steps) {
      byRule.set(aggregate, (byRule.get(aggregate) ?? 0) + 1);
      if (aggregate === "absent") continue;
      expect(readings.length).toBe(readingsInAll);
      for (const { atUs } of readings) expect(atUs >= window.startUs && atUs < window.endUs).toBe(true);
      expect({ incident, recomputed, agrees }).toEqual({ incident, recomputed, agrees: true });
      if (typeof value === "number")
        expect(Math.abs(Number(recomputed) - value)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(value)));
    }
  }
  expect([...byRule.keys()].sort()).toEqual([
    "absent",
    "avg",
    "count_if(> 90)",
    "delta",
    "distinct",
    "duration(open)",
    "level",
    "max",
    "p90",
    "range",
    "rate",
    "stddev",
    "sum",
  ]);
}, 120_000);

test("the text of an incident names window, predicate, clock and readings", async () => {
  const incident = changes.find(({ rule, state }) => rule === "waits" && state === "firing")?.incident ?? "";
  const text = incidentText(await explain(incident));
  expect(text).toMatch(/inactive -> pending[\s\S]*pending -> firing/);
  expect(text).toMatch(/because {3}max [\d.]+: > 80 holds, for 40 s of 40 s/);
  expect(text).toMatch(/clock {5}watermark 2026-\S+, lateness 0s, closed by (reading|idleness)/);
  expect(text).toMatch(/computed {2}max of \d+ readings is [\d.]+, as emitted/);
});

test("an unknown incident", async () => {
  await expect(explain("waits-0123456789abcdef-k2x9")).rejects.toThrow("the log holds no incident");
  await expect(explain("nonsense")).rejects.toThrow('"nonsense" is not an incident');
});

describe("why not", () => {
  test("agrees with the log on the state, at a hundred times", async () => {
    const random = seeded(5);
    for (let i = 0; i < 100; i++) {
      const atUs = START_US + Math.floor((0.1 + 0.9 * random()) * 3_600) * SECOND_US;
      const rule = ["avg", "waits", "hop", "slide", "both"][i % 5] ?? "";
      const { alerts } = await whyNot(rule, { device: "d1", metric: "m" }, atUs);
      // Quiet partitions get no entries here, so the newest entry by then shows what was known.
      const newest = changes
        .filter((change) => change.rule === rule && change.key.device === "d1" && change.processedAtUs <= atUs)
        .at(-1);
      expect({ rule, atUs, states: alerts.map(({ state }) => state) }).toEqual({
        rule,
        atUs,
        states: [newest?.state ?? "inactive"],
      });
    }
  }, 120_000);

  test("shows the value of each series, and which part of the condition does not hold", async () => {
    const ended = changes.find(({ rule, state }) => rule === "both" && state === "resolved");
    const { alerts } = await whyNot("both", ended?.key ?? {}, ended?.processedAtUs ?? 0);
    const texts = alerts[0]?.reasons.map(({ part, holds, text }) => `${part} ${holds} ${text}`) ?? [];
    expect(texts).toContainEqual(expect.stringMatching(/^window true level: avg was [\d.]+ in 2026/));
    expect(texts).toContainEqual(expect.stringMatching(/^window true doors: count was \d+ in 2026/));
    const parts = texts.filter((text) => text.startsWith("condition"));
    expect(parts[0]).toMatch(/^condition (true|false) level is [\d.]+: level > 55 (holds|does not hold), at 2026/);
    expect(parts[1]).toMatch(/^condition (true|false) doors is \d+: doors >= 3 (holds|does not hold), at 2026/);
    expect(parts.some((text) => text.startsWith("condition false"))).toBe(true);
    const text = incidentText(await explain(ended?.incident ?? ""));
    expect(text).toMatch(/because {3}level [\d.]+, doors \d+: level > 55 holds, doors >= 3 holds/);
    expect(text).toMatch(/computed {2}level, avg of \d+ readings is [\d.]+, as emitted/);
    expect(text).toMatch(/computed {2}doors, count of \d+ readings is \d+, as emitted/);
  });

  test("shows which part does not hold", async () => {
    const { alerts } = await whyNot("avg", { device: "d1" }, START_US + 20 * SECOND_US);
    expect(alerts[0]?.reasons).toContainEqual(expect.objectContaining({ part: "window", holds: false }));
    const pending = changes.find(({ rule, state }) => rule === "waits" && state === "pending");
    const waiting = await whyNot("waits", pending?.key ?? {}, pending?.processedAtUs ?? 0);
    expect(waiting.alerts[0]?.reasons.at(-1)).toEqual({
      part: "for",
      holds: false,
      text: expect.stringMatching(/: 0s of 40s$/),
    });
    expect(whyNotText(waiting)).toContain("NO   for");
  });

  test("names the label that excludes a series, a missing rule, and a missing label", async () => {
    const { reasons } = await whyNot("waits", { device: "d1", metric: "door" });
    expect(reasons[0]?.text).toContain('d1 door (metric is "door", wanted m)');
    expect((await whyNot("waits", { device: "nobody" })).reasons[0]?.text).toContain(
      "no reading with these labels arrived",
    );
    expect((await whyNot("windows-only", { device: "d1" })).reasons[0]?.text).toContain("has no `when`");
    await expect(whyNot("nix", {})).rejects.toThrow('no rule "nix" is in force; the rules are avg, waits');
    await expect(whyNot("waits", {})).rejects.toThrow("say which device");
    await expect(whyNot("site", {})).rejects.toThrow("say which site");
    expect((await whyNot("site", { site: "north" })).alerts).toHaveLength(1);
  });
});
